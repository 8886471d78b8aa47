import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fer.base import DataSpec, Samples
from fer.config import compose
from fer.dataset.image_folder import ImageFolder
from fer.errors import DataError
from fer.evaluation import audit, copies, drift, reference, traits
from fer.splits import Splits


def face(seed: int, size: int = 32) -> Image.Image:
    """Smooth noise of its own for each seed, as alike as two photographs."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, Image.Image], None]:
    def write(name: str, image: Image.Image) -> None:
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)

    return write


@pytest.fixture
def dataset(tmp_path: Path, save: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[[], ImageFolder]:
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    for part, start in (("train", 0), ("test", 100)):
        for number in range(20):
            save(f"{part}/happy/{number}.png", face(start + number))
            save(f"{part}/sad/{number}.png", face(start + number + 50))

    def build(colour: bool = False) -> ImageFolder:
        return ImageFolder(
            path=str(tmp_path / "data"),
            size=32,
            colour=colour,
            splits=Splits(train="train", validation="0.2", test="test"),
            seed=0,
            cache=str(tmp_path / "cache"),
            bad_images="skip",
        )

    return build


def spread_in_train(summary: dict, kind: str) -> int:
    return sum(summary["across"][pair][kind] for pair in ("test in train", "test in validation"))


def test_a_good_dataset_has_no_warnings(dataset: Callable[[], ImageFolder]) -> None:
    summary, _ = audit.audit(dataset(), copies.NEAR)

    assert summary["warnings"] == []
    assert {name: facts["samples"] for name, facts in summary["splits"].items()} == {
        "train": 32,
        "validation": 8,
        "test": 40,
    }
    assert summary["reference"] is None


@pytest.mark.parametrize("colour", [False, True])
def test_every_kind_of_copy_is_found_and_counted_once(dataset: Callable, save: Callable, colour: bool) -> None:
    save("test/happy/exact.png", face(3))
    save("test/happy/mirrored.png", face(4).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    bright = face(5).point(lambda value: 40 + 0.6 * value)
    save("test/happy/near.jpg", bright)
    save(
        "test/happy/near_mirrored.png",
        bright.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(0.7)),
    )
    summary, pool = audit.audit(dataset(colour), copies.NEAR)

    assert {kind: spread_in_train(summary, kind) for kind in copies.KINDS} == dict.fromkeys(copies.KINDS, 1)
    within = summary["splits"]["test"]["copies"]
    assert (within["total"], within["near mirrored"]) == (1, 1)  # the two of face 5
    assert audit.shown(summary)
    assert pool.read(np.array([0, 40])).shape == (2, 32, 32, 3 if colour else 1)


def test_ten_more_copies_raise_the_count_by_ten(dataset: Callable, save: Callable) -> None:
    before = audit.audit(dataset(), copies.NEAR)[0]
    for number in range(10):
        save(f"test/sad/copy{number}.png", face(number))
    after = audit.audit(dataset(), copies.NEAR)[0]

    assert spread_in_train(after, "total") == spread_in_train(before, "total") + 10
    assert after["conflicts"]["count"] == 10  # happy faces among the sad
    share = [line for line in after["warnings"] if line.startswith("10 groups of copies carry more than one label")]
    assert len(share) == 1


def test_a_blurred_train_split_is_called_doctored(dataset: Callable, save: Callable, tmp_path: Path) -> None:
    for file in (tmp_path / "data/train").rglob("*.png"):
        with Image.open(file) as image:
            image.filter(ImageFilter.GaussianBlur(2)).save(file)
    summary, _ = audit.audit(dataset(), copies.NEAR)

    line = next(line for line in summary["warnings"] if "sharpness" in line)
    assert line.startswith("images of train are more blurred than those of test: sharpness has a median of ")


def test_the_second_audit_is_read_from_the_cache(dataset: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    first = audit.audit(dataset(), copies.NEAR)[0]
    monkeypatch.setattr(copies, "links", None)
    monkeypatch.setattr(traits, "_measure", None)

    assert audit.audit(dataset(), copies.NEAR)[0] == first
    with pytest.raises(TypeError):
        audit.audit(dataset(), 0.9)


def test_chunks_and_tiles_change_nothing(dataset: Callable, save: Callable, monkeypatch, tmp_path: Path) -> None:
    for number in range(5):
        save(f"test/sad/copy{number}.png", face(number).point(lambda value: 0.9 * value))
    whole = audit.audit(dataset(), copies.NEAR)[0]
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(copies, "TILE", 7)
    monkeypatch.setattr(traits, "AT_ONCE", 3000)

    assert audit.audit(dataset(), copies.NEAR)[0] == whole


def test_thousands_of_frames_of_one_video_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "TILE", 64)
    random = np.random.default_rng(0)
    frames = np.clip(np.asarray(face(0), float) + random.normal(0, 2, (400, 32, 32)), 0, 255).astype(np.uint8)[
        ..., None
    ]
    samples = Samples(source=frames, rows=np.arange(400), targets=np.zeros(400, int), names=["frame"] * 400)
    measured = traits._measure(samples)
    pairs = copies.links(measured, samples.inputs)

    assert len(pairs.first) < 400 * (400 // 64 + 1) * 2 * copies.MOST
    assert copies.groups(pairs, 400).max() == 0  # all of them one group


def test_descriptors_bound_the_correlation() -> None:
    images = np.stack([np.asarray(face(seed, 40)) for seed in range(60)]).astype(np.float32)
    rows, described = traits.normalised(images), traits.describe(images)
    bound, truth = described @ described.T, rows @ rows.T
    flipped = traits.describe(np.ascontiguousarray(images[:, :, ::-1]))

    assert (bound >= truth - 1e-5).all()
    np.testing.assert_allclose(np.diag(bound), 1, atol=1e-5)
    np.testing.assert_allclose(described * traits.MIRROR, flipped, atol=1e-5)


def test_leaks_name_the_copy_in_train() -> None:
    train = np.stack([np.asarray(face(seed)) for seed in range(30)])[..., None]
    judged = train[[3, 4, 5, 6]].copy()
    judged[1] = judged[1, :, ::-1]
    judged[2] = 0.8 * judged[2]
    judged[3] = np.asarray(face(99))[..., None]

    def split(pixels: np.ndarray) -> Samples:
        count = len(pixels)
        return Samples(source=pixels, rows=np.arange(count), targets=np.zeros(count, int), names=["x"] * count)

    a, b = split(judged), split(train)
    found = copies.leaks(traits._measure(a), a.inputs, traits._measure(b), b.inputs)

    assert found.partner.tolist() == [3, 4, 5, -1]
    assert found.counts() == {"exact": 1, "mirrored": 1, "near": 1, "near mirrored": 0}
    assert found.leaked.tolist() == [True, True, True, False]


def test_a_damaged_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    pixels = np.asarray(face(1))[None, ..., None]
    samples = Samples(source=pixels, rows=np.arange(1), targets=np.zeros(1, int), names=["x"])
    first = traits.measure(samples, "key")
    (tmp_path / f"traits-{traits.FORMAT}-key.npz").write_bytes(b"torn")

    np.testing.assert_array_equal(traits.measure(samples, "key").descriptors, first.descriptors)


def test_qualities_of_a_blank_and_of_a_sharp_image() -> None:
    blank = np.full((1, 16, 16, 1), 200, np.uint8)
    sharp = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (8, 8))[None, ..., None]
    both = np.concatenate([blank, sharp])
    samples = Samples(source=both, rows=np.arange(2), targets=np.zeros(2, int), names=["x"] * 2)
    measured = traits._measure(samples)

    assert measured.blank.tolist() == [True, False]
    assert measured.brightness.tolist() == [200, 127.5]
    assert measured.sharpness[0] == 0
    assert measured.sharpness[1] == pytest.approx(8)  # every neighbour is the opposite
    assert measured.levels.tolist() == [1, 2]


def test_superiority_is_that_of_mann_and_whitney() -> None:
    assert drift.superiority(np.array([1.0, 2, 3]), np.array([2.0])) == 0.5
    assert drift.superiority(np.array([3.0, 4]), np.array([1.0, 2])) == 1
    assert drift.superiority(np.array([]), np.array([1.0])) == 0.5


class TestReference:
    def samples(self, part: str = "PublicTest") -> dict:
        known = reference.FER2013
        labels = np.repeat(np.arange(7), known.counts[part])
        digests = np.arange(len(labels), dtype=np.uint64)
        original = [int(word, 16) for word in known.digests[part].split()]
        digests[: len(original)] = original
        return {
            "labels": labels,
            "parts": np.zeros(len(labels), int),
            "part_names": [part],
            "digests": digests,
            "classes": known.classes,
        }

    @pytest.mark.parametrize("part", ["Training", "PublicTest"])
    def test_the_published_data(self, part: str) -> None:
        found = reference.compare("fer2013", **self.samples(part))
        assert found is not None
        assert found["problems"] == []
        assert found["images"] == {part: {"expected": 32, "found": 32}}

    def test_changed_pixels_are_named(self) -> None:
        changed = self.samples()
        changed["digests"] += np.uint64(1)
        found = reference.compare("fer2013", **changed)
        assert found is not None
        assert found["problems"] == [
            "PublicTest is a doctored copy: 0 of 32 reference images are there byte for byte "
            "(the pixels were changed: resized, filtered, compressed or swapped between parts)"
        ]

    def test_augmented_images_are_named(self) -> None:
        more = self.samples()
        twice = {key: np.concatenate([more[key]] * 2) for key in ("labels", "parts", "digests")}
        found = reference.compare("fer2013", **more | twice)
        assert found is not None
        assert found["problems"] == [
            "PublicTest holds 7,178 images where 3,589 were published; the counts of its classes differ by 3,589"
        ]

    def test_the_counts_are_those_of_the_paper(self) -> None:
        assert {part: sum(counts) for part, counts in reference.FER2013.counts.items()} == {
            "Training": 28709,
            "PublicTest": 3589,
            "PrivateTest": 3589,
        }

    def test_of_other_data_nothing_is_known(self) -> None:
        assert reference.compare("mine", **self.samples()) is None


def test_only_images_are_audited(dataset: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dataset()
    monkeypatch.setattr(
        type(made), "spec", lambda _: DataSpec(name="mesh", kind="landmarks", shape=(478, 3), classes=("a", "b"))
    )
    with pytest.raises(DataError, match=r"^audit: expected a dataset of images, got landmarks in mesh$"):
        audit.audit(made, 0.95)


def test_the_command_writes_a_page_with_pictures(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from fer.commands.audit import audit as command

    run = compose("audit", "dataset.train=40", "dataset.validation=20", "dataset.test=20", f"output={tmp_path / 'out'}")
    command(run)
    text = (tmp_path / "out/audit.html").read_text()

    assert text.count("data:image/png;base64,") >= 24
    assert json.loads((tmp_path / "out/audit.json").read_text())["splits"]["train"]["samples"] == 40
    assert capsys.readouterr().out.splitlines() == [
        "synthetic: 40 train, 20 validation, 20 test; near copies from a correlation of 0.95",
        "  nothing was found that makes scores doubtful",
        f"  {tmp_path / 'out/audit.html'}",
    ]
