"""The report of an export: one table with a row for each format, as JSON, PNG, HTML and text."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer.artifact import replacing, write_text
from fer.deployment.gate import Verdict
from fer.task import Task

COLUMNS = ("format", "size", "score", "drop (95% interval)", "agreement", "largest difference", "time", "verdict")
WORST = 8
"""Layers of a rejected file that are listed."""

ADVICE = (
    "What to try: export=int16x8 (finer activations); quantization-aware training (the network learns to live with "
    "8 bits); more export.calibration images; weight decay or smaller rates where the worst layer's weights are huge."
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was exported.

    Attributes:
        name: of the run.
        task: says what the score is.
        split: what the files were judged on.
        samples: how many.
        score: of the Keras network.
        bytes: size of model.keras.
    """

    name: str
    task: Task
    split: str
    samples: int
    score: float
    bytes: int


def write(folder: Path, subject: Subject, verdicts: Sequence[Verdict], failures: Mapping[str, str]) -> Path:
    """Write gate.json, gate.png and gate.html, and return the page."""
    record = {
        "run": subject.name,
        "split": subject.split,
        "samples": subject.samples,
        "metric": subject.task.score,
        "score": subject.score,
        "formats": {each.name: {**_plain(each), "passed": each.passed} for each in verdicts},
        "failures": dict(failures),
    }
    write_text(folder / "gate.json", json.dumps(record, indent=2) + "\n")
    _draw(folder / "gate.png", subject, verdicts)
    write_text(folder / "gate.html", _page(folder / "gate.png", subject, verdicts, failures))
    return folder / "gate.html"


def table(subject: Subject, verdicts: Sequence[Verdict]) -> str:
    """Return the table as lines of text."""
    rows = [COLUMNS, *_rows(subject, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def line(verdict: Verdict, task: Task, seconds: float) -> str:
    """Return one line on a file that was just judged."""
    low, high = verdict.interval
    return (
        f"{verdict.name}: {task.score} {_percent(verdict.score)}, drop {verdict.drop:+.2f} points "
        f"({low:+.2f} to {high:+.2f}), {verdict.bytes:,} bytes, {seconds:.0f} s"
    )


def rejection(verdict: Verdict) -> str:
    """Say why a file was rejected, and which layers to look at."""
    worst = ", ".join(f"{row['layer']} {row['decibels']:.0f} dB" for row in verdict.layers[:3])
    return (
        f"{verdict.name}: lost {verdict.drop:.2f} points, {verdict.allowed:g} are allowed; kept as {verdict.file}; "
        f"noisiest layers: {worst or 'none found'}; see gate.html beside it for what to try"
    )


def flat(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Return the numbers under one level of names, "int8/drop", for trackers."""
    names = ("score", "drop", "bytes", "milliseconds", "largest", "agreement")
    values = {f"{each.name}/{name}": getattr(each, name) for each in verdicts for name in names}
    return {name: float(value) for name, value in values.items() if value is not None}


def _rows(subject: Subject, verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("keras", _size(subject.bytes), _percent(subject.score), "", "", "", "", "")]
    for each in verdicts:
        low, high = each.interval
        unit = "" if subject.task.spec.target == "classes" else " px"
        rows.append(
            (
                each.name,
                _size(each.bytes),
                _percent(each.score),
                f"{each.drop:+.2f} ({low:+.2f} to {high:+.2f})",
                "" if each.agreement is None else _percent(each.agreement),
                f"{each.largest:.4f}{unit}",
                f"{each.milliseconds:.2f} ms",
                "passed" if each.passed else f"rejected: {each.allowed:g} allowed",
            )
        )
    return rows


def _page(picture: Path, subject: Subject, verdicts: Sequence[Verdict], failures: Mapping[str, str]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("gate.html.j2").render(
        subject=subject,
        columns=COLUMNS,
        rows=_rows(subject, verdicts),
        rejected=[(each, each.layers[:WORST]) for each in verdicts if not each.passed],
        notes=[(each.name, note) for each in verdicts for note in each.notes],
        failures=failures,
        advice=ADVICE,
        picture=base64.b64encode(picture.read_bytes()).decode(),
    )


def _draw(path: Path, subject: Subject, verdicts: Sequence[Verdict]) -> None:
    """Draw points lost with their intervals, size and time of each format, one below the other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from fer.evaluation.figures import BLUE, DPI, RED

    figure = Figure(figsize=(9.5, 1.3 + 0.42 * max(len(verdicts), 1)), layout="constrained")
    lost, size, time = figure.subplots(1, 3, sharey=True)
    places = range(len(verdicts))
    colours = [BLUE if each.passed else RED for each in verdicts]
    drops = [each.drop for each in verdicts]
    # a bootstrap interval may leave out the mean itself where nearly all differences are equal
    spread = [
        [max(each.drop - each.interval[0], 0) for each in verdicts],
        [max(each.interval[1] - each.drop, 0) for each in verdicts],
    ]
    lost.barh(places, drops, color=colours)
    lost.errorbar(drops, places, xerr=spread, fmt="none", ecolor="#222222", capsize=3)
    size.barh(places, [each.bytes / 1e6 for each in verdicts], color=colours)
    time.barh(places, [each.milliseconds for each in verdicts], color=colours)
    lost.set_yticks(places, [each.name for each in verdicts])
    lost.invert_yaxis()
    for axes, title in (
        (lost, f"{subject.task.score}: points lost"),
        (size, "MB"),
        (time, "ms, one input, one thread"),
    ):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as partial:
        FigureCanvasAgg(figure).print_figure(partial, dpi=DPI)


def _plain(verdict: Verdict) -> dict[str, Any]:
    values = {**asdict(verdict), "file": verdict.file.name}
    return {key: None if isinstance(each, float) and not math.isfinite(each) else each for key, each in values.items()}


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
