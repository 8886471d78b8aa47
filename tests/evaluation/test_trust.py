import json

import numpy as np
import pytest

from fer.base import DataSpec, Samples
from fer.evaluation import card, evidence, metrics, robustness, subgroups, trust, votes
from fer.evaluation.copies import NONE, Leaks

CLASSES = ("angry", "happy", "sad")
SPEC = DataSpec(name="toy", kind="image", shape=(24, 24, 1), classes=CLASSES)


def samples(count: int = 60, targets: np.ndarray | None = None) -> Samples:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 24, 24, 1), np.uint8)
    labels = np.arange(count) % 3 if targets is None else targets
    return Samples(source=pixels, rows=np.arange(count), targets=labels, names=[f"face {i}" for i in range(count)])


def leaks(count: int, leaked: int) -> Leaks:
    kind = np.full(count, NONE, np.uint8)
    kind[:leaked] = 0
    return Leaks(kind=kind, partner=np.where(kind < NONE, 0, -1))


class TestSubsets:
    def test_all_clean_and_leaked_are_judged_apart(self):
        labels = np.arange(60) % 3
        outputs = np.eye(3)[labels]
        outputs[20:50] = np.eye(3)[(labels[20:50] + 1) % 3]  # of 40 clean ones 10 are right, of 20 leaked ones all
        known = evidence.Evidence(leaks=leaks(60, 20), copied_labels=np.where(np.arange(60) < 10, labels, 9))
        found = trust.scores(outputs, labels, metrics.classification(outputs, labels, CLASSES), known)
        subsets = found["subsets"]

        assert {name: each["samples"] for name, each in subsets.items()} == {"all": 60, "clean": 40, "leaked": 20}
        assert {name: each["accuracy"] for name, each in subsets.items()} == {"all": 0.5, "clean": 0.25, "leaked": 1}
        assert found["leaks"] == {"exact": 20, "mirrored": 0, "near": 0, "near mirrored": 0, "threshold": 0.95}
        assert known.mark(0, labels) == "leaked"
        assert known.mark(15, labels) == "leaked, other label in train"
        assert known.mark(30, labels) == ""
        flat = metrics.flat({**metrics.classification(outputs, labels, CLASSES), **found})
        assert (flat["accuracy/clean"], flat["samples/leaked"]) == (0.25, 20)
        assert 0 <= flat["ece"] <= 1

    def test_without_leaks_the_leaked_have_no_score(self):
        labels = np.arange(60) % 3
        outputs = np.full((60, 3), 1 / 3)
        known = evidence.Evidence(leaks=leaks(60, 0), copied_labels=np.full(60, -1))
        found = trust.scores(outputs, labels, metrics.classification(outputs, labels, CLASSES), known)
        assert found["subsets"]["leaked"]["accuracy"] is None
        json.dumps(found, allow_nan=False)

    def test_leaks_are_looked_for_in_train_and_cached(self, tmp_path, monkeypatch):
        monkeypatch.setenv("FER_CACHE", str(tmp_path))
        train, judged = samples(30), samples(60)  # the judged ones begin with those of train
        traits, found, copied = evidence.leaks_of(SPEC, "test", judged, train)
        assert found is not None and copied is not None and traits is not None
        assert found.leaked.sum() == 30
        assert copied[:30].tolist() == train.targets.tolist()
        monkeypatch.setattr(evidence.copies, "leaks", None)
        again = evidence.leaks_of(SPEC, "test", judged, train)[1]
        assert again is not None
        np.testing.assert_array_equal(again.kind, found.kind)
        assert evidence.leaks_of(SPEC, "train", train, train)[1] is None

    def test_points_are_judged_apart_too(self):
        errors = np.array([0.01, 0.02, 0.09, 0.2])
        found = trust.point_scores(errors, evidence.Evidence(leaks=leaks(4, 2)))
        assert found["subsets"]["clean"] == {"samples": 2, "nme": pytest.approx(0.145)}
        assert found["intervals"]["failure_rate_8"][0] <= 0.5 <= found["intervals"]["failure_rate_8"][1]


