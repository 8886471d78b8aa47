"""The pictures of a report: one function a PNG, written under a temporary name first.

They use matplotlib's objects and never pyplot, so that they work in threads and without a display. The colours are
those of Okabe & Ito (2008), which colour-blind people tell apart.
"""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from fer.base import Samples
from fer.evaluation.points import THRESHOLDS, distribution, nme, region_nme
from fer.ibug68 import REGIONS

DPI = 200
INK, QUIET, GRID = "#222222", "#767676", "#e2e2e2"
BLUE, ORANGE, GREEN, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"
WIDTH = 6.5
"""Inches: narrow enough to be read on a phone."""


def confusion(path: Path, counts: Sequence[Sequence[int]], classes: Sequence[str], *, normalised: bool) -> Path:
    """Draw a confusion matrix, a row for each true class.

    Args:
        path: the PNG to write.
        counts: int (classes, classes).
        classes: names in label order.
        normalised: percent of each row instead of counts; a class without samples has an empty row.
    """
    table = np.asarray(counts, dtype=np.float64)
    totals = table.sum(axis=1, keepdims=True)
    if normalised:
        table = 100 * np.divide(table, totals, where=totals > 0, out=np.full_like(table, np.nan))
    side = max(min(4.2, 0.8 + 0.9 * len(classes)), 0.34 * len(classes))
    figure = Figure(figsize=(side + 1.4, side + 1.2), layout="constrained")
    axes = figure.add_subplot()
    limit = 100 if normalised else max(table.max(), 1)
    axes.imshow(table, cmap="Blues", vmin=0, vmax=limit)
    _cells(axes, table, limit, size=float(np.clip(72 * side / len(classes) * 0.27, 5, 11)))
    names = [_plain(name) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    _title(axes, "Confusion, % of the true class" if normalised else "Confusion, number of samples")
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    return _save(figure, path)


def per_class(path: Path, scores: Mapping[str, Mapping[str, float]]) -> Path:
    """Draw precision, recall and F1 of each class as bars, with the number of its samples.

    Args:
        path: the PNG to write.
        scores: class name -> precision, recall, f1 (in [0, 1]) and samples, as `metrics.classification` gives them.
    """
    figure = Figure(figsize=(WIDTH, 1.3 + 0.48 * len(scores)), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(scores))
    for offset, (score, colour) in enumerate({"precision": SKY, "recall": ORANGE, "f1": BLUE}.items()):
        lengths = [values[score] for values in scores.values()]
        label = "F1" if score == "f1" else score
        axes.barh(rows + 0.26 * (offset - 1), lengths, height=0.24, color=colour, label=label, zorder=2)
    for row, values in enumerate(scores.values()):
        text = f"{100 * values['f1']:.0f}%" if values["samples"] else "no samples"
        axes.text(values["f1"] + 0.008, row + 0.26, text, va="center", fontsize=7, color=INK)
    axes.set_yticks(rows, [f"{_plain(name)}\nn = {values['samples']:,}" for name, values in scores.items()])
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlim(0, 1.06)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    _title(axes, "Precision, recall and F1 of each class")
    _quiet(axes, grid="x")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return _save(figure, path)


def curves(path: Path, history: Sequence[Mapping[str, Any]]) -> Path:
    """Draw how a training went: a panel for each metric that was validated too, the loss, and the learning rate.

    The best epoch is that of the highest val_accuracy; without one, of the lowest val_nme, or else val_loss.

    Args:
        path: the PNG to write.
        history: the rows of metrics.csv: epoch, loss, and perhaps stage, learning_rate, val_loss and other metrics.
            A value that is missing or empty leaves a gap.
    """
    keys = list(dict.fromkeys(key for row in history for key in row))
    panels = [key for key in keys if f"val_{key}" in keys or key == "loss"]
    panels += [key for key in keys if key == "learning_rate"]
    figure = Figure(figsize=(WIDTH, 0.5 + 1.75 * len(panels)), layout="constrained")
    epochs = _column(history, "epoch")
    best = _best(history)
    for axes, key in zip(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0], panels, strict=True):
        _panel(axes, epochs, history, key)
        _stages(axes, epochs, history, named=key == panels[0])
        if best:
            axes.axvline(epochs[best[1]], color=GREEN, linewidth=1.2, zorder=1)
    axes.set_xlabel("epoch", fontsize=9)
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    lines = {"training": Line2D([], [], color=SKY), "validation": Line2D([], [], color=BLUE)}
    if best:
        value = _column(history, best[0])[best[1]]
        lines[f"best {best[0]}: {value:.4g} in epoch {epochs[best[1]]:g}"] = Line2D([], [], color=GREEN)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return _save(figure, path)


