"""The pictures of trust: calibration, selective prediction, subgroups, robustness, explanations, confused pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fer.base import Samples
from fer.evaluation.figures import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    QUIET,
    RED,
    SKY,
    WIDTH,
    _plain,
    _quiet,
    _save,
    _title,
)

PAIRS, EXAMPLES = 5, 6
"""How many confused pairs are shown, and of each how many faces."""


def calibration(path: Path, found: Mapping[str, Any], selective: Mapping[str, Any]) -> Path:
    """Draw a reliability diagram, before and after temperature scaling, and risk against coverage.

    Args:
        path: the PNG to write.
        found: as `calibration.judge` gives it.
        selective: as `calibration.selective` gives it.
    """
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    lines = [("as it is", found["ece"], found["bins"], BLUE)]
    if "scaled" in found:
        scaled = found["scaled"]
        lines.append((f"temperature {found['temperature']:.2f}", scaled["ece"], scaled["bins"], ORANGE))
    for name, error, bins, colour in lines:
        confidence, accuracy, share = ([each[key] for each in bins] for key in ("confidence", "accuracy", "share"))
        label = f"{name}: ECE {100 * error:.1f}%"
        left.plot(confidence, accuracy, color=colour, linewidth=1.5, label=label)
        left.scatter(confidence, accuracy, s=[6 + 200 * each for each in share], color=colour, zorder=3)
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    left.legend(frameon=False, fontsize=8, loc="upper left")
    _title(left, "Reliability (dots by share)")
    coverage, risk = np.array(selective["curve"]).T
    right.plot(coverage, 1 - risk, color=BLUE, linewidth=2)
    right.set(xlim=(0, 1), ylim=(max(0, 1 - risk.max() - 0.1), 1.005), xlabel="share that is answered")
    _title(right, "Accuracy of the most confident")
    for axes in (left, right):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        _quiet(axes, grid="both")
    return _save(figure, path)


def subgroups(path: Path, found: Sequence[Mapping[str, Any]]) -> Path:
    """Draw the accuracy of each group of each trait with its interval; traits with a gap are red.

    Args:
        path: the PNG to write.
        found: as `subgroups.compare` gives it.
    """
    rows = [(trait, group) for trait in found for group in trait["groups"]]
    figure = Figure(figsize=(WIDTH, 0.9 + 0.23 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for row, (trait, group) in enumerate(rows):
        low, high = group["interval"]
        colour = RED if trait["found"] else BLUE
        axes.plot([low, high], [row, row], color=colour, linewidth=1.5)
        axes.plot(group["accuracy"], row, "o", color=colour, markersize=4)
    axes.set_yticks(range(len(rows)), [f"{trait['trait']} {group['name']}" for trait, group in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    _title(axes, "Accuracy by trait, with 95% intervals (red: the groups differ)")
    _quiet(axes, grid="x")
    return _save(figure, path)


def robustness(path: Path, found: Mapping[str, Any]) -> Path:
    """Draw accuracy and mean confidence under each corruption against its severity.

    Args:
        path: the PNG to write.
        found: as fer.evaluation.robustness gives it.
    """
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    sure = found["confidence"]
    _severities(left, found["clean"], found["corruptions"])
    _severities(right, sure["clean"], sure["corruptions"])
    right.axhline(sure["scrambled"], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    right.annotate("scrambled: no face", (0, sure["scrambled"]), (0, 3), textcoords="offset points", fontsize=8)
    left.set_ylim(bottom=0)
    _title(left, f"Accuracy under corruption ({found['samples']:,} images)")
    _title(right, "Mean confidence")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    return _save(figure, path)


def _severities(axes: Axes, clean: float, corruptions: Mapping[str, Sequence[float]]) -> None:
    colours = [BLUE, ORANGE, GREEN, RED, SKY, INK, QUIET]
    for (name, values), colour in zip(corruptions.items(), colours, strict=False):
        axes.plot(range(6), [clean, *values], "o-", color=colour, markersize=3, linewidth=1.5, label=name)
    axes.set_xticks(range(6), ["none", *map(str, range(1, 6))])
    axes.set_xlabel("severity")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _quiet(axes, grid="y")


def explanations(
    path: Path, faces: np.ndarray, maps: Sequence[np.ndarray], texts: Sequence[tuple[str, str, str]]
) -> Path:
    """Draw faces above what spoke for the predicted class, and below it what spoke for the true one.

    Args:
        path: the PNG to write.
        faces: uint8 (n, height, width, channels).
        maps: two float32 (n, height, width) in [0, 1], for the predicted and the true class.
        texts: (predicted, true, mark) of each.
    """
    grey = faces.mean(axis=-1)[..., None] / 255
    heat = [0.45 * grey + 0.55 * colormaps["inferno"](each)[..., :3] for each in maps]
    tiles = np.stack([np.repeat(grey, 3, axis=-1), *heat])
    figure = Figure(figsize=(0.2 + 1.25 * len(faces), 4.5), layout="constrained")
    axes = figure.add_subplot()
    for row, words in enumerate(zip(*((mark, answer, f"{true} (true)") for answer, true, mark in texts), strict=True)):
        for column, word in enumerate(words):
            _tile(axes, row, column, tiles[row, column], _plain(word, 20), (ORANGE, RED, GREEN)[row])
    axes.set_yticks([])
    return _mosaic(figure, axes, path, rows=3, columns=len(faces))


def point_explanations(
    path: Path, faces: np.ndarray, maps: Sequence[np.ndarray], texts: Sequence[tuple[str, str, str]]
) -> Path:
    """Draw landmarks coloured by what each spoke for the predicted class, and below it for the true one.

    Args:
        path: the PNG to write.
        faces: float (n, points, dimensions).
        maps: two float32 (n, points), for the predicted and the true class (see `explain.occlusion`).
        texts: (predicted, true, mark) of each.
    """
    figure = Figure(figsize=(0.2 + 1.25 * len(faces), 3.3), layout="constrained")
    axes = figure.add_subplot()
    for row, found in enumerate(maps):
        limit = max(float(np.abs(found).max()), 1e-6)
        for column, (points, fall, words) in enumerate(zip(faces[..., :2], found, texts, strict=True)):
            low, high = points.min(axis=0), points.max(axis=0)
            x, y = ((points - low) / (high - low).max() + (1.05 * column, 1.15 * row)).T
            axes.scatter(x, y, c=fall, cmap="coolwarm", vmin=-limit, vmax=limit, s=2, linewidths=0)
            text = _plain(words[row] + " (true)" * row, 20)
            axes.text(
                1.05 * column + 0.5, 1.15 * row - 0.02, text, ha="center", va="bottom", fontsize=7, in_layout=False
            )
    axes.set_yticks([])
    return _mosaic(figure, axes, path, rows=2, columns=len(faces))


def confused(path: Path, samples: Samples, labels: np.ndarray, outputs: np.ndarray, classes: Sequence[str]) -> Path:
    """Draw the pairs of classes that are confused most, each with the faces of which the model was most sure.

    Args:
        path: the PNG to write.
        samples: the split; only the inputs shown are read.
        labels: int (samples,).
        outputs: float (samples, classes), probabilities.
        classes: names in label order.
    """
    pairs = most_confused(labels, outputs)[:PAIRS]
    figure = Figure(figsize=(WIDTH, 0.4 + 1.1 * len(pairs)), layout="constrained")
    axes = figure.add_subplot()
    names = []
    for row, (true, predicted, wrong) in enumerate(pairs):
        shown = wrong[np.argsort(-outputs[wrong, predicted], kind="stable")][:EXAMPLES]
        for column, (face, sample) in enumerate(zip(samples.inputs(shown), shown, strict=True)):
            tile = np.repeat(face / 255, 3 // face.shape[-1], axis=-1) if face.ndim == 3 else face
            _tile(axes, row, column, tile, f"{100 * outputs[sample, predicted]:.0f}%", QUIET)
        share = len(wrong) / max(1, int((labels == true).sum()))
        names.append(f"{_plain(classes[true], 14)}\ntaken for\n{_plain(classes[predicted], 14)}\n{100 * share:.0f}%")
    axes.set_yticks([1.15 * row + 0.5 for row in range(len(pairs))], names, fontsize=8, color=INK)
    return _mosaic(figure, axes, path, rows=len(pairs), columns=EXAMPLES)


def _tile(axes: Any, row: int, column: int, face: np.ndarray, text: str, colour: str) -> None:
    """Draw one picture of a mosaic with a line above it; far quicker than axes of its own."""
    left, top = 1.05 * column, 1.15 * row
    if face.ndim == 3:
        axes.imshow(face, extent=(left, left + 1, top + 1, top), interpolation="bilinear")
    else:  # points
        low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
        axes.plot(*((face[:, :2] - low) / (high - low).max() + (left, top)).T, ".", color=INK, markersize=1.5)
    axes.text(left + 0.5, top - 0.02, text, ha="center", va="bottom", fontsize=7, color=colour, in_layout=False)


def _mosaic(figure: Figure, axes: Any, path: Path, rows: int, columns: int) -> Path:
    axes.set(xlim=(0, 1.05 * columns), ylim=(1.15 * rows - 0.1, -0.15), xticks=[], aspect="equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _save(figure, path)


def most_confused(labels: np.ndarray, outputs: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Return (true class, predicted class, samples) of every confusion, the largest share of a true class first."""
    predicted = outputs.argmax(axis=1)
    counts = np.bincount(labels, minlength=outputs.shape[1])
    found = []
    for true, answer in {(int(a), int(b)) for a, b in zip(labels, predicted, strict=True) if a != b}:
        found.append((true, answer, np.flatnonzero((labels == true) & (predicted == answer))))
    return sorted(found, key=lambda pair: (-len(pair[2]) / counts[pair[0]], pair[0], pair[1]))
