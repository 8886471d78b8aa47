"""The report of a run: scores, predictions and figures as files, and one page that shows them."""

import csv
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer.base import DataSpec, Samples
from fer.errors import DataError, RunError
from fer.evaluation import card, charts, figures, metrics, points, trust, votes
from fer.evaluation.copies import KINDS
from fer.evaluation.evidence import UNKNOWN, Evidence, labels_of
from fer.evaluation.page import embedded, percent, render, write_text

FIGURES = {
    "confusion.png": "Which classes are taken for which, in samples. The diagonal is right.",
    "confusion_normalised.png": "The same in percent of each true class: the diagonal is its recall.",
    "per_class.png": "Precision, recall and F1 of each class; n is its number of samples.",
    "predictions.png": "The most confident mistakes first, then right answers from the whole split.",
    "confused.png": "The classes that are confused most, as a share of the true one; the surest mistakes of each.",
    "explanations.png": "What spoke for the answer and the truth in the surest mistakes (Grad-CAM, or hidden points).",
    "calibration.png": "Whether the confidence can be believed, and what is gained where the model may say nothing.",
    "subgroups.png": "Whether all are served alike.",
    "robustness.png": "What is left of accuracy and confidence when the images get worse.",
    "ced.png": "The share of the faces with an error up to each value; the area under it is the AUC, 1 at best.",
    "points.png": "The faces with the largest error first, then others from the better half.",
    "curves.png": "The training. The green line is the best epoch, dashed lines part its stages.",
}
"""The pictures, in the order in which the page shows those that are there."""

SHOWN = 10
"""How many of the worst samples the page lists by name."""

EXPLAINED = 8
"""How many mistakes are explained."""


