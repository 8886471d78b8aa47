import re
from typing import Any

import numpy as np
import pytest

from fer.base import Split
from fer.errors import ConfigError, DataError
from fer.splits import Splits, cut

CLASSES = ("happy", "sad")


def rows(train: str, validation: str, test: str, seed: int = 0, **changes: Any) -> dict[Split, np.ndarray]:
    """Cut 300 samples: 200 of part A, 60 of B, 40 of C; two happy ones to each sad one; no copies."""
    data: dict[str, Any] = {
        "parts": np.repeat(np.array([0, 1, 2], np.uint8), [200, 60, 40]),
        "part_names": ("A", "B", "C"),
        "labels": (np.arange(300) % 3 == 0).astype(np.int64),
        "digests": np.random.default_rng(7).permutation(300).astype(np.uint64),
        "classes": CLASSES,
        "texts": ("faces", "rows with Usage", "faces.csv"),
    }
    return cut(Splits(train=train, validation=validation, test=test), seed=seed, **(data | changes))


def test_parts_are_taken_whole() -> None:
    found = rows("A", "B", "C")

    assert {split: (part.min(), part.max(), len(part)) for split, part in found.items()} == {
        "train": (0, 199, 200),
        "validation": (200, 259, 60),
        "test": (260, 299, 40),
    }


def test_parts_can_be_joined() -> None:
    found = rows("A+C", "B", "none")

    assert len(found["train"]) == 240
    assert "test" not in found


def test_fractions_are_stratified_and_disjoint() -> None:
    labels = (np.arange(300) % 3 == 0).astype(np.int64)
    found = rows("A", "0.1", "0.2")

    assert {split: np.bincount(labels[part]).tolist() for split, part in found.items()} == {
        "train": [93, 47],
        "validation": [13, 7],
        "test": [27, 13],
    }
    assert sorted(np.concatenate(list(found.values()))) == list(range(200))
    assert all((np.diff(part) > 0).all() for part in found.values())


def test_a_cut_depends_on_its_seed_alone() -> None:
    same, other = rows("A", "0.1", "B"), rows("A", "0.1", "B", seed=1)

    np.testing.assert_array_equal(rows("A", "0.1", "B")["validation"], same["validation"])
    assert set(same["validation"]) != set(other["validation"])


def test_a_cut_does_not_depend_on_the_order_of_the_rows() -> None:
    digests = np.arange(300).astype(np.uint64)
    labels = (np.arange(300) % 3 == 0).astype(np.int64)
    shuffled = np.concatenate((np.random.default_rng(3).permutation(200), np.arange(200, 300)))

    one = rows("A", "0.1", "none", digests=digests, labels=labels)
    two = rows("A", "0.1", "none", digests=digests[shuffled], labels=labels[shuffled])

    assert set(digests[one["validation"]]) == set(digests[shuffled][two["validation"]])


def test_copies_stay_together_even_with_other_labels() -> None:
    digests = (np.arange(300) % 90).astype(np.uint64)  # copies two or three times, 90 apart
    labels = (np.arange(300) % 4 == 0).astype(np.int64)  # of which some conflict

    for seed in range(5):
        found = rows("A", "0.1", "0.3", seed=seed, digests=digests, labels=labels)
        sides = [set(digests[part]) for part in found.values()]
        assert not sides[0] & sides[1]
        assert not sides[0] & sides[2]
        assert not sides[1] & sides[2]
        assert 16 <= len(found["validation"]) <= 26


def test_the_part_is_used_where_there_is_one_else_the_fraction() -> None:
    assert len(rows("A", "B|0.1", "none")["validation"]) == 60
    assert len(rows("A", "X|0.1", "none")["validation"]) == 20


def test_a_rare_class_gives_at_least_one_sample() -> None:
    labels = np.zeros(300, np.int64)
    labels[:3] = 1

    found = rows("A", "0.1", "0.1", labels=labels)

    assert [int(labels[part].sum()) for part in found.values()] == [1, 1, 1]


FRACTION = ", or to a fraction of train such as 0.1"


