from functools import cache

import keras
import numpy as np
import pytest

from fer.config import compose
from fer.nn.schedules import learning_rate


@cache
def recipe(*overrides: str):
    return compose("train", "optimizer.learning_rate=0.1", *(f"optimizer.{each}" for each in overrides)).optimizer


def rate(*overrides: str, factor: float = 1.0, steps: int = 10, epochs: int = 4):
    return learning_rate(recipe(*overrides), factor=factor, steps_per_epoch=steps, epochs=epochs)


def at(schedule, *steps: int) -> np.ndarray:
    return np.array([float(keras.ops.convert_to_numpy(schedule(step))) for step in steps])


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_constant_and_plateau_are_plain_numbers_which_can_be_lowered(schedule):
    peak = rate(f"schedule={schedule}", factor=0.5)
    assert isinstance(peak, float)
    assert peak == pytest.approx(0.05)


def test_a_cosine_falls_from_the_rate_to_its_final_share():
    schedule = rate("schedule=cosine", "final_rate=0.2")
    # 0.1 * (0.2 + 0.8 * (1 + cos(pi * step / 40)) / 2)
    np.testing.assert_allclose(at(schedule, 0, 10, 20, 30, 40), [0.1, 0.0882843, 0.06, 0.0317157, 0.02], rtol=1e-5)
    np.testing.assert_allclose(at(schedule, 1000), [0.02], rtol=1e-5)


def test_a_warm_up_rises_in_a_line_and_the_cosine_spans_the_rest():
    schedule = rate("schedule=cosine", "final_rate=0", "warmup_epochs=0.8")
    np.testing.assert_allclose(at(schedule, 0, 2, 4, 8), [0, 0.025, 0.05, 0.1], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(at(schedule, 16, 24, 40), [0.0853553, 0.05, 0], rtol=1e-5, atol=1e-7)


def test_a_constant_rate_stays_at_the_top_after_its_warm_up():
    schedule = rate("schedule=constant", "warmup_epochs=1", "final_rate=0")
    np.testing.assert_allclose(at(schedule, 0, 5, 10, 25, 40), [0, 0.05, 0.1, 0.1, 0.1], rtol=1e-5, atol=1e-9)


def test_the_factor_of_a_stage_scales_all_of_it():
    whole = rate("schedule=cosine", "final_rate=0.1", "warmup_epochs=1")
    tenth = rate("schedule=cosine", "final_rate=0.1", "warmup_epochs=1", factor=0.1)
    steps = (1, 10, 17, 40)
    np.testing.assert_allclose(at(tenth, *steps), 0.1 * at(whole, *steps), rtol=1e-5)


def test_a_warm_up_longer_than_the_stage_ends_with_it():
    schedule = rate("schedule=cosine", "warmup_epochs=9")
    np.testing.assert_allclose(at(schedule, 13, 39), [0.1 / 3, 0.1], rtol=1e-5)
    assert isinstance(rate("schedule=constant", "warmup_epochs=9", steps=1, epochs=1), float), "one step warms nothing"
