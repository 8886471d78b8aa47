"""How far a score can be believed: bootstrap intervals, and tests of whether two models differ on the same samples.

Arrays in, numbers out. Resampling n samples of a few distinct values is drawing the counts of those values from one
multinomial distribution, so that 10,000 resamples of a confusion matrix cost milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
FEW = 512
"""Up to so many distinct values their counts are drawn, beyond it the samples themselves."""

AT_ONCE = 4_000_000
"""How many drawn samples are held at a time: 32 MB of indices."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference of a score between two models, a - b, on the same samples.

    Attributes:
        value: the difference itself.
        low: the lower end of its 95% interval, and `high` the upper.
        p: the two-sided probability of a difference at least as large if there were none.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def different(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high


class McNemar(NamedTuple):
    """The exact test of McNemar (1947) on the samples that only one of two models has right."""

    only_a: int
    only_b: int
    p: float


class Spread(NamedTuple):
    """A score over several seeds: its mean and its standard deviation (n - 1; NaN for one seed)."""

    mean: float
    deviation: float
    seeds: int


def interval(values: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Return the 95% percentile interval (Efron 1979) of the mean of a value of each sample, such as its loss or NME.

    Args:
        values: float or bool (samples,).
        resamples: how many; 10,000 of 3,589 samples take less than half a second.
        seed: of the resampling.

    Raises:
        ValueError: there are no values, or some are not finite.
    """
    return percentiles(means(values, resamples=resamples, seed=seed))


def paired_bootstrap(differences: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """Judge the mean difference of two models' scores of each sample (Efron & Tibshirani 1993, chapter 16).

    Args:
        differences: float (samples,), score of a minus score of b: of hits -1, 0 or 1, of losses or NME anything.
        resamples: how many.
        seed: of the resampling.

    Raises:
        ValueError: there are no differences, or some are not finite.
    """
    return _difference(float(np.mean(differences)), means(differences, resamples=resamples, seed=seed))


def paired_scores(
    labels: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    *,
    classes: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """Judge the differences of accuracy, balanced accuracy and macro F1 between two models on the same samples.

    Args:
        labels: int (samples,), the true classes.
        a: int (samples,), the classes that the first model predicts.
        b: the same for the second.
        classes: how many classes there are.
        resamples: how many.
        seed: of the resampling.

    Raises:
        ValueError: there are no samples, or the shapes differ.
    """
    if not len(labels) or not labels.shape == a.shape == b.shape:
        raise ValueError(f"predictions: expected one of each of the samples, got {len(labels)}, {len(a)}, {len(b)}")
    whole = np.bincount((labels * classes + a) * classes + b, minlength=classes**3)
    tables = np.concatenate([whole[None], _recount(whole, resamples, seed)]).reshape(-1, classes, classes, classes)
    scores_a, scores_b = class_scores(tables.sum(axis=3)), class_scores(tables.sum(axis=2))
    found = {}
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        differences = scores_a[name] - scores_b[name]
        found[name] = _difference(float(differences[0]), differences[1:])
    return found


def mcnemar(a_correct: np.ndarray, b_correct: np.ndarray) -> McNemar:
    """Test whether two classifiers err equally often on the same samples, exactly (binomial, two-sided).

    Args:
        a_correct: bool (samples,), where the first model is right.
        b_correct: the same for the second.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(a_correct, bool), np.asarray(b_correct, bool)
    if a.shape != b.shape:
        raise ValueError(f"b_correct: expected the {len(a)} samples of a_correct, got {len(b)}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    discordant = only_a + only_b
    tail = term = 1  # binomial coefficients as whole numbers: exact for any count
    for hits in range(min(only_a, only_b)):
        term = term * (discordant - hits) // (hits + 1)
        tail += term
    return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**discordant))


def score_intervals(
    confusion: np.ndarray | Sequence[Sequence[int]], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95% percentile interval of every score of a confusion matrix (see `class_scores`)."""
    table = np.asarray(confusion)
    drawn = class_scores(_recount(table.ravel(), resamples, seed).reshape(-1, *table.shape))
    return {name: percentiles(values) for name, values in drawn.items()}


def class_scores(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of confusion matrices.

    Args:
        tables: int (..., classes, classes), a row for each true class.

    Returns:
        accuracy, balanced_accuracy and macro_f1 as `metrics.classification` defines them, and "recall/<label>" and
        "f1/<label>" of each class: float64 (...), NaN where undefined.
    """
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    true, predicted = tables.sum(axis=-1), tables.sum(axis=-2)
    recall, f1 = _share(hits, true), _share(2 * hits, true + predicted)
    with np.errstate(invalid="ignore"):
        scores = {
            "accuracy": _share(hits.sum(axis=-1), true.sum(axis=-1)),
            "balanced_accuracy": np.nansum(recall, axis=-1) / np.isfinite(recall).sum(axis=-1),
            "macro_f1": np.nansum(f1, axis=-1) / np.isfinite(f1).sum(axis=-1),
        }
    for label in range(tables.shape[-1]):
        scores |= {f"recall/{label}": recall[..., label], f"f1/{label}": f1[..., label]}
    return scores


def spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of one score over several seeds."""
    seeds = len(values)
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if seeds > 1 else float("nan"), seeds)


def spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of every score that all runs have (see fer.evaluation.metrics.flat)."""
    return {name: spread([run[name] for run in runs]) for name in runs[0] if all(name in run for run in runs)}


def means(values: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return the means of resamples of some values, drawn with replacement: float64 (resamples,).

    Raises:
        ValueError: there are no values, or some are not finite.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values: expected 1 or more finite numbers in one row, got shape {values.shape}")
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= FEW:
        return _recount(counts, resamples, seed) @ distinct / len(values)
    random = np.random.default_rng(seed)
    step = max(1, AT_ONCE // len(values))
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    drawn = (values[random.integers(len(values), size=(size, len(values)), dtype=np.int32)] for size in sizes)
    return np.concatenate([each.mean(axis=1) for each in drawn])


def percentiles(resampled: np.ndarray) -> tuple[float, float]:
    """Return the middle 95% of resampled values, NaN left out; 0 and 0 where all are NaN, as a score is then."""
    low, high = (
        np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if np.isfinite(resampled).any() else (0, 0)
    )
    return float(low), float(high)


def _recount(counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Draw the counts of distinct values in resamples: int64 (resamples, values)."""
    total, seen = int(counts.sum()), np.flatnonzero(counts)
    drawn = np.zeros((resamples, len(counts)), np.int64)
    drawn[:, seen] = np.random.default_rng(seed).multinomial(total, counts[seen] / total, size=resamples)
    return drawn


def _difference(value: float, drawn: np.ndarray) -> Difference:
    low, high = percentiles(drawn)
    extreme = int((np.abs(drawn - drawn.mean()) >= abs(value) - 1e-12).sum())
    return Difference(value=value, low=low, high=high, p=(1 + extreme) / (1 + len(drawn)))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
