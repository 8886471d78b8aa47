"""The scores of the field, as plain Python numbers that go into JSON."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, recall_score


def classification(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Judge predicted classes.

    Args:
        probabilities: float (samples, classes), each row sums to 1.
        labels: int (samples,), the true classes.
        classes: names in label order.

    Returns:
        samples; accuracy and accuracy_interval ([low, high], 95%, Wilson 1927); balanced_accuracy (mean recall of the
        classes that have samples); macro_f1 (mean F1 of the classes that are true or predicted at least once); loss
        (mean cross-entropy in nats, probabilities clipped at 1e-7); per_class (name -> precision, recall, f1, samples;
        0 where undefined); confusion (counts, a row for each true class). All scores are in [0, 1].

    Raises:
        ValueError: there are no samples, or the shapes do not fit.
    """
    samples = len(labels)
    if not samples or probabilities.shape != (samples, len(classes)):
        raise ValueError(f"probabilities: expected {(samples or '1 or more', len(classes))}, got {probabilities.shape}")
    predicted = probabilities.argmax(axis=1)
    every = np.arange(len(classes))
    per_class = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    confusion = confusion_matrix(labels, predicted, labels=every)
    correct = int(confusion.trace())
    seen = np.unique(labels)
    likelihood = np.clip(probabilities[np.arange(samples), labels].astype(np.float64), 1e-7, 1)
    return {
        "samples": samples,
        "accuracy": correct / samples,
        "accuracy_interval": list(wilson(correct, samples)),
        "balanced_accuracy": float(recall_score(labels, predicted, labels=seen, average="macro", zero_division=0)),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0)),
        "loss": float(-np.log(likelihood).mean()),
        "per_class": {
            name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "samples": int(support)}
            for name, precision, recall, f1, support in zip(classes, *per_class, strict=True)
        },
        "confusion": confusion.tolist(),
    }


def flat(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the scalars of either kind of metrics under one level of names, "f1/happy" for a class, for trackers."""
    scalars = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    for name, scores in [
        *metrics.get("per_class", {}).items(),
        *metrics.get("regions", {}).items(),
        *metrics.get("groups", {}).items(),
    ]:
        scalars |= {f"{score}/{name}": value for score, value in scores.items() if isinstance(value, int | float)}
    for name, scores in metrics.get("subsets", {}).items():
        scalars |= {f"{score}/{name}": value for score, value in scores.items() if isinstance(value, int | float)}
    if "calibration" in metrics:
        scalars |= {"ece": metrics["calibration"]["ece"], "aurc": metrics["selective"]["aurc"]}
    return scalars


def wilson(correct: int, samples: int) -> tuple[float, float]:
    """Return the 95% score interval of a share (Wilson, 1927), which stays sensible near 0, 1 and for few samples."""
    z = NormalDist().inv_cdf(0.975)
    share, weight = correct / samples, 1 + z**2 / samples
    centre = (share + z**2 / (2 * samples)) / weight
    half = z * (share * (1 - share) / samples + z**2 / (4 * samples**2)) ** 0.5 / weight
    return max(0.0, centre - half), min(1.0, centre + half)
