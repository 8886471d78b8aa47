import numpy as np
import pytest

from fer.errors import ConfigError
from fer.evaluation.points import jitter
from fer.smoothing import OneEuro, Smoother

RATE = 25.0


def track(values: np.ndarray, **settings: float) -> np.ndarray:
    smooth = Smoother(OneEuro(**settings))
    return np.stack([smooth(each, frame / RATE) for frame, each in enumerate(values)])


def test_the_first_values_pass_and_a_rest_is_kept():
    still = np.tile(np.array([[3.0, 4.0]]), (10, 1, 1))
    np.testing.assert_array_equal(track(still), still)


def test_noise_at_rest_is_damped_to_a_fraction():
    truth = np.tile(np.random.default_rng(1).uniform(20, 100, (1, 68, 2)), (100, 1, 1))
    noisy = truth + np.random.default_rng(0).normal(0, 0.5, truth.shape)
    assert jitter(track(noisy, speed=0.01), truth) < 0.35 * jitter(noisy, truth)


def test_a_fast_movement_is_followed_with_less_delay_than_by_a_fixed_filter():
    ramp = np.arange(50.0)[:, None] * 8  # pixels a frame
    late = (ramp - track(ramp, speed=0.0))[-1, 0]
    early = (ramp - track(ramp, speed=0.05))[-1, 0]
    assert 0 < early < 0.25 * late


def test_one_step_by_hand():
    smooth = Smoother(OneEuro(cutoff=1.0, speed=0.0, speed_cutoff=1.0))
    smooth(np.array([0.0]), 0.0)
    share = 1 / (1 + 1 / (2 * np.pi * 0.04))
    assert smooth(np.array([1.0]), 0.04)[0] == pytest.approx(share)


def test_another_shape_or_an_older_time_starts_anew():
    smooth = Smoother(OneEuro())
    smooth(np.zeros(2), 0.0)
    assert smooth(np.ones(3), 0.04).tolist() == [1, 1, 1]
    assert smooth(np.full(3, 7.0), 0.04).tolist() == [7, 7, 7]
    smooth.reset()
    assert smooth(np.full(3, 9.0), 0.08).tolist() == [9, 9, 9]


def test_settings_out_of_range():
    with pytest.raises(ConfigError, match=r"^cutoff: expected more than 0, got 0$"):
        OneEuro(cutoff=0)
