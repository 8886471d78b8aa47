"""The landmark CSV as capture writes it: a row at a time, and reopened to go on."""

import csv
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fer.errors import DataError, RunError
from fer.mesh_csv import HEADER, header

logger = logging.getLogger(__name__)


class Recording:
    """An open landmark CSV. Each row is one write to the file, so a crash loses at most the row in flight.

    Attributes:
        path: the file.
        counts: rows of each class, with those that were there before.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        """Open the file, or make it.

        Args:
            path: a .csv file.
            classes: names that its rows may have.

        Raises:
            DataError: the file is another CSV, has another number of points, or rows of other classes.
            RunError: it cannot be written.
        """
        self.path = path
        self.counts = Counter(dict.fromkeys(classes, 0))
        self._takes: list[tuple[int, str, int]] = []  # where each begins in the file, its class, its rows
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise RunError(f"output: cannot write {path}: {error.strerror}; choose another with output=") from error
        try:
            self._reopen()
        except DataError:
            self.close()
            raise

    def _reopen(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, end - 1))
        if end and self._file.read(1) != b"\n":
            self._file.seek(0)
            end = self._file.read().rfind(b"\n") + 1
            self._file.truncate(end)
            logger.warning("%s: its last row was not finished and is gone", self.path)
        if not end:
            self._file.write(header().encode())
            return
        with self.path.open(newline="", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            self._demand_header(next(rows))
            labels = Counter(row[0] for row in rows)
        if strange := [name for name in labels if name not in self.counts]:
            raise DataError(
                f"output: {self.path} holds rows of class {strange[0]}, expected {', '.join(self.counts)}; "
                "name all classes with classes=, or choose another file with output="
            )
        self.counts.update(labels)

    def add(self, label: str, line: str, *, new_take: bool) -> None:
        """Write one row.

        Args:
            label: its class.
            line: of fer.mesh_csv.row.
            new_take: it does not belong to the rows before it.
        """
        if new_take or not self._takes:
            self._takes.append((self._file.seek(0, os.SEEK_END), label, 0))
        self._file.write(line.encode())
        start, _, rows = self._takes[-1]
        self._takes[-1] = (start, label, rows + 1)
        self.counts[label] += 1

    def undo(self) -> int:
        """Remove the last take that was written since the file was opened; return its number of rows."""
        if not self._takes:
            return 0
        start, label, rows = self._takes.pop()
        self._file.truncate(start)
        self.counts[label] -= rows
        return rows

    def _demand_header(self, seen: Sequence[str]) -> None:
        if tuple(seen) == HEADER:
            return
        points = sum(name.startswith("x") and name[1:].isdecimal() for name in seen)
        what = f"{points} points" if points else f"the columns {', '.join(seen)[:60]}"
        raise DataError(
            f"output: {self.path} is there already and is not a file of ours: expected 478 points, got {what}; "
            "choose another with output="
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Recording":
        """Return the recording."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