def predictions(path: Path, samples: Samples, probabilities: np.ndarray, classes: Sequence[str]) -> Path:
    """Draw samples with true class, predicted class and confidence: the most confident mistakes, then right ones.

    Args:
        path: the PNG to write.
        samples: the split, with labels; only the inputs shown are read.
        probabilities: float (samples, classes).
        classes: names in label order.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == samples.targets
    chosen = _half(mistakes(samples.targets, probabilities), np.flatnonzero(right), count=20)
    figure, tiles = _grid(len(chosen), columns=5, height=1.65)
    for axes, sample, face in zip(tiles, chosen, samples.inputs(chosen), strict=True):
        mark, colour = ("✓", GREEN) if right[sample] else ("✗", RED)
        _face(axes, face)
        axes.spines[:].set(visible=True, color=colour, linewidth=2.5)
        name = _plain(classes[predicted[sample]], 13)
        axes.set_title(f"{mark} {name} {100 * confidence[sample]:.0f}%", fontsize=8, color=colour, weight="bold", pad=4)
        axes.set_xlabel(f"true: {_plain(classes[samples.targets[sample]], 16)}", fontsize=8, color=INK, labelpad=3)
    return _save(figure, path)


def points(path: Path, samples: Samples, predicted: np.ndarray) -> Path:
    """Draw faces with true and predicted points and their NME: the worst first, then others spread over the split.

    Args:
        path: the PNG to write.
        samples: the split, with points as targets; only the inputs shown are read.
        predicted: float (samples, 68, 2), pixels (x, y).
    """
    errors = nme(predicted, samples.targets)
    worst = np.argsort(-errors, kind="stable")
    half = len(worst) // 2
    chosen = _half(worst[:half], worst[half:], count=12)
    figure, tiles = _grid(len(chosen), columns=4, height=1.95)
    for axes, sample, face in zip(tiles, chosen, samples.inputs(chosen), strict=True):
        _face(axes, face)
        truth, answer = samples.targets[sample], predicted[sample]
        axes.plot(*np.stack([truth, answer]).transpose(2, 0, 1), color=ORANGE, linewidth=0.7)
        axes.plot(*truth.T, ".", color="white", markersize=3.4, markeredgewidth=0.4, markeredgecolor="black")
        axes.plot(*answer.T, ".", color=ORANGE, markersize=3.4, markeredgewidth=0.2, markeredgecolor="black")
        axes.set_title(f"NME {100 * errors[sample]:.1f}%", fontsize=9, color=INK, pad=3)
    dot: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 5}
    lines = {
        "true point": Line2D([], [], markerfacecolor="white", markeredgecolor="black", **dot),
        "predicted point": Line2D([], [], color=ORANGE, **dot),
    }
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _save(figure, path)


def ced(path: Path, predicted: np.ndarray, truth: np.ndarray) -> Path:
    """Draw the cumulative error distributions of all points and of each region, by inter-ocular distance.

    Args:
        path: the PNG to write.
        predicted: float (samples, 68, 2), pixels (x, y).
        truth: the same for the true points.
    """
    limits = np.linspace(0, max(THRESHOLDS.values()), 201)
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, points), colour in zip(REGIONS.items(), (SKY, ORANGE, GREEN, RED, QUIET), strict=True):
        shares = distribution(region_nme(predicted, truth, points), limits)
        axes.plot(100 * limits, shares, color=colour, linewidth=1.2, label=name)
    axes.plot(100 * limits, distribution(nme(predicted, truth), limits), color=BLUE, linewidth=2.5, label="all points")
    axes.set(xlim=(0, 100 * limits[-1]), ylim=(0, 1.02))
    axes.set_xlabel("NME, % of the inter-ocular distance", fontsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _title(axes, "Faces with an error up to")
    _quiet(axes, grid="both")
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return _save(figure, path)


def mistakes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the samples whose predicted class is wrong, the most confident first: int64 (mistakes,)."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def _half(first: np.ndarray, rest: np.ndarray, count: int) -> np.ndarray:
    """Take the head of `first` and an even spread of `rest`, half each where both have enough."""
    head = min(len(first), max(count // 2, count - len(rest)))
    spread = np.linspace(0, len(rest) - 1, min(count - head, len(rest))).round().astype(int)
    return np.concatenate([first[:head], rest[spread]])


def _cells(axes: Any, table: np.ndarray, limit: float, size: float) -> None:
    """Write the numbers into a matrix: zeros are left out, so that the pattern shows."""
    # Out of the layout, which would measure each of up to 2,500 numbers twice.
    style = {"ha": "center", "va": "center", "fontsize": size, "in_layout": False}
    for (row, column), value in np.ndenumerate(table):
        if np.isnan(value):
            if row == column:
                axes.text(column, row, "–", color=QUIET, **style)
        elif round(value):
            colour = "white" if value > 0.55 * limit else INK
            weight = "bold" if row == column else "normal"
            axes.text(column, row, f"{value:.0f}", color=colour, weight=weight, **style)


def _panel(axes: Any, epochs: np.ndarray, history: Sequence[Mapping[str, Any]], key: str) -> None:
    """Draw one metric over the epochs, and its validated twin."""
    marker = "o" if len(history) <= 20 else None
    style = {"marker": marker, "markersize": 3, "zorder": 3}
    if key == "learning_rate":
        axes.plot(epochs, _column(history, key), color=QUIET, drawstyle="steps-mid", linewidth=1.5, **style)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.3g}"))
    else:
        axes.plot(epochs, _column(history, key), color=SKY, linewidth=1.5, **style)
        axes.plot(epochs, _column(history, f"val_{key}"), color=BLUE, linewidth=2, **style)
    _title(axes, _plain(key.replace("_", " "), 40))
    _quiet(axes, grid="y")


def _stages(axes: Any, epochs: np.ndarray, history: Sequence[Mapping[str, Any]], named: bool) -> None:
    """Draw a dashed line where a new stage of the training begins; in the first panel, say which."""
    names = [row.get("stage") for row in history]
    starts = [row for row in range(1, len(names)) if names[row] != names[row - 1]]
    for row in starts:
        axes.axvline((epochs[row - 1] + epochs[row]) / 2, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for row in [0, *starts] if starts and named else ():
        axes.margins(y=0.25)
        left = epochs[0] - 0.5 if row == 0 else (epochs[row - 1] + epochs[row]) / 2
        style = {"xytext": (4, -3), "textcoords": "offset points", "va": "top", "fontsize": 8, "color": QUIET}
        axes.annotate(_plain(names[row]), (left, 1), xycoords=axes.get_xaxis_transform(), **style)


def _best(history: Sequence[Mapping[str, Any]]) -> tuple[str, int] | None:
    """Return the metric that tells the best epoch, and its row."""
    for key, sign in (("val_accuracy", -1), ("val_nme", 1), ("val_loss", 1)):
        values = sign * _column(history, key)
        if np.isfinite(values).any():
            return key, int(np.nanargmin(values))
    return None


def _column(history: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Return one column of metrics.csv: float64 (rows,), NaN where it is empty."""
    values = [row.get(key) for row in history]
    return np.array([np.nan if value is None or value == "" else float(value) for value in values])