def write(
    folder: Path,
    *,
    spec: DataSpec,
    split: str,
    samples: Samples,
    outputs: np.ndarray,
    history: list[dict[str, Any]],
    facts: Mapping[str, Any],
    evidence: Evidence = UNKNOWN,
) -> dict[str, Any]:
    """Judge what a model answered for a split, and write what there is to say of it.

    That is metrics.json, predictions.csv, PNG figures, report.html and MODEL_CARD.md. The folder is built beside its
    place and then renamed; an older report there is replaced.

    Args:
        folder: where the report goes.
        spec: the dataset.
        split: the name of the split, for titles.
        samples: the split; only the inputs that are shown are read.
        outputs: probabilities (samples, classes), or pixel coordinates (samples, 2 * points) or (samples, points, 2).
        history: the rows of metrics.csv (see `figures.curves`); empty for no curves.
        facts: what the page says about the run: flat or nested, shown as text.
        evidence: what is known beside the outputs, such as leaks.

    Returns:
        The metrics (see `metrics.classification`, `trust.scores` and `metrics.landmarks`).

    Raises:
        DataError: the outputs hold NaN or infinity.
        RunError: the folder cannot be written, or holds something else than a report.
        ValueError: the outputs do not have the shape of the targets.
    """
    outputs = _checked(outputs, spec, split, samples)
    judge = _judge_classes if spec.target == "classes" else _judge_points
    with _replacing(folder) as building:
        scores, worst = judge(building, spec, samples, outputs, evidence)
        if samples.groups:
            scores["groups"] = _by_group(spec, samples, outputs)
        if history:
            figures.curves(building / "curves.png", history)
        record = {"split": split, "metrics": scores, "predictions": "predictions.csv"}
        write_text(building / "metrics.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
        page = {"spec": spec, "split": split, "metrics": scores, "worst": worst, "facts": facts}
        write_text(building / "report.html", _page(building, page))
        write_text(building / card.NAME, card.text(spec, split, scores, facts))
    return scores


def _judge_classes(
    folder: Path, spec: DataSpec, samples: Samples, outputs: np.ndarray, evidence: Evidence
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Write predictions and figures of a classification; return its scores and the most confident mistakes."""
    classes, labels = spec.classes, labels_of(samples)
    scores = metrics.classification(outputs, labels, classes)
    scores |= trust.scores(outputs, labels, scores, evidence)
    if samples.targets.ndim == 2:
        scores["votes"] = votes.against(outputs, samples.targets)
        samples = replace(samples, targets=labels)
    _write_predictions(folder / "predictions.csv", spec, samples, outputs, evidence)
    figures.confusion(folder / "confusion.png", scores["confusion"], classes, normalised=False)
    figures.confusion(folder / "confusion_normalised.png", scores["confusion"], classes, normalised=True)
    figures.per_class(folder / "per_class.png", scores["per_class"])
    figures.predictions(folder / "predictions.png", samples, outputs, classes)
    charts.calibration(folder / "calibration.png", scores["calibration"], scores["selective"])
    if scores.get("subgroups"):
        charts.subgroups(folder / "subgroups.png", scores["subgroups"])
    if "robustness" in scores:
        charts.robustness(folder / "robustness.png", scores["robustness"])
    wrong = figures.mistakes(labels, outputs)
    if len(wrong):
        charts.confused(folder / "confused.png", samples, labels, outputs, classes)
    if evidence.maps and len(wrong):
        _explain(folder / "explanations.png", spec, samples, outputs, evidence, wrong[:EXPLAINED])
    return scores, [
        {
            "sample": samples.name(i),
            "true": classes[labels[i]],
            "predicted": classes[outputs[i].argmax()],
            "confidence": percent(outputs[i].max()),
            **({"in train": evidence.mark(i, labels) or "–"} if evidence.leaks else {}),
        }
        for i in wrong[:SHOWN]
    ]


def _write_predictions(path: Path, spec: DataSpec, samples: Samples, outputs: np.ndarray, evidence: Evidence) -> None:
    """Write a row a sample; the last column says whether there is a copy in train, where that is known."""
    header = ["name", "true", "predicted", "confidence", *(f"p_{name}" for name in spec.classes)]
    leaks = evidence.leaks
    kinds = [[] for _ in outputs] if leaks is None else [[(*KINDS, "")[kind]] for kind in leaks.kind]
    rows = (
        [
            samples.name(i),
            spec.classes[samples.targets[i]],
            spec.classes[row.argmax()],
            *(f"{p:.6f}" for p in (row.max(), *row)),
            *kinds[i],
        ]
        for i, row in enumerate(outputs)
    )
    _write_csv(path, header if leaks is None else [*header, "copy_in_train"], rows)


def _explain(
    path: Path, spec: DataSpec, samples: Samples, outputs: np.ndarray, evidence: Evidence, shown: np.ndarray
) -> None:
    """Draw what spoke for the predicted and for the true class of some samples."""
    assert evidence.maps
    faces, labels, predicted = samples.inputs(shown), samples.targets[shown], outputs[shown].argmax(axis=1)
    maps = [evidence.maps(faces, each) for each in (predicted, labels)]
    texts = [
        (spec.classes[answer], spec.classes[label], evidence.mark(i, samples.targets))
        for i, answer, label in zip(shown, predicted, labels, strict=True)
    ]
    draw = charts.explanations if faces.ndim == 4 else charts.point_explanations
    draw(path, faces, maps, texts)


def _judge_points(
    folder: Path, spec: DataSpec, samples: Samples, outputs: np.ndarray, evidence: Evidence
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Write predictions and figures of a point regression; return its scores and the faces with the largest error."""
    scores = points.landmarks(outputs, samples.targets)
    errors = points.nme(outputs, samples.targets)
    scores |= trust.point_scores(errors, evidence)
    rows = ([samples.name(i), f"{error:.6f}"] for i, error in enumerate(errors))
    _write_csv(folder / "predictions.csv", ["name", "nme"], rows)
    figures.points(folder / "points.png", samples, outputs)
    figures.ced(folder / "ced.png", outputs, samples.targets)
    worst = np.argsort(-errors, kind="stable")[:SHOWN]
    return scores, [{"sample": samples.name(i), "NME": percent(errors[i])} for i in worst]


def _by_group(spec: DataSpec, samples: Samples, outputs: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return the first scores of each group of samples, the largest group first."""
    groups = np.array([samples.groups[row] for row in samples.rows])
    names, counts = np.unique(groups, return_counts=True)
    found = {}
    for name in names[np.argsort(-counts, kind="stable")].tolist():
        rows = groups == name
        if spec.target == "points":
            scores = points.landmarks(outputs[rows], samples.targets[rows])
        else:
            scores = metrics.classification(outputs[rows], samples.targets[rows], spec.classes)
        kept = ("samples", "accuracy", "accuracy_interval", "macro_f1", "nme", "nme_interval", "failure_rate_8")
        found[name] = {key: scores[key] for key in kept if key in scores}
    return found


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
