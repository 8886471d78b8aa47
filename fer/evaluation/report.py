"""The report of a run: scores, predictions and figures as files, and one page that shows them."""

import csv
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fer.base import DataSpec, Samples
from fer.errors import DataError, RunError
from fer.evaluation import figures, metrics
from fer.evaluation.page import embedded, percent, render, write_text

FIGURES = {
    "confusion.png": "Which classes are taken for which, in samples. The diagonal is right.",
    "confusion_normalised.png": "The same in percent of each true class: the diagonal is its recall.",
    "per_class.png": "Precision, recall and F1 of each class; n is its number of samples.",
    "predictions.png": "The most confident mistakes first, then right answers from the whole split.",
    "points.png": "The faces with the largest error first, then others from the better half.",
    "curves.png": "The training. The green line is the best epoch, dashed lines part its stages.",
}
"""The pictures, in the order in which the page shows those that are there."""

SHOWN = 10
"""How many of the worst samples the page lists by name."""


def write(
    folder: Path,
    *,
    spec: DataSpec,
    split: str,
    samples: Samples,
    outputs: np.ndarray,
    history: list[dict[str, Any]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Judge what a model answered for a split, and write metrics.json, predictions.csv, PNG figures and report.html.

    The folder is built beside its place and then renamed; an older report there is replaced.

    Args:
        folder: where the report goes.
        spec: the dataset.
        split: the name of the split, for titles.
        samples: the split; only the inputs that are shown are read.
        outputs: probabilities (samples, classes), or pixel coordinates (samples, 2 * points) or (samples, points, 2).
        history: the rows of metrics.csv (see `figures.curves`); empty for no curves.
        facts: what the page says about the run: flat or nested, shown as text.

    Returns:
        The metrics (see `metrics.classification` and `metrics.landmarks`).

    Raises:
        DataError: the outputs hold NaN or infinity.
        RunError: the folder cannot be written, or holds something else than a report.
        ValueError: the outputs do not have the shape of the targets.
    """
    outputs = _checked(outputs, spec, split, samples)
    judge = _judge_classes if spec.target == "classes" else _judge_points
    with _replacing(folder) as building:
        scores, worst = judge(building, spec, samples, outputs)
        if history:
            figures.curves(building / "curves.png", history)
        record = {"split": split, "metrics": scores, "predictions": "predictions.csv"}
        write_text(building / "metrics.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
        page = {"spec": spec, "split": split, "metrics": scores, "worst": worst, "facts": facts}
        write_text(building / "report.html", _page(building, page))
    return scores


def _judge_classes(
    folder: Path, spec: DataSpec, samples: Samples, outputs: np.ndarray
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Write predictions and figures of a classification; return its scores and the most confident mistakes."""
    classes, labels = spec.classes, samples.targets
    scores = metrics.classification(outputs, labels, classes)
    predicted, confidence = outputs.argmax(axis=1), outputs.max(axis=1)
    header = ["name", "true", "predicted", "confidence", *(f"p_{name}" for name in classes)]
    _write_csv(
        folder / "predictions.csv",
        header,
        (
            [samples.name(i), classes[labels[i]], classes[predicted[i]], *(f"{p:.6f}" for p in (confidence[i], *row))]
            for i, row in enumerate(outputs)
        ),
    )
    figures.confusion(folder / "confusion.png", scores["confusion"], classes, normalised=False)
    figures.confusion(folder / "confusion_normalised.png", scores["confusion"], classes, normalised=True)
    figures.per_class(folder / "per_class.png", scores["per_class"])
    figures.predictions(folder / "predictions.png", samples, outputs, classes)
    return scores, [
        {
            "sample": samples.name(i),
            "true": classes[labels[i]],
            "predicted": classes[predicted[i]],
            "confidence": percent(confidence[i]),
        }
        for i in figures.mistakes(labels, outputs)[:SHOWN]
    ]


def _judge_points(
    folder: Path, spec: DataSpec, samples: Samples, outputs: np.ndarray
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Write predictions and figures of a point regression; return its scores and the faces with the largest error."""
    scores = metrics.landmarks(outputs, samples.targets)
    errors = metrics.nme(outputs, samples.targets)
    rows = ([samples.name(i), f"{error:.6f}"] for i, error in enumerate(errors))
    _write_csv(folder / "predictions.csv", ["name", "nme"], rows)
    figures.points(folder / "points.png", samples, outputs)
    worst = np.argsort(-errors, kind="stable")[:SHOWN]
    return scores, [{"sample": samples.name(i), "NME": percent(errors[i])} for i in worst]


def _checked(outputs: np.ndarray, spec: DataSpec, split: str, samples: Samples) -> np.ndarray:
    """Return the outputs as float64 in the shape of their kind, all finite."""
    shape = (len(samples), spec.points, 2) if spec.target == "points" else (len(samples), spec.outputs)
    if outputs.shape not in (shape, (len(samples), spec.outputs)):
        raise ValueError(f"outputs: expected {shape} for {spec.name}, got {outputs.shape}")
    outputs = outputs.astype(np.float64).reshape(shape)
    bad = np.flatnonzero(~np.isfinite(outputs).reshape(len(samples), -1).all(axis=1))
    if len(bad):
        raise DataError(
            f"{spec.name}, {split}: the outputs hold NaN or infinity for {len(bad):,} of {len(samples):,} samples, "
            f"first in sample {samples.name(bad[0])}; the training diverged (try a lower optimizer.learning_rate) "
            "or that input is damaged"
        )
    return outputs


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `folder` when all went well, and is removed when not."""
    token = uuid.uuid4().hex[:8]
    building, old = (folder.with_name(f".{folder.name}.{token}.{role}") for role in ("new", "old"))
    try:
        if folder.exists() and not (folder / "metrics.json").is_file() and not _is_empty(folder):
            raise RunError(f"{folder}: expected a report or nothing, found something else; choose another folder")
        building.mkdir(parents=True)
        yield building
        if folder.exists():
            folder.rename(old)
        building.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunError(f"{folder}: the report cannot be written: {error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _page(folder: Path, values: Mapping[str, Any]) -> str:
    pictures = [
        {"name": name, "caption": caption, "data": embedded((folder / name).read_bytes())}
        for name, caption in FIGURES.items()
        if (folder / name).exists()
    ]
    return render("report.html.j2", {**values, "figures": pictures})


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
