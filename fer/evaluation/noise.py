"""Labels that are probably wrong, by confident learning (Northcutt et al. 2021, arXiv:1911.00068)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer.base import Samples
from fer.errors import ConfigError, DataError
from fer.evaluation.evidence import labels_of


@dataclass(frozen=True, kw_only=True)
class OutOfSample:
    """What networks say of samples that they did not train on; the mean where several do.

    Attributes:
        rows: int64 (n,), rows of the store.
        labels: int (n,), as given.
        probabilities: float (n, classes).
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


def gather(parts: Sequence[tuple[Samples, np.ndarray]]) -> OutOfSample:
    """Join the predictions of several runs for samples of one dataset.

    Args:
        parts: (samples, probabilities) of each run.
    """
    rows = np.concatenate([samples.rows for samples, _ in parts])
    labels = np.concatenate([labels_of(samples) for samples, _ in parts])
    outputs = np.concatenate([probabilities for _, probabilities in parts]).astype(np.float64)
    unique, first, which, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(unique), outputs.shape[1]))
    np.add.at(sums, which, outputs)
    return OutOfSample(rows=unique, labels=labels[first], probabilities=sums / counts[:, None])


def suspects(found: OutOfSample, classes: Sequence[str]) -> np.ndarray:
    """Return the places of labels that are probably wrong, the least believed first: int64 (suspects,).

    Raises:
        ConfigError: cleanlab is not installed.
        DataError: a class has no samples.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ModuleNotFoundError as error:
        raise ConfigError("noise: cleanlab is not installed; `uv sync --extra noise` installs it") from error
    counts = np.bincount(found.labels, minlength=len(classes))
    if not counts.all():
        raise DataError(f"noise: class {classes[int(counts.argmin())]} has no samples among the predictions; add folds")
    return np.asarray(
        find_label_issues(found.labels, found.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    )


def describe(
    found: OutOfSample, which: np.ndarray, names: Sequence[str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what is told of some samples: row, name, given, suggested, and the probability of either."""
    return [
        {
            "row": int(found.rows[i]),
            "name": names[int(found.rows[i])],
            "given": classes[found.labels[i]],
            "suggested": classes[int(found.probabilities[i].argmax())],
            "p_given": float(found.probabilities[i, found.labels[i]]),
            "p_suggested": float(found.probabilities[i].max()),
        }
        for i in which
    ]


def count(labels: np.ndarray, which: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Count the suspects, of all and of each class.

    Args:
        labels: int (n,), as given.
        which: the suspects, as any NumPy index.
        classes: names in label order.
    """
    counts = np.bincount(labels[which], minlength=len(classes))
    totals = np.bincount(labels, minlength=len(classes))
    return {
        "samples": len(labels),
        "suspects": int(counts.sum()),
        "classes": {
            name: {"samples": int(total), "suspects": int(count)}
            for name, total, count in zip(classes, totals, counts, strict=True)
        },
    }