class TestSubgroups:
    def planted(self, gap: float, count: int = 3589) -> list:
        random = np.random.default_rng(1)
        light = random.uniform(0, 255, count)
        chance = np.where(light < np.quantile(light, 0.25), 0.65 - gap, 0.65)
        other = {"noise": random.random(count), "contrast": random.random(count)}
        return subgroups.compare(random.random(count) < chance, {"brightness": light, **other})

    def test_a_planted_gap_of_ten_points_is_found_and_nothing_else(self):
        found = {trait["trait"]: trait for trait in self.planted(0.10)}
        assert found["brightness"]["found"]
        assert found["brightness"]["gap"] == pytest.approx(0.10, abs=0.05)
        assert [group["samples"] for group in found["brightness"]["groups"]] == pytest.approx([897] * 4, abs=1)
        assert not found["noise"]["found"]
        assert not found["contrast"]["found"]

    def test_false_alarms_are_rare(self):
        random = np.random.default_rng(2)
        alarms = 0
        for _ in range(300):
            traits = {name: random.random(800) for name in "abc"}
            alarms += any(each["found"] for each in subgroups.compare(random.random(800) < 0.6, traits))
        assert alarms <= 30  # 5% promised

    def test_groups_by_text_and_what_is_not_known(self):
        values = np.array(["left"] * 40 + ["right"] * 40 + ["up"] * 3)
        [found] = subgroups.compare(np.arange(83) < 40, {"pose": values, "size": np.full(83, np.nan)})
        assert [(group["name"], group["accuracy"]) for group in found["groups"]] == [("left", 1.0), ("right", 0.0)]
        assert found["found"]

    def test_all_right_is_no_gap(self):
        [found] = subgroups.compare(np.ones(200, bool), {"size": np.arange(200.0)})
        assert (found["gap"], found["p"], found["found"]) == (0, 1, False)

    def test_a_planted_gap_by_pose_is_found_beside_the_traits_of_pixels(self):
        random = np.random.default_rng(3)
        labels, yaw, size = np.arange(1200) % 3, random.uniform(0, 60, 1200), random.uniform(20, 200, 1200)
        wrong = random.random(1200) < np.where(yaw > 45, 0.5, 0.2)
        outputs = np.eye(3)[(labels + wrong) % 3]
        known = evidence.Evidence(proxies={"face size": size, "yaw": yaw})
        found = trust.scores(outputs, labels, metrics.classification(outputs, labels, CLASSES), known)
        assert [(each["trait"], each["found"]) for each in found["subgroups"]] == [("face size", False), ("yaw", True)]
        assert found["subgroups"][1]["gap"] == pytest.approx(0.3, abs=0.08)


class TestVotes:
    def test_one_against_the_others_by_hand(self):
        # 3 of 4 for a class: each of the three meets a majority of 2 : 1 and is right, the fourth is wrong
        assert votes.human_ceiling(np.array([[3, 1, 0]]))["accuracy"] == 3 / 4
        # 2 : 2: whoever is left out meets a majority of 1 : 2 against him
        assert votes.human_ceiling(np.array([[2, 2, 0]]))["accuracy"] == 0
        # 2 : 1: one of the two meets a tie and counts half, twice; the third is wrong
        assert votes.human_ceiling(np.array([[2, 1, 0]]))["accuracy"] == pytest.approx(2 * 0.5 / 3)
        assert votes.human_ceiling(np.array([[10, 0, 0], [1, 0, 0]])) == {
            "images": 1,
            "accuracy": 1.0,
            "interval": [1.0, 1.0],
        }

    def test_is_what_drawing_annotators_gives(self):
        random = np.random.default_rng(0)
        counts = random.multinomial(10, [0.6, 0.3, 0.1], size=300)
        hits = []
        for row in np.repeat(counts, 40, axis=0):
            one = random.choice(3, p=row / row.sum())
            others = row - np.eye(3, dtype=int)[one]
            best = np.flatnonzero(others == others.max())
            hits.append(one == random.choice(best))
        assert votes.human_ceiling(counts)["accuracy"] == pytest.approx(np.mean(hits), abs=0.01)

    def test_no_votes(self):
        with pytest.raises(ValueError, match=r"^votes: expected an image with two votes or more, got none$"):
            votes.human_ceiling(np.array([[1, 0]]))

    def test_a_model_against_votes(self):
        shares = np.array([[1.0, 0], [0.6, 0.4], [0.4, 0.6]])
        found = votes.against(shares, shares)
        assert found["cross_entropy"] == pytest.approx(found["floor"], abs=1e-5)
        assert [(row["agreement"], row["images"], row["accuracy"]) for row in found["agreement"]] == [
            (0.6, 2, 1.0),
            (1.0, 1, 1.0),
        ]
        assert votes.against(shares[:, ::-1], shares)["cross_entropy"] > found["floor"]