@pytest.mark.parametrize(
    ("splits", "split", "other"),
    [
        (("X", "B", "C"), "train", ""),
        (("A", "X", "B"), "validation", FRACTION),
        (("A", "B+X", "C"), "validation", FRACTION),
        (("A", "B", "X"), "test", f"{FRACTION}, or to none"),
    ],
)
def test_a_part_without_rows(splits: tuple[str, str, str], split: str, other: str) -> None:
    expected = (
        "faces: no rows with Usage X in faces.csv (seen: A 200, B 60, C 40); "
        f"needed for splits.{split}: set dataset.splits.{split} to one of these{other}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        rows(*splits)


@pytest.mark.parametrize(("samples", "copies"), [(0, False), (1, False), (2, False), (3, True)])
def test_an_empty_class(samples: int, copies: bool) -> None:
    labels = (np.arange(300) < samples).astype(np.int64)
    digests = np.where(copies & (labels == 1), 1000, np.arange(300)).astype(np.uint64)

    text = f"faces: class sad has no samples left in the train split, of {samples} before the cut"
    with pytest.raises(DataError, match=f"^{text}$"):
        rows("A", "0.1", "0.1", labels=labels, digests=digests)


@pytest.mark.parametrize(
    ("splits", "text"),
    [
        (("A", "A", "B"), "validation: A is already used for train; name another part"),
        (("A+B", "C", "B"), "test: B is already used for train; name another part"),
        (("A", "B", "B|0.1"), "test: B is already used for validation; name another part"),
        (("0.5", "B", "C"), "train: expected a part, got '0.5'"),
        (("none", "B", "C"), "train: expected a part, got 'none'"),
        (("A", "none", "C"), "validation: expected a part, a fraction in (0, 1) or a fold such as 2/5, got 'none'"),
        (("A", "1.5", "C"), "validation: expected a part, a fraction in (0, 1) or a fold such as 2/5, got '1.5'"),
        (("A", "0", "C"), "validation: expected a part, a fraction in (0, 1) or a fold such as 2/5, got '0'"),
        (("A", "B+", "C"), "validation: expected a part, a fraction in (0, 1) or a fold such as 2/5, got 'B+'"),
        (("A", "B", ""), "test: expected a part or a fraction in (0, 1), got ''"),
        (("A", "0.5", "0.5"), "validation: the fractions add up to 1 and leave nothing to train on"),
    ],
)
def test_splits_that_make_no_sense(splits: tuple[str, str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        Splits(train=splits[0], validation=splits[1], test=splits[2])


def test_folds_cover_every_sample_once_and_keep_copies_together():
    random = np.random.default_rng(0)
    labels, digests = random.integers(0, 3, 300), random.integers(0, 250, 300).astype(np.uint64)
    seen = np.zeros(300, int)
    for number in range(1, 6):
        rows = cut(
            Splits(train="train", validation=f"{number}/5", test="none"),
            parts=np.zeros(300, int),
            part_names=["train"],
            labels=labels,
            digests=digests,
            seed=0,
            classes="abc",
            texts=("toy", "rows", "here"),
        )
        seen[rows["validation"]] += 1
        assert len(rows["train"]) + len(rows["validation"]) == 300
        assert not np.isin(digests[rows["train"]], digests[rows["validation"]]).any()
        assert 45 <= len(rows["validation"]) <= 75
    assert (seen == 1).all()


@pytest.mark.parametrize("fold", ["0/5", "6/5", "1/1"])
def test_a_fold_that_is_none(fold):
    with pytest.raises(
        ConfigError, match=r"^validation: expected a part, a fraction in .0, 1. or a fold such as 2/5, got"
    ):
        Splits(train="train", validation=fold, test="none")


def test_a_fold_needs_all_of_train():
    with pytest.raises(DataError) as error:
        cut(
            Splits(train="train", validation="1/5", test="0.1"),
            parts=np.zeros(30, int),
            part_names=["train"],
            labels=np.arange(30) % 3,
            digests=np.arange(30, dtype=np.uint64),
            seed=0,
            classes="abc",
            texts=("toy", "rows", "here"),
        )
    text = "toy: splits.validation is a fold, which needs all of train; set splits.test to a part or none"
    assert str(error.value) == text
