"""Whether a model serves all alike: scores by traits of the image or the face, which need no protected labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer.evaluation.metrics import wilson

SPLIT = 4
"""Groups of equal size along a number."""

FEWEST = 30
"""Samples without which a group is not judged."""


def compare(correct: np.ndarray, traits: Mapping[str, np.ndarray], *, points: float = 0.0) -> list[dict[str, Any]]:
    """Compare the accuracy of groups of samples along each trait.

    Args:
        correct: bool (samples,), where the model is right.
        traits: name -> a value of each sample: numbers (cut into quarters, NaN left out) or text (a group a value).
        points: smallest gap that is called one, as a share.

    Returns:
        For each trait with two groups or more: "trait", "groups" (of each "name", "samples", "accuracy", "interval"),
        "gap" (the best group less the worst), "p" (that the gap is chance: chi-squared test of all groups, times the
        number of traits that were looked at; Bonferroni), and "found" (p below 0.05 and a gap above `points`).
    """
    cut = {name: _groups(np.asarray(values)) for name, values in traits.items()}
    cut = {name: [(each, rows) for each, rows in groups if rows.sum() >= FEWEST] for name, groups in cut.items()}
    cut = {name: groups for name, groups in cut.items() if len(groups) > 1}
    return [_judge(name, groups, correct, len(cut), points) for name, groups in cut.items()]


def _judge(
    name: str, groups: Sequence[tuple[str, np.ndarray]], correct: np.ndarray, looked: int, points: float
) -> dict[str, Any]:
    from scipy.stats import chi2_contingency

    hits = np.array([int(correct[rows].sum()) for _, rows in groups])
    sizes = np.array([int(rows.sum()) for _, rows in groups])
    accuracy = hits / sizes
    all_alike = hits.sum() in (0, sizes.sum())
    p = 1.0 if all_alike else min(1.0, looked * float(chi2_contingency(np.stack([hits, sizes - hits])).pvalue))
    gap = float(accuracy.max() - accuracy.min())
    return {
        "trait": name,
        "groups": [
            {
                "name": each,
                "samples": int(size),
                "accuracy": float(share),
                "interval": list(wilson(int(hit), int(size))),
            }
            for (each, _), hit, size, share in zip(groups, hits, sizes, accuracy, strict=True)
        ],
        "gap": gap,
        "p": p,
        "found": bool(p < 0.05 and gap > points),
    }


def _groups(values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the samples of each group: named quarters of numbers, or the values of text."""
    if values.dtype.kind not in "fiu":
        return [(str(each), values == each) for each in np.unique(values)]
    known = np.isfinite(values)
    if not known.any():
        return []
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, SPLIT + 1)))
    which = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(0, len(edges) - 2))
    return [(f"{edges[i]:.3g} to {edges[i + 1]:.3g}", known & (which == i)) for i in range(len(edges) - 1)]
