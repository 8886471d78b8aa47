import json

import numpy as np
import pytest

from fer.evaluation import metrics, points
from fer.ibug68 import REGIONS


def face(samples: int = 1) -> np.ndarray:
    """Points 4 pixels apart on a line, but for the box, 272 by 17: the outer eye corners are 36 pixels apart."""
    x = 4 * np.arange(68, dtype=np.float32)
    y = np.zeros_like(x)
    x[67], y[67] = 272, 17
    return np.tile(np.stack([x, y], axis=1), (samples, 1, 1))


def moved(*shares: float) -> tuple[np.ndarray, np.ndarray]:
    """Faces whose every point is off by these shares of the inter-ocular distance."""
    truth = face(len(shares))
    predicted = truth.copy()
    predicted[:, :, 1] += 36 * np.array(shares)[:, None]
    return predicted, truth


def test_every_normaliser_divides_by_its_own_length():
    predicted = face() + np.array([3, 4], np.float32)  # every point 5 pixels off
    assert points.nme(predicted, face()) == pytest.approx([5 / 36])
    assert points.nme(predicted, face(), "inter_pupil") == pytest.approx([5 / 24])  # centres of six points each
    assert points.nme(predicted, face(), "box") == pytest.approx([5 / 68])


def test_scores():
    scores = points.landmarks(*moved(0, 0.07, 0.09, 0.11))
    assert scores["samples"] == 4
    assert scores["nme"] == pytest.approx(0.27 / 4)
    assert (scores["failure_rate_8"], scores["failure_rate_10"]) == (0.5, 0.25)
    assert scores["auc_8"] == pytest.approx((1 + 0.125 + 0 + 0) / 4)
    assert scores["auc_10"] == pytest.approx((1 + 0.3 + 0.1 + 0) / 4)
    assert scores["rmse"] == pytest.approx(36 * np.sqrt((0.07**2 + 0.09**2 + 0.11**2) / 4))
    assert [scores["ced"][step] for step in (0, 69, 71, 89, 91, 100)] == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    assert set(scores["by"]) == {"inter_pupil", "box"}
    assert scores["by"]["inter_pupil"]["nme"] == pytest.approx(1.5 * scores["nme"])


def test_a_region_has_its_own_scores():
    predicted = face(2)
    predicted[:, REGIONS["mouth"], 0] += 36 * 0.09
    regions = points.landmarks(predicted, face(2))["regions"]
    assert list(regions) == ["jaw", "brows", "nose", "eyes", "mouth"]
    assert [regions[name]["nme"] for name in REGIONS] == pytest.approx([0, 0, 0, 0, 0.09], abs=1e-6)
    assert (regions["mouth"]["failure_rate_8"], regions["jaw"]["failure_rate_8"]) == (1, 0)
    assert regions["mouth"]["nme_interval"] == pytest.approx([0.09, 0.09], abs=1e-6)


def test_the_area_under_the_ced_is_that_of_its_curve():
    errors = np.random.default_rng(0).gamma(4, 0.012, 300)
    limits = np.linspace(0, 0.08, 20_001)
    area = np.trapezoid(points.distribution(errors, limits), limits) / 0.08
    assert points.summary({"all": errors})["all"]["auc_8"] == pytest.approx(area, abs=1e-4)


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        low, high = points.summary({"all": random.gamma(4, 0.012, 120)})["all"]["nme_interval"]
        hits += low <= 0.048 <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_jitter_is_what_the_error_moves():
    truth = np.cumsum(np.random.default_rng(0).normal(0, 3, (10, 1, 2)), axis=0) + face(10)
    assert points.jitter(truth + 5, truth) == pytest.approx(0, abs=1e-6)
    trembling = truth + np.where(np.arange(10) % 2, 0.9, -0.9)[:, None, None] * (1, 0)
    assert points.jitter(trembling, truth) == pytest.approx(1.8 / 36)
    with pytest.raises(ValueError, match=r"^predicted: expected two frames or more, got 1$"):
        points.jitter(face(), face())


def test_rmse_weighs_large_errors():
    predicted = face()
    predicted[0, 0, 0] += 68**0.5
    assert points.landmarks(predicted, face())["rmse"] == pytest.approx(1)


def test_other_number_of_points():
    five = face()[:, :5]
    with pytest.raises(ValueError, match=r"^predicted: expected the 68 iBUG 300-W points as \(1, 68, 2\), got \(1, 5"):
        points.landmarks(five, five)


def test_a_face_without_a_size():
    truth = face(2)
    truth[1, 45] = truth[1, 36]
    with pytest.raises(ValueError, match=r"^truth: the outer eye corners \(36, 45\) of face 1 coincide$"):
        points.landmarks(truth, truth)
    line = face(2)
    line[1, :, 1] = 0
    with pytest.raises(ValueError, match=r"^truth: all points of face 1 have no height or no width$"):
        points.nme(line, line, "box")


def test_scores_go_into_json_and_their_scalars_to_trackers():
    scores = points.landmarks(*moved(0.01, 0.2))
    assert json.loads(json.dumps(scores)) == scores
    flat = metrics.flat(scores)
    assert flat["nme"] == scores["nme"]
    assert flat["auc_8/jaw"] == scores["regions"]["jaw"]["auc_8"]
    assert all(isinstance(value, int | float) for value in flat.values())
