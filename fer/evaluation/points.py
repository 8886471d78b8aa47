"""The scores of facial points, as the literature of 300-W prints them.

Every score is a mean over faces of a value of each face, so one bootstrap of a table serves them all.
"""

from typing import Any

import numpy as np

from fer.ibug68 import LEFT_EYE, OUTER_EYE_CORNERS, POINTS, REGIONS, RIGHT_EYE

NORMALISERS = ("inter_ocular", "inter_pupil", "box")
THRESHOLDS = {"8": 0.08, "10": 0.10}
"""A face with an NME above one of them is a failure; the CED is integrated up to it."""

RESAMPLES = 2000
AT_ONCE = 1_000_000
CED_VALUES = 101
"""Values of the CED that go into the metrics, from an NME of 0 to one of 10%."""


def nme(predicted: np.ndarray, truth: np.ndarray, normaliser: str = "inter_ocular") -> np.ndarray:
    """Return the normalised mean error of each face, as a fraction: float64 (faces,).

    It is the mean distance between predicted and true point, divided by a length of the true face: the distance of the
    outer eye corners ("inter_ocular"; Sagonas et al. 2013), that of the centres of the eyes ("inter_pupil"), or the
    square root of the area of the points' own box ("box"; Bulat & Tzimiropoulos 2017).

    Args:
        predicted: float (faces, 68, 2), pixels (x, y).
        truth: the same for the true points.
        normaliser: one of NORMALISERS.

    Raises:
        ValueError: there are no faces, the shapes do not fit, or a face has no size.
    """
    return (_distances(predicted, truth) / _lengths(truth, normaliser)[:, None]).mean(axis=1)


def region_nme(predicted: np.ndarray, truth: np.ndarray, region: slice) -> np.ndarray:
    """Return the mean error of some of the points of each face by inter-ocular distance (see `nme`)."""
    return _distances(predicted, truth)[:, region].mean(axis=1) / _lengths(truth, "inter_ocular")


def landmarks(predicted: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Judge predicted facial points.

    Args:
        predicted: float (faces, 68, 2), pixels (x, y).
        truth: the same for the true points.

    Returns:
        samples; the scores of `summary` by inter-ocular distance; rmse (root of the mean squared distance between
        predicted and true point, in pixels); by (normaliser -> summary, for inter-pupil distance and box); regions
        (jaw, brows, nose, eyes, mouth -> summary by inter-ocular distance); ced (the share of the faces with an NME up
        to 0, 0.1%, 0.2% ... 10%).

    Raises:
        ValueError: see `nme`.
    """
    errors = {name: nme(predicted, truth, name) for name in NORMALISERS}
    errors |= {region: region_nme(predicted, truth, points) for region, points in REGIONS.items()}
    scores = summary(errors)
    return {
        "samples": len(truth),
        **scores["inter_ocular"],
        "rmse": float(np.sqrt(np.square(_distances(predicted, truth)).mean())),
        "by": {name: scores[name] for name in NORMALISERS[1:]},
        "regions": {region: scores[region] for region in REGIONS},
        "ced": distribution(errors["inter_ocular"], np.linspace(0, 0.1, CED_VALUES)).tolist(),
    }


def summary(errors: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Return for each kind of error its mean, its failure rates and the area under its CED, with 95% intervals.

    Args:
        errors: name -> NME of each face, float (faces,), the same faces for all.

    Returns:
        name -> nme, failure_rate_8 and failure_rate_10 (share of the faces with an NME above 8% and 10%), auc_8 and
        auc_10 (area under the CED up to it, 1 for no errors at all), and <score>_interval for each: [low, high], the
        bootstrap's percentiles over faces (Efron 1979).
    """
    values = {f"{name} nme": each for name, each in errors.items()}
    for percent, limit in THRESHOLDS.items():
        values |= {f"{name} failure_rate_{percent}": each > limit for name, each in errors.items()}
        values |= {f"{name} auc_{percent}": np.maximum(0, 1 - each / limit) for name, each in errors.items()}
    table = np.stack(list(values.values()), axis=1).astype(np.float64)
    found: dict[str, dict[str, Any]] = {name: {} for name in errors}
    for key, mean, interval in zip(values, table.mean(axis=0), _intervals(table).T, strict=True):
        name, score = key.rsplit(" ", 1)
        found[name] |= {score: float(mean), f"{score}_interval": interval.tolist()}
    return found


def distribution(errors: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the cumulative error distribution: the share of the faces with an NME up to each limit, (limits,)."""
    return np.searchsorted(np.sort(errors), limits, side="right") / len(errors)


def jitter(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return how much predicted points tremble over the frames of a video, as a share of the inter-ocular distance.

    It is the mean distance that a point's error moves from one frame to the next: 0 for predictions that are wrong by
    the same amount in every frame.

    Args:
        predicted: float (frames, 68, 2), pixels (x, y), two frames or more.
        truth: the same for the true points; for a still face, one frame repeated.

    Raises:
        ValueError: there are fewer than two frames, or see `nme`.
    """
    if len(predicted) < 2:
        raise ValueError(f"predicted: expected two frames or more, got {len(predicted)}")
    moved = np.diff(np.subtract(predicted, truth, dtype=np.float64), axis=0)
    return float((np.linalg.norm(moved, axis=-1) / _lengths(truth, "inter_ocular")[1:, None]).mean())


def _distances(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the distance between predicted and true points, float64 (faces, 68)."""
    expected = (len(truth) or "1 or more", POINTS, 2)
    for name, points in (("predicted", predicted), ("truth", truth)):
        if points.shape != expected:
            raise ValueError(f"{name}: expected the {POINTS} iBUG 300-W points as {expected}, got {points.shape}")
    return np.linalg.norm(np.subtract(predicted, truth, dtype=np.float64), axis=-1)


def _lengths(truth: np.ndarray, normaliser: str) -> np.ndarray:
    """Return what the errors of each face are divided by, in pixels: float64 (faces,)."""
    truth = truth.astype(np.float64)
    if normaliser == "box":
        lengths, what = np.sqrt(np.ptp(truth, axis=1).prod(axis=-1)), "all points of face {} have no height or no width"
    elif normaliser == "inter_pupil":
        centres = (truth[:, eye].mean(axis=1) for eye in (RIGHT_EYE, LEFT_EYE))
        lengths, what = np.linalg.norm(np.subtract(*centres), axis=-1), "the centres of the eyes of face {} coincide"
    else:
        corners = (truth[:, corner] for corner in OUTER_EYE_CORNERS)
        lengths, what = (
            np.linalg.norm(np.subtract(*corners), axis=-1),
            f"the outer eye corners {OUTER_EYE_CORNERS} of face {{}} coincide",
        )
    if not lengths.all():
        raise ValueError(f"truth: {what.format(int(lengths.argmin()))}")
    return lengths


def _intervals(table: np.ndarray) -> np.ndarray:
    """Return the 95% bootstrap interval of the mean of each column of (faces, values): float64 (2, values)."""
    faces, random = len(table), np.random.default_rng(0)
    step = max(1, AT_ONCE // faces)
    drawn = []
    for start in range(0, RESAMPLES, step):
        counts = random.multinomial(faces, np.full(faces, 1 / faces), size=min(step, RESAMPLES - start))
        drawn.append(counts @ table / faces)
    return np.quantile(np.concatenate(drawn), [0.025, 0.975], axis=0)
