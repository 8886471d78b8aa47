"""The Pareto front: the runs that no other beats in everything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fer.evaluation.figures import BLUE, GRID, INK, QUIET, WIDTH, _save

Row = Mapping[str, Any]


def front(rows: Sequence[Row], goals: Mapping[str, str]) -> list[int]:
    """Return the places of the rows that no other row equals in all and beats in one.

    Args:
        rows: a row with a value missing is never on the front.
        goals: column -> "min" or "max".
    """
    points = {
        place: [row[key] if mode == "min" else -row[key] for key, mode in goals.items()]
        for place, row in enumerate(rows)
        if all(row.get(key) is not None for key in goals)
    }
    return [
        place
        for place, point in points.items()
        if not any(_beats(other, point) for number, other in points.items() if number != place)
    ]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


def draw(path: Path, rows: Sequence[Row], goals: Mapping[str, str], name: str = "trial") -> Path:
    """Draw all rows as points and the front as a line.

    Args:
        path: the PNG to write.
        rows: the table.
        goals: two columns -> "min" or "max": across and up.
        name: the column whose text stands beside a point of the front.
    """
    across, up = goals
    shown = [row for row in rows if row.get(across) is not None and row.get(up) is not None]
    best = sorted((shown[place] for place in front(shown, goals)), key=lambda row: row[across])
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter([row[across] for row in shown], [row[up] for row in shown], color=QUIET, s=18, label="all")
    axes.plot(*([row[key] for row in best] for key in goals), color=BLUE, marker="o", label="front")
    for row in best:
        axes.annotate(str(row[name]), (row[across], row[up]), (4, -10), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return _save(figure, path)
