"""What was predicted as a table that grows frame by frame: CSV, JSON Lines or Parquet, a row a face."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from fer.errors import ConfigError
from fer.landmarks import POINTS
from fer.predictor import Prediction

FORMATS = ("csv", "jsonl", "parquet")

FACTS = {"source": str, "frame": int, "time": float, "face": int}
BOX = ("x", "y", "width", "height")

GROUP = 1000
"""Rows that a Parquet file takes at a time."""


class Table:
    """An open table; a context that closes it. What was added stays in it, whatever happens later.

    Args:
        folder: where `predictions.<format>` is written.
        kind: one of FORMATS.
        classes: of the network.
        points: x and y of so many points that the network predicts.
        mesh: the points of the mesh, x, y and z, are written.

    Raises:
        ConfigError: Parquet is asked for without its library.
    """

    def __init__(self, folder: Path, kind: str, classes: Sequence[str], points: int, mesh: bool) -> None:
        axes = [f"{axis}{number}" for number in range(points) for axis in "xy"]
        axes += [f"{axis}{number}" for number in range(POINTS if mesh else 0) for axis in "xyz"]
        kinds: dict[str, type] = {**FACTS, **dict.fromkeys(BOX, int)}
        if classes:
            kinds |= {"label": str, "confidence": float, **{f"p_{name}": float for name in classes}}
        self._kinds: dict[str, type] = kinds | dict.fromkeys(axes, float) | {"note": str}
        self._points, self._mesh = points, mesh
        self._rows: list[dict[str, Any]] = []
        self.path = folder / f"predictions.{kind}"
        self._kind = kind
        self._file: TextIO | None = None
        self._writer: Any = self._parquet() if kind == "parquet" else None
        if kind != "parquet":
            self._file = file = self.path.open("w", newline="", encoding="utf-8")
            if kind == "csv":
                self._writer = csv.DictWriter(file, list(self._kinds), lineterminator="\n")
                self._writer.writeheader()

    def add(self, source: str, frame: int, seconds: float, face: int, prediction: Prediction) -> None:
        """Add a face; `face` is its id in a video, and its number in an image."""
        row = {"source": source, "frame": frame, "time": round(seconds, 3), "face": face}
        row |= dict(zip(BOX, prediction.box, strict=True))
        if prediction.probabilities:
            row |= {"label": prediction.label, "confidence": round(prediction.confidence, 4)}
            row |= {f"p_{name}": round(value, 4) for name, value in prediction.probabilities.items()}
        if self._points:
            names = (f"{axis}{number}" for number in range(self._points) for axis in "xy")
            row |= dict(zip(names, (round(value, 2) for value in prediction.points.ravel().tolist()), strict=True))
        if self._mesh and prediction.mesh is not None:
            names = (f"{axis}{number}" for number in range(POINTS) for axis in "xyz")
            row |= dict(zip(names, (round(v, 2) for v in prediction.mesh.points.ravel().tolist()), strict=True))
        self._write(row)

    def say(self, source: str, frame: int, seconds: float, note: str) -> None:
        """Add a row for a frame without a face, or that cannot be read."""
        self._write({"source": source, "frame": frame, "time": round(seconds, 3), "note": note})

    def _write(self, row: dict[str, Any]) -> None:
        if self._kind == "csv":
            self._writer.writerow(row)
        elif self._file is not None:
            self._file.write(json.dumps({key: row.get(key) for key in self._kinds}, ensure_ascii=False) + "\n")
        else:
            self._rows.append(row)
            if len(self._rows) >= GROUP:
                self._flush()

    def flush(self) -> None:
        """Put what was added on the disk; Parquet waits for a whole group of rows."""
        if self._file is not None:
            self._file.flush()

    def _parquet(self) -> Any:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError:
            raise ConfigError("format: parquet needs pyarrow: uv sync --extra parquet; or choose csv, jsonl") from None
        names = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        self._schema = pa.schema([(key, names[kind]) for key, kind in self._kinds.items()])
        return pq.ParquetWriter(self.path, self._schema)

    def _flush(self) -> None:
        import pyarrow as pa

        rows = [{key: row.get(key) for key in self._kinds} for row in self._rows]
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))
        self._rows = []

    def __enter__(self) -> "Table":
        """Return the table."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()
        else:
            if self._rows:
                self._flush()
            self._writer.close()
