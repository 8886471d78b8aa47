import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer import decisions
from fer.config import compose
from fer.dataset.ferplus import CLASSES, FerPlus, majority, probabilities
from fer.errors import DataError
from fer.splits import Splits

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
ROWS = [
    # (Usage, votes): ten taggers; neutral happiness surprise sadness anger disgust fear contempt unknown NF
    ("Training", [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]),  # no majority; shares of neutral, anger, disgust
    ("Training", [0, 9, 1, 0, 0, 0, 0, 0, 0, 0]),  # happiness, the single vote is not counted
    ("Training", [6, 0, 0, 4, 0, 0, 0, 0, 0, 0]),
    ("Training", [0, 0, 0, 0, 0, 0, 0, 0, 3, 7]),  # not a face
    ("Training", [3, 3, 2, 2, 0, 0, 0, 0, 0, 0]),  # four expressions
    ("Training", [5, 0, 0, 0, 0, 0, 0, 0, 5, 0]),  # half of them do not know
    ("PublicTest", [7, 0, 0, 0, 0, 0, 3, 0, 0, 0]),
    ("PrivateTest", [0, 8, 0, 0, 0, 0, 0, 2, 0, 0]),
]
VOTES = np.array([votes for _, votes in ROWS])


def tree(folder: Path, rows=ROWS, votes=ROWS) -> Path:
    folder.mkdir(exist_ok=True)
    pixels = [np.random.default_rng(row).integers(0, 256, 48 * 48) for row in range(len(rows))]
    lines = [f"3,{' '.join(map(str, each))},{usage}" for each, (usage, _) in zip(pixels, rows, strict=True)]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    lines = [f"{usage},fer{row:07}.png,{','.join(map(str, each))}" for row, (usage, each) in enumerate(votes)]
    (folder / "fer2013new.csv").write_text("\n".join([HEADER, *lines, ""]))
    return folder


def dataset(folder: Path, target="majority", splits=("Training", "PublicTest", "PrivateTest")) -> FerPlus:
    made = Splits(train=splits[0], validation=splits[1], test=splits[2])
    return FerPlus(path=str(folder), votes=str(folder), target=target, splits=made, seed=0, cache=str(folder / "cache"))


def error(folder: Path, **changes) -> str:
    with pytest.raises(DataError) as caught:
        made = dataset(folder, **changes)
        made.spec()
        made.load("train")
    return str(caught.value)


@pytest.mark.parametrize("target", ["majority", "probabilities"])
def test_decisions_change_the_taggers_labels(tmp_path, target):
    made = dataset(tree(tmp_path), target=target)
    before = made.load("train")
    chosen = {before.name(0): {"action": "relabel", "label": "anger"}, before.name(1): {"action": "drop"}}
    file = tmp_path / "decisions.json"
    file.write_text(decisions.write("ferplus", made.digests, CLASSES, chosen))
    after = replace(made, decisions=str(file)).load("train")
    assert len(after) == len(before) - 1
    assert after.targets.dtype == before.targets.dtype
    if target == "majority":
        assert CLASSES[after.targets[0]] == "anger"
    else:
        assert CLASSES[after.targets[0].argmax()] == "anger"
        assert after.targets[0].sum() == 1


def test_majority_needs_more_than_half_of_the_votes_that_count():
    kept, winners = majority(VOTES)
    assert kept.tolist() == [False, True, True, False, False, False, True, True]
    assert [CLASSES[winner] for winner in winners[kept].argmax(axis=1)] == [
        "happiness",
        "neutral",
        "neutral",
        "happiness",
    ]