class TestRobustness:
    @pytest.mark.parametrize("name", robustness.SEVERITIES)
    @pytest.mark.parametrize("channels", [1, 3])
    def test_each_corruption_grows_and_keeps_the_shape(self, name, channels):
        random = np.random.default_rng(0)
        smooth = np.tile(np.linspace(40, 220, 48, dtype=np.uint8)[:, None, None], (4, 1, 48, channels))
        smooth[:, 20:28, 10:38] = 10
        changes = []
        for strength in robustness.SEVERITIES[name]:
            worse = robustness.corrupted(smooth, name, strength, random)
            assert (worse.shape, worse.dtype) == (smooth.shape, np.uint8)
            changes.append(np.abs(worse.astype(float) - smooth).mean())
        assert changes == sorted(changes)
        assert changes[0] > 0

    def test_accuracy_of_a_model_that_looks_at_brightness(self):
        pixels = np.repeat(np.array([60, 120, 200], np.uint8), 20)[:, None, None, None] * np.ones(
            (1, 24, 24, 1), np.uint8
        )
        split = Samples(source=pixels, rows=np.arange(60), targets=np.repeat([0, 1, 2], 20), names=["x"] * 60)

        def predict(images):
            return np.eye(3)[np.digitize(images.mean(axis=(1, 2, 3)), [90, 160])]

        found = robustness.judge(predict, split, split.targets, 30)
        assert (found["samples"], found["clean"]) == (30, 1.0)
        assert found["corruptions"]["jpeg"][0] == 1.0
        assert found["corruptions"]["brightness"][-1] < 0.5
        assert found == robustness.judge(predict, split, split.targets, 30)
        assert found["mirrored"] == 1.0, "mirroring keeps the brightness"

    def test_confidence_beside_accuracy(self):
        split = Samples(
            source=np.full((8, 8, 8, 1), 200, np.uint8), rows=np.arange(8), targets=np.zeros(8, int), names=[]
        )

        def predict(images):
            sure = 0.5 + images.mean(axis=(1, 2, 3)) / 510
            return np.stack([sure, 1 - sure], axis=1)

        found = robustness.judge(predict, split, split.targets, 8)["confidence"]
        assert found["clean"] == found["mirrored"] == found["scrambled"] == pytest.approx(0.5 + 200 / 510)
        assert found["corruptions"]["brightness"] == pytest.approx(
            [0.5 + int(200 * share) / 510 for share in robustness.SEVERITIES["brightness"]], abs=1e-3
        )

    def test_scrambled_images_keep_their_parts_and_lose_their_order(self):
        image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
        changed = robustness.scrambled(image, np.random.default_rng(0))
        assert sorted(changed.ravel()) == list(range(64))
        assert np.any(changed != image)
        assert {tuple(changed[0, y : y + 2, x : x + 2].ravel()) for y in range(0, 8, 2) for x in range(0, 8, 2)} == {
            tuple(image[0, y : y + 2, x : x + 2].ravel()) for y in range(0, 8, 2) for x in range(0, 8, 2)
        }


class TestCard:
    def text(self, **facts) -> str:
        labels = np.arange(60) % 3
        outputs = np.full((60, 3), 0.2) + 0.4 * np.eye(3)[labels]
        scores = metrics.classification(outputs, labels, CLASSES)
        scores |= trust.scores(outputs, labels, scores, evidence.Evidence(protocol={"judged on": "test"}))
        return card.text(SPEC, "test", scores, facts)

    def test_says_what_must_be_said(self):
        text = self.text(
            name="mine",
            command="train.py",
            parameters=1234,
            recipes={"model": "cnn48"},
            splits={"train": {"samples": 10, "fingerprint": "ab"}},
            git={"commit": "c0ffee", "dirty": True},
        )
        assert text.startswith("# mine\n")
        assert "**A facial expression is not an inner state.**" in text
        assert "| accuracy | 100.0% | 100.0% to 100.0% |" in text
        assert "| parameters | 1,234 |" in text
        assert "- judged on: test" in text
        assert "| train | 10 | `ab` |" in text
        assert "c0ffee, with uncommitted changes" in text
        assert card.UNKNOWN_LICENCE in text

    def test_text_of_others_opens_no_tag(self):
        text = self.text(name="<script>\n# not a title", command="a | b")
        assert text.startswith("# &lt;script> # not a title\n")

    def test_of_a_run_that_nothing_is_known_of(self):
        assert "| command | `unknown` |" in self.text()

    def test_names_the_licence_of_public_data(self):
        spec = DataSpec(name="fer2013", kind="image", shape=(48, 48, 1), classes=CLASSES)
        assert card.LICENCES["fer2013"] in card.text(spec, "test", {"samples": 3}, {})
