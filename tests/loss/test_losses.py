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


def points_loss(name: str, *settings: str):
    return compose("train", f"loss={name}", "dataset.target=points", *settings).loss.build(POINTS)


def off_by(loss, pixels: float) -> float:
    """The loss of one coordinate of four that is off by some pixels, in images of 8 pixels."""
    truth = np.zeros((1, 4), np.float32)
    predicted = np.array([[0, 0, -pixels / 8, 0]], np.float32)
    return 4 * (float(loss(truth, predicted)) - float(loss(truth, truth)))


def test_wing_is_a_logarithm_up_to_its_width_and_then_a_line():
    loss = points_loss("wing", "loss.width=3", "loss.curvature=2")
    assert off_by(loss, 1) == pytest.approx(3 * math.log(1.5), rel=1e-4)
    assert off_by(loss, 3) == pytest.approx(3 * math.log(2.5), rel=1e-4)
    assert off_by(loss, 7) - off_by(loss, 5) == pytest.approx(2, rel=1e-4)


def test_adaptive_wing_is_smooth_where_its_two_parts_meet():
    loss = points_loss("adaptive_wing", "loss.theta=3")
    assert off_by(loss, 1) == pytest.approx(14 * math.log(2), rel=1e-3)
    assert off_by(loss, 2) == pytest.approx(14 * math.log(1 + 2**1.1), rel=1e-3)
    below, above = off_by(loss, 3) - off_by(loss, 2.98), off_by(loss, 3.02) - off_by(loss, 3)
    assert below == pytest.approx(above, rel=0.02)
    assert off_by(loss, 7) - off_by(loss, 5) == pytest.approx(100 * above, rel=0.02)


def test_smooth_l1_is_a_parabola_and_then_a_line():
    loss = points_loss("smooth_l1", "loss.beta=2")
    assert off_by(loss, 1) == pytest.approx(0.25, rel=1e-4)
    assert off_by(loss, 5) == pytest.approx(4, rel=1e-4)


@pytest.mark.parametrize("name", ["wing", "adaptive_wing", "smooth_l1"])
def test_the_slope_at_a_perfect_prediction_is_finite(name):
    import keras

    output = keras.layers.Dense(4, use_bias=False, kernel_initializer="zeros")
    network = keras.Sequential([keras.Input((4,)), output])
    network.compile("sgd", points_loss(name))
    network.fit(np.ones((2, 4)), np.zeros((2, 4)), verbose=0)
    assert np.isfinite(output.kernel.numpy()).all()


def test_values_of_the_losses_of_points_out_of_range():
    for change, text in (
        (("loss=wing", "loss.width=0"), "loss.width: expected more than 0, got 0.0"),
        (("loss=adaptive_wing", "loss.alpha=2"), "loss.alpha: expected more than 2, got 2.0"),
        (("loss=smooth_l1", "loss.beta=-1"), "loss.beta: expected more than 0, got -1.0"),
    ):
        with pytest.raises(ConfigError) as caught:
            compose("train", "dataset.target=points", *change)
        assert str(caught.value) == text
