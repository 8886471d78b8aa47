import math

import numpy as np
import pytest

from fer.base import DataSpec
from fer.config import compose
from fer.errors import ConfigError

CLASSES = DataSpec(name="test", kind="image", shape=(8, 8, 1), classes=("a", "b", "c", "d"))
POINTS = DataSpec(name="test", kind="image", shape=(8, 8, 1), points=2, mirror=(1, 0))
PREDICTED = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.4, 0.1]], np.float32)
TRUTH = np.eye(4, dtype=np.float32)[[0, 2]]


def cross_entropy(smoothing: float):
    return compose("train", f"loss.label_smoothing={smoothing}").loss.build(CLASSES)


def test_cross_entropy_is_the_mean_of_minus_log_of_the_true_class():
    assert float(cross_entropy(0.0)(TRUTH, PREDICTED)) == pytest.approx(-(math.log(0.7) + math.log(0.4)) / 2, rel=1e-5)


def test_label_smoothing_spreads_its_share_over_all_classes():
    # 0.2 over 4 classes: 0.85 for the true one, 0.05 for each other one
    first = -(0.85 * math.log(0.7) + 3 * 0.05 * math.log(0.1))
    second = -(0.85 * math.log(0.4) + 0.05 * (2 * math.log(0.25) + math.log(0.1)))
    assert float(cross_entropy(0.2)(TRUTH, PREDICTED)) == pytest.approx((first + second) / 2, rel=1e-5)


def test_cross_entropy_weighs_samples():
    weights = np.array([3.0, 0.0], np.float32)
    weighted = float(cross_entropy(0.0)(TRUTH, PREDICTED, sample_weight=weights))
    assert weighted == pytest.approx(-3 * math.log(0.7) / 2, rel=1e-5)


def test_cross_entropy_survives_a_probability_of_zero():
    assert 10 < float(cross_entropy(0.0)(TRUTH[:1], np.array([[0, 1, 0, 0]], np.float32))) < 20


def test_mse_is_the_mean_of_squares():
    loss = compose("train", "loss=mse", "dataset.target=points").loss.build(POINTS)
    truth = np.array([[0.0, 0.1, -0.5, 0.5]], np.float32)
    predicted = np.array([[0.3, 0.1, -0.1, 0.5]], np.float32)
    assert float(loss(truth, predicted)) == pytest.approx((0.09 + 0.16) / 4, rel=1e-5)


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(value):
    with pytest.raises(ConfigError) as caught:
        cross_entropy(value)
    assert str(caught.value) == f"loss.label_smoothing: expected a value from 0 to 0.99, got {value}"


def test_focal_loss_by_hand():
    loss = compose("train", "loss=focal", "loss.gamma=2").loss.build(CLASSES)
    truth, predicted = TRUTH[:1], np.array([[0.9, 0.05, 0.03, 0.02]])
    assert float(loss(truth, predicted)) == pytest.approx(-(0.1**2) * np.log(0.9), rel=1e-4)
    plain = compose("train", "loss=focal", "loss.gamma=0").loss.build(CLASSES)
    assert float(plain(truth, predicted)) == pytest.approx(-np.log(0.9), rel=1e-4)