def test_probabilities_are_the_shares_of_the_expressions_taken():
    kept, shares = probabilities(VOTES)
    assert kept.tolist() == [True, True, True, False, False, False, True, True]
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares[0], [4 / 7, 0, 0, 0, 3 / 7, 0, 0, 0], atol=1e-6)  # 7 of the 9 are enough
    np.testing.assert_allclose(shares[1], np.eye(8)[1])
    np.testing.assert_allclose(shares[2], [0.6, 0, 0, 0.4, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(shares[7], np.eye(8)[1])
    np.testing.assert_allclose(shares[kept].sum(axis=1), 1, atol=1e-6)
    assert (shares[~kept] == 0).all()


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([4, 4, 2, 0, 0, 0, 0, 0, 0, 0], [0.5, 0.5, 0]),  # equal ones together
        ([3, 3, 3, 0, 0, 0, 0, 0, 0, 0], [1 / 3, 1 / 3, 1 / 3]),
        ([5, 2, 0, 0, 0, 0, 0, 0, 2, 0], [5 / 7, 2 / 7, 0]),  # the turn of "unknown" ends it, its equals are taken
        ([6, 0, 0, 0, 0, 0, 0, 0, 3, 0], [1, 0, 0]),
        ([3, 0, 0, 0, 0, 0, 0, 0, 4, 0], [0, 0, 0]),  # "unknown" first
        ([1] * 10, [0, 0, 0]),  # no vote counts
    ],
)
def test_rules_of_the_shares(votes, expected):
    kept, shares = probabilities(np.array([votes]))
    np.testing.assert_allclose(shares[0, :3], expected, atol=1e-6)
    assert kept[0] == bool(sum(expected))


def test_labels_of_the_faces_that_are_kept(tmp_path):
    made = dataset(tree(tmp_path))
    assert made.spec().classes == CLASSES
    train = made.load("train")
    assert [train.name(row) for row in range(len(train))] == ["fer2013.csv row 2", "fer2013.csv row 3"]
    assert (train.targets.tolist(), train.targets.dtype) == ([1, 0], np.int64)
    np.testing.assert_array_equal(train.inputs(0).ravel(), np.random.default_rng(1).integers(0, 256, 48 * 48))
    assert [made.load(split).targets.tolist() for split in ("validation", "test")] == [[0], [1]]


def test_soft_labels_of_the_faces_that_are_kept(tmp_path):
    train = dataset(tree(tmp_path), target="probabilities").load("train")
    assert (train.targets.dtype, train.targets.shape) == (np.float32, (3, 8))
    np.testing.assert_allclose(train.targets.sum(axis=1), 1, atol=1e-6)


def test_a_fraction_is_stratified_by_the_votes(tmp_path):
    rows = [("Training", [9 * (row % 2), 9 * (1 - row % 2), *[0] * 8]) for row in range(20)]
    made = dataset(tree(tmp_path, rows, rows), splits=("Training", "0.2", "none"))
    assert np.bincount(made.load("validation").targets).tolist() == [2, 2]


def test_tables_that_do_not_belong_together(tmp_path):
    folder = tree(tmp_path / "a", votes=ROWS[:-1])
    assert error(folder) == (
        f"ferplus: {folder}/fer2013new.csv has 7 rows and {folder} 8; they belong together row by row, "
        "so get both whole"
    )
    folder = tree(tmp_path / "b", votes=[*ROWS[:5], *ROWS[6:], ROWS[5]])
    assert error(folder) == (
        f"ferplus: row 6 has Usage PublicTest in {folder}/fer2013new.csv and Training in {folder}; they belong "
        "together row by row, so both must have their original order"
    )


def test_votes_that_are_missing_or_damaged(tmp_path):
    folder = tree(tmp_path)
    file = folder / "fer2013new.csv"
    whole = file.read_text()
    file.write_text(whole.replace("contempt", "scorn"))
    assert error(folder).endswith("; contempt is missing")
    file.write_text(whole.replace("4,0,0,1,3,2,0,0,0,0", "4,0,0,1,3,two,0,0,0,0"))
    assert error(folder) == f"ferplus: {file} row 1: expected ten whole numbers of votes"
    file.unlink()
    assert error(folder) == (
        f"ferplus: no votes at {file}: expected fer2013new.csv; set dataset.votes, and get it from the GitHub "
        "repository microsoft/FERPlus"
    )


def test_image_folders_have_no_rows_to_join(tmp_path):
    (tmp_path / "train/happy").mkdir(parents=True)
    assert error(tmp_path) == (
        f"ferplus: {tmp_path} holds image folders, whose order is lost; set dataset.path to fer2013.csv, whose rows "
        "the votes belong to"
    )


def test_the_recipe_of_the_default_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    tree(tmp_path / "data/fer2013")
    assert compose("train", "dataset=ferplus", "augmentation=none").dataset.spec().name == "ferplus"
    with pytest.raises(
        Exception, match=re.escape("dataset.target: expected one of majority, probabilities, got 'best'")
    ):
        compose("train", "dataset=ferplus", "dataset.target=best")
