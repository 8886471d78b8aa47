"""How far the scores of a classification can be believed, as plain numbers for JSON."""

from typing import Any

import numpy as np

from fer.evaluation import calibration, subgroups
from fer.evaluation.bootstrap import interval, score_intervals
from fer.evaluation.copies import NEAR
from fer.evaluation.evidence import Evidence
from fer.evaluation.metrics import wilson
from fer.evaluation.traits import QUALITIES

SUBSETS = ("all", "clean", "leaked")


def scores(outputs: np.ndarray, labels: np.ndarray, plain: dict[str, Any], evidence: Evidence) -> dict[str, Any]:
    """Return what is said beside the plain scores.

    Args:
        outputs: float (samples, classes), probabilities.
        labels: int (samples,).
        plain: `metrics.classification` of them.
        evidence: what is known beside.

    Returns:
        intervals (score -> [low, high], 95%, bootstrap), calibration and selective (see fer.evaluation.calibration),
        subsets (all, clean and leaked: samples, accuracy, accuracy_interval, macro_f1), leaks (images by kind of copy),
        subgroups (see fer.evaluation.subgroups), robustness and protocol; what is not known is left out.
    """
    losses = -np.log(np.clip(outputs[np.arange(len(labels)), labels], 1e-7, 1))
    drawn = score_intervals(plain["confusion"])
    names = {
        f"{score}/{label}": f"{score}/{name}"
        for label, name in enumerate(plain["per_class"])
        for score in ("recall", "f1")
    }
    found: dict[str, Any] = {
        "intervals": {names.get(name, name): list(ends) for name, ends in drawn.items()}
        | {"loss": list(interval(losses))},
        "calibration": calibration.judge(outputs, labels, evidence.temperature),
        "selective": calibration.selective(outputs, labels),
    }
    correct = outputs.argmax(axis=1) == labels
    if evidence.leaks is not None:
        leaked = evidence.leaks.leaked
        found["leaks"] = {**evidence.leaks.counts(), "threshold": NEAR}
        found["subsets"] = {
            name: _subset(outputs, labels, rows)
            for name, rows in zip(SUBSETS, (np.ones_like(leaked), ~leaked, leaked), strict=True)
        }
    traits = dict(evidence.proxies)
    if evidence.traits is not None:
        traits |= {name: getattr(evidence.traits, name) for name in QUALITIES if name != "levels"}
    if traits:
        found["subgroups"] = subgroups.compare(correct, traits)
    if evidence.robustness:
        found["robustness"] = dict(evidence.robustness)
    if evidence.protocol:
        found["protocol"] = dict(evidence.protocol)
    return found


def point_scores(errors: np.ndarray, evidence: Evidence) -> dict[str, Any]:
    """Return what is said beside the scores of points.

    Args:
        errors: float (samples,), the NME of each face.
        evidence: what is known beside.

    Returns:
        intervals (nme and failure rates -> [low, high], 95%, bootstrap), subsets (all, clean and leaked: samples, nme),
        leaks and protocol; what is not known is left out.
    """
    values = {"nme": errors, "failure_rate_8": errors > 0.08, "failure_rate_10": errors > 0.10}
    found: dict[str, Any] = {"intervals": {name: list(interval(each)) for name, each in values.items()}}
    if evidence.leaks is not None:
        leaked = evidence.leaks.leaked
        found["leaks"] = {**evidence.leaks.counts(), "threshold": NEAR}
        found["subsets"] = {
            name: {"samples": int(rows.sum()), "nme": float(errors[rows].mean()) if rows.any() else None}
            for name, rows in zip(SUBSETS, (np.ones_like(leaked), ~leaked, leaked), strict=True)
        }
    if evidence.protocol:
        found["protocol"] = dict(evidence.protocol)
    return found


def _subset(outputs: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """Judge some of the samples; None for the scores of none."""
    count = int(rows.sum())
    if not count:
        return {"samples": 0, "accuracy": None, "accuracy_interval": None, "macro_f1": None}
    from sklearn.metrics import f1_score

    predicted = outputs[rows].argmax(axis=1)
    hits = int((predicted == labels[rows]).sum())
    return {
        "samples": count,
        "accuracy": hits / count,
        "accuracy_interval": list(wilson(hits, count)),
        "macro_f1": float(f1_score(labels[rows], predicted, average="macro", zero_division=0)),
    }
