"""Which samples are for training, which for choosing, which for judging."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fer.base import SPLITS, Split
from fer.errors import ConfigError, DataError

NONE = "none"
LAST_LOOK = ("PrivateTest", "test")
"""Parts that are for judging alone: FER2013's PrivateTest, and a folder test/."""


class Fold(NamedTuple):
    """One of several equal parts of train, from 1."""

    number: int
    of: int


@dataclass(kw_only=True)
class Splits:
    """Where each split comes from: parts that the dataset has, or a fraction taken out of train.

    A string names a part, or several joined by "+" ("Training+PublicTest"). A number in (0, 1) is the fraction of
    train's samples, class by class, that is taken out of it at random. "validation|0.1" is the part where the dataset
    has it, else the fraction. "2/5" is the second of five folds of train, class by class: five runs with 1/5 to 5/5
    validate each sample once.

    All are strings, which take a YAML number as well: OmegaConf 2.3 cannot merge a union in a nested dataclass
    (https://github.com/omry/omegaconf/issues/1087).

    Attributes:
        train: one or more parts.
        validation: one or more parts, or a fraction or a fold of train.
        test: one or more parts, or a fraction of train, or "none".
    """

    train: str
    validation: str
    test: str

    def __post_init__(self) -> None:
        """Check that each can be read and that none shares a part with another."""
        used: dict[str, str] = {}
        for split in SPLITS:
            for choice in self.choices(split):
                for part in choice if isinstance(choice, list) else []:
                    if part in used:
                        raise ConfigError(f"{split}: {part} is already used for {used[part]}; name another part")
                    used[part] = split
        if chosen := [part for part in LAST_LOOK if used.get(part) == "validation"]:
            raise ConfigError(
                f"validation: {chosen[0]} is for the last look and cannot choose the epoch; name another part, or a "
                "fraction of train such as 0.1"
            )
        fractions: list[float] = [
            choice for split in SPLITS for choice in self.choices(split) if isinstance(choice, float)
        ]
        if sum(fractions) >= 1:
            raise ConfigError(f"validation: the fractions add up to {sum(fractions):g} and leave nothing to train on")

    def choices(self, split: Split) -> list[float | Fold | list[str]]:
        """Return what a split may come from, best first: fractions, folds and lists of parts; nothing for "none"."""
        value: str = getattr(self, split)
        if split == "test" and value == NONE:
            return []
        choices = [_choice(text.strip()) for text in value.split("|")]
        if any(not choice or not isinstance(choice, TAKES[split]) for choice in choices):
            kinds = {"train": "a part", "validation": "a part, a fraction in (0, 1) or a fold such as 2/5"}
            kinds["test"] = "a part or a fraction in (0, 1)"
            raise ConfigError(f"{split}: expected {kinds[split]}, got {value!r}")
        return choices


TAKES: dict[Split, tuple[type, ...]] = {"train": (list,), "validation": (float, list, Fold), "test": (float, list)}
"""The kinds of choices of each split."""


def _choice(text: str) -> float | Fold | list[str]:
    """Return a fraction, a fold, or the names of parts; 0.0 or an empty list where the text is none of them."""
    if fold := re.fullmatch(r"(\d+)/(\d+)", text):
        number, of = map(int, fold.groups())
        return Fold(number, of) if 1 <= number <= of and of > 1 else 0.0
    try:
        share = float(text)
    except ValueError:
        parts = [part.strip() for part in text.split("+")]
        return parts if all(parts) and NONE not in parts else []
    return share if 0 < share < 1 else 0.0


