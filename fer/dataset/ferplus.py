"""FER+: the images of FER2013 with the votes of ten taggers for eight expressions.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution" (ICMI
2016), arXiv:1608.01041; fer2013new.csv of its repository, FERPlus (MIT).
"""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fer import check
from fer.base import DataSpec, Split
from fer.cache import Store, StoredDataset
from fer.dataset.fer2013 import SIZE, Fer2013, find
from fer.errors import DataError
from fer.splits import Splits, cut

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
COLUMNS = ("Usage", *CLASSES, "unknown", "NF")
MOST = 3
"""More expressions than this in one face say nothing."""


@dataclass(kw_only=True)
class FerPlus(StoredDataset):
    """FER2013's official CSV and the table of votes, joined row by row.

    Attributes:
        path: see Fer2013; the CSV with all of its rows, since image folders have lost their order.
        votes: fer2013new.csv, or the folder that holds it.
        target: "majority" for the class with more than half of the votes, or "probabilities" for the shares of the
            votes; faces that the paper's rules leave out are in no split (see `majority` and `probabilities`).
        splits: parts are Training, PublicTest and PrivateTest.
        seed: of the splits that are fractions, 0 or more.
        cache: folder of the decoded data, shared with dataset=fer2013.
    """

    path: str
    votes: str
    target: str
    splits: Splits
    seed: int
    cache: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "target", ("majority", "probabilities"))
        check.at_least(self, "seed", 0)

    def spec(self) -> DataSpec:
        """Describe the data (see Dataset.spec)."""
        if find(Path(self.path).expanduser()).is_dir():
            raise DataError(
                f"ferplus: {self.path} holds image folders, whose order is lost; set dataset.path to fer2013.csv, "
                "whose rows the votes belong to"
            )
        self.file()
        return DataSpec(name="ferplus", kind="image", shape=(SIZE, SIZE, 1), classes=CLASSES)

    def open(self) -> Store:
        """Decode FER2013's CSV into the cache, or find what was decoded before."""
        images = {"path": self.path, "splits": self.splits, "seed": self.seed, "cache": self.cache}
        return Fer2013(**images, bad_rows="stop").open()  # type: ignore[arg-type]

    def cut(self, store: Store) -> dict[Split, np.ndarray]:
        """Return the rows of each split that the rules keep (see fer.splits.cut)."""
        kept = np.flatnonzero(self._judged[0])
        present, labels = np.unique(self._judged[1][kept].argmax(axis=1), return_inverse=True)
        rows = cut(
            self.splits,
            parts=store.parts[kept],
            part_names=store.part_names,
            labels=labels,
            digests=np.asarray(store.digests)[kept],
            seed=self.seed,
            classes=[CLASSES[label] for label in present],
            texts=("ferplus", "rows with Usage", self.path),
        )
        return {split: kept[own] for split, own in rows.items()}

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Return int64 labels (n,), or float32 probabilities (n, 8)."""
        shares = self._judged[1][rows]
        return shares.argmax(axis=1) if self.target == "majority" else shares

    @cached_property
    def _judged(self) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are kept, bool (n,), and the shares of the votes that count, float32 (n, 8)."""
        usages, votes = read_votes(self.file())
        names = np.array(self.store.part_names)[self.store.parts]
        if len(votes) != len(names):
            raise DataError(
                f"ferplus: {self.file()} has {len(votes)} rows and {self.path} {len(names)}; they belong together row "
                "by row, so get both whole"
            )
        other = np.flatnonzero(names != usages)
        if len(other):
            row = int(other[0])
            raise DataError(
                f"ferplus: row {row + 1} has Usage {usages[row]} in {self.file()} and {names[row]} in {self.path}; "
                "they belong together row by row, so both must have their original order"
            )
        return majority(votes) if self.target == "majority" else probabilities(votes)

    def file(self) -> Path:
        """Return the table of votes."""
        file = Path(self.votes).expanduser()
        file = file / "fer2013new.csv" if file.is_dir() else file
        if not file.is_file():
            raise DataError(
                f"ferplus: no votes at {file}: expected fer2013new.csv; set dataset.votes, and get it from the GitHub "
                "repository microsoft/FERPlus"
            )
        return file


def read_votes(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the Usage of each row, str (n,), and its votes, int64 (n, 10) in the order of COLUMNS.

    Raises:
        DataError: the file is no table of votes.
    """
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        absent = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if absent:
            raise DataError(
                f"ferplus: {file}: expected the columns {', '.join(COLUMNS)}; {', '.join(absent)} is missing"
            )
        usages, votes = [], []
        for number, row in enumerate(rows, start=1):
            usages.append(row["Usage"])
            try:
                votes.append([int(row[name]) for name in COLUMNS[1:]])
            except (TypeError, ValueError):
                raise DataError(f"ferplus: {file} row {number}: expected ten whole numbers of votes") from None
    return np.array(usages), np.array(votes, np.int64).reshape(-1, len(COLUMNS) - 1)


def majority(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Judge votes by majority.

    A vote that one tagger alone gave does not count. A face is kept where one expression has more than half of the
    votes that count, with those for "unknown" and "not a face" among them.

    Args:
        votes: int (n, 10).

    Returns:
        Which faces are kept, bool (n,), and float32 (n, 8) with a 1 for the winner.
    """
    counted = np.where(votes > 1, votes, 0)
    winner = counted.argmax(axis=1)
    kept = (2 * counted.max(axis=1) > counted.sum(axis=1)) & (winner < len(CLASSES))
    return kept, np.eye(votes.shape[1], dtype=np.float32)[winner][:, : len(CLASSES)]


def probabilities(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Judge votes as shares.

    A vote that one tagger alone gave does not count. Expressions are taken, those with most votes first and equal ones
    together, until they have three quarters of the votes that count, or are three, or it is the turn of "unknown" or
    "not a face". A face is kept where they have more than half of the votes and are three or fewer.

    Args:
        votes: int (n, 10).

    Returns:
        Which faces are kept, bool (n,), and the shares of the expressions taken, float32 (n, 8), rows that sum to 1.
    """
    distinct, rows = np.unique(votes, axis=0, return_inverse=True)
    taken = np.array([_taken(row) for row in np.where(distinct > 1, distinct, 0)])
    totals = taken.sum(axis=1, keepdims=True)
    shares = np.divide(taken, totals, where=totals > 0, out=np.zeros(taken.shape, np.float32), casting="unsafe")
    return (totals > 0)[rows.ravel(), 0], shares[rows.ravel()].astype(np.float32)


def _taken(counted: np.ndarray) -> np.ndarray:
    """Return the votes of the expressions that are taken, int (8,); all 0 where the face is not kept."""
    total, taken, count = counted.sum(), np.zeros(len(CLASSES), np.int64), 0
    for value in sorted(set(counted[counted > 0].tolist()), reverse=True):
        equal = np.flatnonzero(counted == value)
        named = equal[equal < len(CLASSES)]
        taken[named] = value
        count += len(named)
        if len(named) < len(equal) or 4 * taken.sum() >= 3 * total or count >= MOST:
            break
    return taken if 2 * taken.sum() > total and count <= MOST else np.zeros_like(taken)