def _grid(count: int, columns: int, height: float) -> tuple[Any, list[Any]]:
    """Lay out `count` tiles, each `height` inches high."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(min(WIDTH, 0.6 + 1.6 * columns), rows * height), layout="constrained")
    tiles = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in tiles:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure, tiles[:count]


def _face(axes: Any, face: np.ndarray) -> None:
    """Draw one input: an image (height, width, channels), or the points (points, dimensions) of a face."""
    if face.ndim == 3:
        axes.imshow(face.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
        axes.autoscale(False)
    else:
        axes.plot(face[:, 0], face[:, 1], ".", color=INK, markersize=1.5)
        axes.invert_yaxis()
        axes.set_aspect("equal", adjustable="datalim")


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, color=INK, weight="bold")


def _quiet(axes: Any, grid: str) -> None:
    """Leave of the frame what helps to read."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8, labelcolor=INK)
    axes.grid(axis=grid, color=GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)


def _plain(text: Any, length: int = 18) -> str:
    """Return a name as one short line of valid Unicode that matplotlib does not take for mathematics.

    A long name keeps both ends, since names of one set tend to differ at either.
    """
    line = " ".join(str(text).encode("utf-8", "replace").decode().split())
    if len(line) > length:
        line = f"{line[: length // 2]}…{line[-((length - 1) // 2) :]}"
    return line.replace("$", r"\$")


def _save(figure: Any, path: Path) -> Path:
    """Write a figure so that `path` is either the whole picture or untouched."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    FigureCanvasAgg(figure)
    try:
        figure.savefig(partial, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
