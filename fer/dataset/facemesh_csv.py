"""Landmark CSVs, as `python -m fer capture` and `extract` write them: the points of a face as a model's input."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fer import check, mesh_rows
from fer.base import SPLITS, DataSpec, Samples, Split, batched
from fer.cache import Store, StoredDataset, Writer, fingerprint, open_store
from fer.errors import ConfigError, DataError, did_you_mean
from fer.mesh478 import MESH, SUBSETS, mirror_of
from fer.mesh_rows import EXTRAS, Faces, Row
from fer.mesh_shape import Shape, oddness, prepare, robust_z
from fer.splits import Splits, cut

log = logging.getLogger(__name__)

ALIGNED = Shape(subset="mesh", centre=True, scale=True, rotate=True)
TYPICAL = 2000
"""From at most so many faces, evenly spread over the rows, comes the typical one."""

ODD = " (odd)"
"""Ends the part of a row whose shape is an outlier."""


@dataclass(kw_only=True)
class FacemeshCsv(StoredDataset):
    """Faces of 478 points with a class, from one or several files.

    Attributes:
        path: CSV files (.csv or .csv.gz), or folders of such, joined by ",".
        classes: class names in label order; empty for all that the files have, in alphabetical order.
        shape: subset and normalisation of the points.
        outliers: a face in train is left out when its shape, turned straight, has a robust z-score above this; 0 keeps
            all. What is chosen and judged on stays whole.
        split_by: what a fraction keeps on one side: "subject", "session" (of a subject) or, with "random", exact copies
            alone. Rows without a subject or session stand for themselves.
        unseen: with split_by=random, this share of the subjects is kept out of train and validation and judged with the
            test split, so that the report shows the score on people whom the model has never seen; 0 for none.
        splits: parts are those of the column `part`; rows without one are of part train.
        seed: of fractions and of unseen subjects, 0 or more.
        cache: folder of the parsed data.
        bad_rows: "stop" at a row that cannot be used, or "skip" it with a warning.
    """

    path: str
    classes: list[str]
    shape: Shape
    outliers: float
    split_by: str
    unseen: float
    splits: Splits
    seed: int
    cache: str
    bad_rows: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "outliers", 0)
        check.one_of(self, "split_by", ("subject", "session", "random"))
        check.between(self, "unseen", 0, 0.9)
        check.at_least(self, "seed", 0)
        check.one_of(self, "bad_rows", ("stop", "skip"))
        if len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"classes: expected each name once, got {self.classes}")

    def spec(self) -> DataSpec:
        """Describe the data; without `classes` the files are parsed for them (see Dataset.spec)."""
        classes = self.classes or sorted({facts[0] for facts in self._facts})
        return DataSpec(
            name="facemesh_csv",
            kind="landmarks",
            shape=(len(SUBSETS[self.shape.subset]), 3),
            classes=tuple(classes),
            mirror=mirror_of(self.shape.subset) if self.shape.centre else (),
        )

    def open(self) -> Store:
        """Prepare the points into the cache, or find what was prepared before."""
        settings = {key: getattr(self.shape, key) for key in ("subset", "centre", "scale", "rotate")}
        settings |= {"classes": self.spec().classes, "outliers": self.outliers, "bad": self.bad_rows}
        return open_store(self.cache, "facemesh_csv", fingerprint(self._stats, **settings), self._prepare)

    def cut(self, store: Store) -> dict[Split, np.ndarray]:
        """Return the rows of each split (see fer.splits.cut)."""
        names = [name.removesuffix(ODD) for name in store.part_names]
        known = list(dict.fromkeys(names))
        seen = np.flatnonzero(~self._unseen)
        groups = self._groups
        try:
            rows = cut(
                self.splits,
                parts=np.array([known.index(name) for name in names])[store.parts[seen]],
                part_names=known,
                labels=np.asarray(store.targets)[seen],
                digests=groups[seen],
                seed=self.seed,
                classes=self.spec().classes,
                texts=("facemesh_csv", "rows of part", self.path),
            )
        except DataError as error:
            labels = np.asarray(store.targets)[seen]
            fewest = min(len(set(groups[labels == label].tolist())) for label in set(labels.tolist()))
            if fewest >= len(SPLITS):
                raise
            advice = f"a class has rows of {fewest} {self.split_by}(s) only, which stay together"
            raise DataError(f"{error}; {advice}: record more, or choose another dataset.split_by") from error
        rows = {split: seen[own] for split, own in rows.items()}
        odd = np.array([name.endswith(ODD) for name in store.part_names])[store.parts[rows["train"]]]
        if odd.any():
            log.info("facemesh_csv: %d of %d training rows are left out as outliers", odd.sum(), len(odd))
        rows["train"] = rows["train"][~odd]
        if "test" in rows:
            rows["test"] = np.union1d(rows["test"], np.flatnonzero(self._unseen))
        return rows

    def load(self, split: Split) -> Samples:
        """Read one split; where subjects are kept out of training, the test split says which samples are of them."""
        samples = super().load(split)
        if split != "test" or not self._unseen.any():
            return samples
        texts = ("subjects seen in training", "subjects never seen")
        return replace(samples, groups=[texts[unseen] for unseen in self._unseen.tolist()])

    @property
    def digests(self) -> np.ndarray:
        """Of the faces as the files have them, so that decisions hold for every subset and normalisation."""
        return self._raw.digests

    def proxies(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the size of some faces in pixels and how far they are turned, in degrees to either side."""
        faces = self.faces(rows)
        pitch, yaw, roll = np.abs(faces.pose.T)
        return {"face size": faces.size, "pitch": pitch, "yaw": yaw, "roll": roll}

    def faces(self, rows: np.ndarray) -> Faces:
        """Return some faces as the files have them, int (faces,) rows of the store."""
        return Faces(self._raw.inputs[rows])

    @cached_property
    def _stats(self) -> list[tuple[str, int, int]]:
        stats = ((str(file), file.stat()) for file in files_of(self.path))
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    @cached_property
    def _raw(self) -> Store:
        """All rows as they are: inputs float32 (n, 497, 3), as `Faces` reads them; names are facts with tabs."""
        key = fingerprint(self._stats, bad=self.bad_rows, extras=EXTRAS)
        return open_store(self.cache, "facemesh_rows", key, self._parse)

    @cached_property
    def _facts(self) -> list[list[str]]:
        """Label, part, subject, session and name of each row."""
        return [line.split("\t") for line in self._raw.names[:]]

    @cached_property
    def _groups(self) -> np.ndarray:
        """A number of each row, int64 (n,): rows of one number stay on one side of a fraction."""
        copies = self._raw.digests.tolist()
        keys: list[Any] = copies
        if self.split_by == "subject":
            keys = [facts[2] or copy for facts, copy in zip(self._facts, copies, strict=True)]
        elif self.split_by == "session":
            keys = [(facts[2], facts[3]) if facts[3] else copy for facts, copy in zip(self._facts, copies, strict=True)]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return np.array([numbers[key] for key in keys])

    @cached_property
    def _unseen(self) -> np.ndarray:
        """Which rows, bool (n,), are of the subjects that are kept out of training beside a random split."""
        subjects = np.array([facts[2] for facts in self._facts])
        known = sorted(set(subjects.tolist()) - {""})
        if self.split_by != "random" or not self.unseen or len(known) < 2:
            return np.zeros(len(subjects), bool)
        count = min(max(1, round(self.unseen * len(known))), len(known) - 1)
        return np.isin(subjects, np.random.default_rng(self.seed).permutation(known)[:count])

    def _parse(self, writer: Writer) -> None:
        for file in files_of(self.path):
            log.info("facemesh_csv: reading %s", file)
            for row in mesh_rows.read(file):
                if isinstance(row, Row):
                    facts = (row.label, row.part or "train", row.subject, row.session, row.name)
                    name = "\t".join(fact.replace("\t", " ") for fact in facts)
                    writer.add(row.packed(), 0, part="", name=name)
                elif self.bad_rows == "stop":
                    raise DataError(
                        f"facemesh_csv: {row}; mend it, or leave out what cannot be used: dataset.bad_rows=skip"
                    )
                else:
                    writer.skip(row)
        if not writer.rows:
            raise DataError(f"facemesh_csv: {self.path} has no rows that can be used")

    def _prepare(self, writer: Writer) -> None:
        raw, classes = self._raw, self.spec().classes
        writer.skipped, writer.first_skipped = raw.skipped, list(raw.first_skipped)
        if self.shape.subset == "all" and (flat := (raw.inputs[:, MESH : MESH + 1] == 0).all(axis=(1, 2))).any():
            raise DataError(
                f"facemesh_csv: {flat.sum()} of {len(raw)} rows have {MESH} points, without those of the irises; "
                "choose dataset.shape.subset=mesh or a smaller one"
            )
        odd = self._odd(raw.inputs)
        for rows in batched(len(raw), 1024):
            faces = Faces(raw.inputs[rows])
            inputs = prepare(faces.points, faces.pose, self.shape)
            for points, (label, part, subject, _, name), mark in zip(inputs, self._facts[rows], odd[rows], strict=True):
                if label not in classes:
                    hint = did_you_mean(label, classes)
                    raise DataError(
                        f"facemesh_csv: {name}: expected a label of {', '.join(classes)}; got {label!r}{hint}"
                    )
                text = f"{name} ({subject})" if subject else name
                writer.add(points, classes.index(label), part=part + ODD * bool(mark), name=text)

    def _odd(self, raw: np.ndarray) -> np.ndarray:
        """Return bool (n,): which faces are outliers in shape."""
        if not self.outliers:
            return np.zeros(len(raw), bool)

        def aligned(rows: slice) -> np.ndarray:
            faces = Faces(raw[rows])
            return prepare(faces.points, faces.pose, ALIGNED)

        typical = np.median(aligned(slice(None, None, -(-len(raw) // TYPICAL))), axis=0)
        distances = [oddness(aligned(rows), typical) for rows in batched(len(raw), 1024)]
        return robust_z(np.concatenate(distances)) > self.outliers


def files_of(path: str) -> list[Path]:
    """Return the CSV files that a setting names.

    Raises:
        DataError: a file or folder is not there, or a folder has none.
    """
    files: list[Path] = []
    for text in path.split(","):
        place = Path(text.strip()).expanduser()
        found = sorted(file for end in ("*.csv", "*.csv.gz") for file in place.glob(end)) if place.is_dir() else [place]
        if not found or not found[0].is_file():
            raise DataError(
                f"facemesh_csv: nothing to read at {place}: expected a landmark CSV (.csv or .csv.gz) or a folder of "
                "such; set dataset.path, and make one with `python -m fer capture` or `python -m fer extract`"
            )
        files += [file.resolve() for file in found]
    return files
