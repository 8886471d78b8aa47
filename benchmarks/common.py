"""What the benchmarks share: fresh processes, a table, and a CSV to read where there is no dataset."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def fresh(function: Callable[..., T], *args: Any) -> T:
    """Call a function in a new interpreter: nothing is imported, cached or allocated there before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def show(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print one table: numbers to the right with two or three digits that count, words to the left."""
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [isinstance(value, str) for value in rows[0]]
    for row in cells:
        columns = zip(row, widths, left, strict=True)
        print("  ".join(cell.ljust(width) if text else cell.rjust(width) for cell, width, text in columns).rstrip())


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def write_fer2013(file: Path, rows: int) -> Path:
    """Write a CSV in FER2013's format: noise, eight of ten rows for training, every class in every part."""
    rng = np.random.default_rng(0)
    parts = [*["Training"] * 8, "PublicTest", "PrivateTest"]
    with file.open("w") as out:
        out.write("emotion,pixels,Usage\n")
        for row in range(rows):
            pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48).tolist()))
            out.write(f"{row % 7},{pixels},{parts[row % 10]}\n")
    return file
