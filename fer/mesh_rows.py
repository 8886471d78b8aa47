"""Reading the landmark CSV: a face a row, as `python -m fer capture` and `extract` write it."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.errors import DataError
from fer.landmarks import BLENDSHAPES
from fer.mesh478 import MESH, POINTS

FACTS = ("label", "part", "subject", "session", "source", "frame", "pitch", "yaw", "roll")
EXTRAS = (*BLENDSHAPES, "width", "height")
"""Numbers that a file may lack."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One face.

    Attributes:
        label: class name.
        part: of its source's dataset, or empty.
        subject: who is seen, or empty.
        session: the recording, or empty.
        name: file, image or video, and frame.
        pose: float32 (3,), pitch, yaw and roll in degrees.
        points: float32 (478, 3), in pixels; the last ten are 0 where the file has 468.
        extras: float32 (54,), the 52 blendshapes, width and height of the image; NaN for what the file lacks.
    """

    label: str
    part: str
    subject: str
    session: str
    name: str
    pose: np.ndarray
    points: np.ndarray
    extras: np.ndarray

    def packed(self) -> np.ndarray:
        """Return all numbers of the face as one array: float32 (497, 3)."""
        return np.vstack([self.points, self.pose, self.extras.reshape(-1, 3)])


@dataclass(frozen=True)
class Faces:
    """The numbers of some faces.

    Attributes:
        rows: float32 (faces, 497, 3), as `Row.packed` gives each.
    """

    rows: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """As of a row: float32 (faces, 478, 3)."""
        return self.rows[:, :POINTS]

    @property
    def pose(self) -> np.ndarray:
        """Pitch, yaw and roll in degrees: float32 (faces, 3)."""
        return self.rows[:, POINTS]

    @property
    def blendshapes(self) -> dict[str, np.ndarray]:
        """Name -> float32 (faces,) in [0, 1], NaN where the file lacks it."""
        extras = self.rows[:, POINTS + 1 :].reshape(len(self.rows), -1)
        return dict(zip(BLENDSHAPES, extras.T[: len(BLENDSHAPES)], strict=True))

    @property
    def size(self) -> np.ndarray:
        """Root of width times height of the box around the points, in pixels: float32 (faces,)."""
        corners = self.points[:, :MESH, :2]
        return np.sqrt(np.ptp(corners, axis=1).prod(axis=-1))


def read(file: Path) -> Iterator[Row | str]:
    """Yield each row of a CSV, or in one line why it cannot be used.

    Raises:
        DataError: the file is damaged, or its columns are not those of a landmark CSV.
    """
    lines = _lines(file)
    columns = _columns(next(lines, ""), file)
    for number, line in enumerate(lines, start=1):
        try:
            yield _row(line, columns, f"{file.name} row {number}")
        except ValueError as error:
            cut_off = "" if line.endswith("\n") else " (the file ends in this row: it looks cut off)"
            yield f"{file.name} row {number}: {error}{cut_off}"


def _lines(file: Path) -> Iterator[str]:
    opener = gzip.open if file.suffix == ".gz" else open
    count = 0
    try:
        with opener(file, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            for line in stream:
                count += 1
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"facemesh_csv: {file} is damaged or cut off after line {count} ({error}); get it again"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Columns:
    facts: tuple[int, ...]
    extras: tuple[int | None, ...]
    first: int
    points: int


def _columns(header: str, file: Path) -> _Columns:
    """Return where the facts stand, and where the points begin: x0, y0, z0, x1 ... are the last columns."""
    names = header.strip().split(",")
    if not set(FACTS) <= set(names) or "x0" not in names:
        absent = ", ".join(name for name in (*FACTS, "x0") if name not in names)
        raise DataError(f"facemesh_csv: {file}: expected a landmark CSV; its header lacks the columns {absent}")
    first = names.index("x0")
    points = (len(names) - first) // 3
    if names[first:] != [f"{axis}{point}" for point in range(points) for axis in "xyz"]:
        raise DataError(
            f"facemesh_csv: {file}: expected x0,y0,z0,x1 ... as its last columns, got {','.join(names[-3:])}"
        )
    if points not in (POINTS, MESH):
        raise DataError(f"facemesh_csv: {file}: expected {POINTS} or {MESH} points, got {points}; extract them again")
    extras = tuple(names.index(name) if name in names else None for name in EXTRAS)
    return _Columns(facts=tuple(map(names.index, FACTS)), extras=extras, first=first, points=points)


def _row(line: str, columns: _Columns, name: str) -> Row:
    """Return one row.

    Raises:
        ValueError: with what was expected and what was seen.
    """
    first = columns.first
    if '"' in line:  # a name with a comma
        whole = next(csv.reader([line]))
        cells, rest = whole[:first], ",".join(whole[first:])
    else:
        cells = line.split(",", first)
        rest = cells.pop() if len(cells) > first else ""
    if len(cells) != first:
        raise ValueError(f"expected {first} columns before the points, got {len(cells)}")
    label, part, subject, session, source, frame, *pose = (cells[column] for column in columns.facts)
    try:
        values = np.fromstring(rest, np.float32, sep=",")
        angles = np.array(pose, np.float32)
    except ValueError:
        raise ValueError("expected numbers for the pose and the points") from None
    try:
        extras = np.array([np.nan if at is None else cells[at] or np.nan for at in columns.extras], np.float32)
    except ValueError:
        raise ValueError("expected numbers, or nothing, for the blendshapes, the width and the height") from None
    if len(values) != 3 * columns.points:
        raise ValueError(f"expected {columns.points} points as {3 * columns.points} numbers, got {len(values)}")
    if not (np.isfinite(values).all() and np.isfinite(angles).all()):
        raise ValueError("expected finite numbers, got NaN or infinity")
    points = np.zeros((POINTS, 3), np.float32)
    points[: columns.points] = values.reshape(-1, 3)
    if (points[33] == points[263]).all():
        raise ValueError("the outer eye corners (points 33 and 263) coincide")
    if not label:
        raise ValueError("expected a label, got nothing")
    name = f"{name}, {source}" + (f" frame {frame}" if frame != "0" else "")
    return Row(
        label=label,
        part=part,
        subject=subject,
        session=session,
        name=name,
        pose=angles,
        points=points,
        extras=extras,
    )
