"""Whether a model's confidence can be believed: calibration error, temperature scaling and selective prediction."""

from typing import Any

import numpy as np

from fer.evaluation.bootstrap import percentiles

BINS = 15
"""Of equal width, as in Guo et al. (2017)."""

RESAMPLES = 2000
"""For the interval of the calibration error, which needs the samples themselves."""

COVERAGES = (0.5, 0.8, 0.9, 1.0)
"""Shares of the samples, the most confident first, whose accuracy is told."""


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """Return the bins of a reliability diagram that hold samples.

    Args:
        probabilities: float (samples, classes).
        labels: int (samples,).

    Returns:
        For each: "confidence" (mean), "accuracy" and "share" of all samples.
    """
    confidence, hits = _confidence(probabilities, labels)
    bins = _bins(confidence)
    counts = np.bincount(bins, minlength=BINS)
    means = [np.bincount(bins, weights=each, minlength=BINS) / np.maximum(counts, 1) for each in (confidence, hits)]
    return [
        {"confidence": float(means[0][i]), "accuracy": float(means[1][i]), "share": float(counts[i] / len(labels))}
        for i in np.flatnonzero(counts)
    ]


def ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error (Guo et al. 2017): mean gap of confidence and accuracy over 15 bins."""
    return sum(
        each["share"] * abs(each["accuracy"] - each["confidence"]) for each in reliability(probabilities, labels)
    )


def ece_interval(probabilities: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the expected calibration error, which chance alone raises above 0."""
    confidence, hits = _confidence(probabilities, labels)
    bins, gaps, random = _bins(confidence), confidence - hits, np.random.default_rng(seed)
    drawn = np.empty(RESAMPLES)
    for resample in range(RESAMPLES):
        rows = random.integers(len(gaps), size=len(gaps), dtype=np.int32)
        drawn[resample] = np.abs(np.bincount(bins[rows], weights=gaps[rows], minlength=BINS)).sum() / len(gaps)
    return percentiles(drawn)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes the cross-entropy smallest, 0.05 to 20 (Guo et al. 2017).

    Args:
        probabilities: float (samples, classes), of the validation split and never of the test split.
        labels: int (samples,).
    """
    from scipy.optimize import minimize_scalar

    logs = np.log(np.clip(probabilities, 1e-12, 1))

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        top = scaled.max(axis=1)
        return float(
            (np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - scaled[np.arange(len(labels)), labels]).mean()
        )

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities with their logits divided by a temperature; the order of the classes stays."""
    logs = np.log(np.clip(probabilities, 1e-12, 1)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def judge(probabilities: np.ndarray, labels: np.ndarray, temperature: float | None) -> dict[str, Any]:
    """Return what a report says of the calibration.

    Args:
        probabilities: float (samples, classes).
        labels: int (samples,).
        temperature: fitted on the validation split; None where there was none.

    Returns:
        ece, ece_interval, bins (see `reliability`), temperature, and with one "scaled": ece, loss and bins after it.
    """
    found: dict[str, Any] = {
        "ece": ece(probabilities, labels),
        "ece_interval": list(ece_interval(probabilities, labels)),
        "bins": reliability(probabilities, labels),
        "temperature": temperature,
    }
    if temperature is not None:
        after = scale(probabilities, temperature)
        found["scaled"] = {
            "ece": ece(after, labels),
            "loss": float(-np.log(np.clip(after[np.arange(len(labels)), labels], 1e-7, 1)).mean()),
            "bins": reliability(after, labels),
        }
    return found


def selective(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Judge a model that may leave out what it is least sure of (El-Yaniv & Wiener 2010).

    Returns:
        aurc (area under risk against coverage, lower is better; Geifman & El-Yaniv 2017), accuracy (of the most
        confident 50, 80, 90 and 100%, by share), and curve: [coverage, risk] at up to 100 points.
    """
    confidence, hits = _confidence(probabilities, labels)
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    risk = np.cumsum(1 - hits[order]) / count
    shown = np.unique(np.linspace(0, len(order) - 1, 100).round().astype(int))
    return {
        "aurc": float(risk.mean()),
        "accuracy": {f"{share:g}": float(1 - risk[max(1, round(share * len(order))) - 1]) for share in COVERAGES},
        "curve": [[float(count[i] / len(order)), float(risk[i])] for i in shown],
    }


def _confidence(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return probabilities.max(axis=1), (probabilities.argmax(axis=1) == labels).astype(np.float64)


def _bins(confidence: np.ndarray) -> np.ndarray:
    return np.minimum((confidence * BINS).astype(int), BINS - 1)