def cut(
    splits: Splits,
    *,
    parts: np.ndarray,
    part_names: Sequence[str],
    labels: np.ndarray,
    digests: np.ndarray,
    seed: int,
    classes: Sequence[str],
    texts: tuple[str, str, str],
) -> dict[Split, np.ndarray]:
    """Return the rows of each split, int64 and ascending; a split that is "none" is left out.

    Args:
        splits: where each split comes from.
        parts: (n,) index into `part_names` of each row.
        part_names: the parts that there are.
        labels: int (n,) index into `classes`; all 0 where the targets are points.
        digests: (n,); rows with the same digest are copies and stay on one side of a fractional cut.
        seed: of the fractional cuts. They depend on it and on the pixels, not on the order of the rows.
        classes: class names, or one name for all where the targets are points.
        texts: words for the errors: (dataset, "rows with Usage", file).

    Raises:
        DataError: a part has no rows, or a class has none in train or in a fraction of it.
    """

    def count(rows: np.ndarray) -> list[int]:
        return np.bincount(labels[rows], minlength=len(classes)).tolist()

    counts = dict(zip(part_names, np.bincount(parts, minlength=len(part_names)).tolist(), strict=True))
    found = {split: _pick(splits, split, counts, texts) for split in SPLITS if splits.choices(split)}
    named = {split: choice for split, choice in found.items() if isinstance(choice, list)}
    rows = {split: np.flatnonzero(np.isin(np.array(part_names)[parts], choice)) for split, choice in named.items()}
    train = rows["train"]
    fractions: dict[Split, float] = {split: choice for split, choice in found.items() if isinstance(choice, float)}
    if isinstance(fold := found["validation"], Fold):
        if fractions:
            raise DataError(
                f"{texts[0]}: splits.validation is a fold, which needs all of train; set splits.test to a part or none"
            )
        side = take([1 / fold.of] * (fold.of - 1), labels[train], digests[train], seed) == fold.number % fold.of
        rows |= {"train": train[~side], "validation": train[side]}
    else:
        side = take(list(fractions.values()), labels[train], digests[train], seed)
        rows |= {split: train[side == number] for number, split in enumerate(("train", *fractions))}
    # `take` serves train last: a class that is short anywhere is missing here
    for name, left, total in zip(classes, count(rows["train"]), count(train), strict=True):
        if not left:
            raise DataError(
                f"{texts[0]}: class {name} has no samples left in the train split, of {total} before the cut"
            )
    return {split: rows[split] for split in found}


def take(fractions: Sequence[float], labels: np.ndarray, digests: np.ndarray, seed: int) -> np.ndarray:
    """Return for each row 0 (it stays) or the number, from 1, of the fraction that it goes to.

    Each class gives its fraction, at least one sample; copies go together, under the label of the first of them.
    """
    _, first, group_of, sizes = np.unique(digests, return_index=True, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(first))
    side = np.zeros(len(first), np.int64)
    for label in np.unique(labels):
        groups = order[labels[first][order] == label]
        start = np.cumsum(sizes[groups]) - sizes[groups]
        samples, taken = int(sizes[groups].sum()), 0
        for number, fraction in enumerate(fractions, start=1):
            chosen = (start >= taken) & (start < taken + max(1, round(fraction * samples)))
            side[groups[chosen]] = number
            taken += int(sizes[groups[chosen]].sum())
    return side[group_of]


def _pick(
    splits: Splits, split: Split, counts: dict[str, int], texts: tuple[str, str, str]
) -> float | Fold | list[str]:
    """Return the first choice of a split that the dataset can serve."""
    choices = splits.choices(split)
    for choice in choices:
        if not isinstance(choice, list) or all(counts.get(part) for part in choice):
            return choice
    dataset, unit, where = texts
    absent = next(part for choice in choices if isinstance(choice, list) for part in choice if not counts.get(part))
    seen = ", ".join(f"{part} {count}" for part, count in counts.items())
    others = {"train": "", "validation": ", or to a fraction of train such as 0.1"}
    others["test"] = f"{others['validation']}, or to none"
    raise DataError(
        f"{dataset}: no {unit} {absent} in {where} (seen: {seen}); needed for splits.{split}: "
        f"set dataset.splits.{split} to one of these{others[split]}"
    )
