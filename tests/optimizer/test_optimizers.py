import keras
import numpy as np
import pytest

from fer.config import compose
from fer.errors import ConfigError


def build(*overrides: str, rate: float = 0.1) -> keras.optimizers.Optimizer:
    return compose("train", *overrides).optimizer.build(rate)


@pytest.mark.parametrize(
    ("choice", "kind", "settings"),
    [
        ("adam", keras.optimizers.Adam, {"beta_1": 0.8, "beta_2": 0.95}),
        ("adamw", keras.optimizers.AdamW, {"beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.03}),
        ("sgd", keras.optimizers.SGD, {"momentum": 0.7, "nesterov": False, "weight_decay": 0.03}),
    ],
)
def test_an_optimizer_carries_its_settings(choice, kind, settings):
    overrides = [f"optimizer.{key}={value}" for key, value in settings.items()]
    optimizer = build(f"optimizer={choice}", "optimizer.clip_norm=2.5", *overrides, rate=0.125)
    assert type(optimizer) is kind
    assert {key: getattr(optimizer, key) for key in settings} == settings
    assert optimizer.global_clipnorm == 2.5
    assert float(optimizer.learning_rate) == 0.125


@pytest.mark.parametrize("choice", ["adam", "adamw", "sgd"])
def test_a_limit_of_0_is_none(choice):
    optimizer = build(f"optimizer={choice}")
    assert (optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue) == (None, None, None)


def test_sgd_without_decay_has_none():
    assert build("optimizer=sgd", "optimizer.weight_decay=0").weight_decay is None


def test_the_limit_is_on_all_gradients_together():
    weights = [keras.Variable(np.zeros(1, np.float32)) for _ in range(2)]
    optimizer = build(
        "optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0",
        "optimizer.clip_norm=1", rate=1.0,
    )  # fmt: skip
    optimizer.apply([keras.ops.array([3.0]), keras.ops.array([4.0])], weights)
    np.testing.assert_allclose([float(weight[0]) for weight in weights], [-0.6, -0.8], rtol=1e-6)


def test_a_schedule_is_followed_step_by_step():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.5])
    optimizer = compose("train", "optimizer=sgd", "optimizer.momentum=0", "optimizer.weight_decay=0").optimizer.build(
        schedule
    )
    weight = keras.Variable(np.zeros(1, np.float32))
    seen = []
    for _ in range(3):
        optimizer.apply([keras.ops.array([1.0])], [weight])
        seen.append(float(weight[0]))
    assert seen == [-1.0, -2.0, -2.5]


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["optimizer.learning_rate=0"], "optimizer.learning_rate: expected more than 0, got 0.0"),
        (["optimizer.beta_1=1"], "optimizer.beta_1: expected a value from 0 to 0.9999999, got 1.0"),
        (
            ["optimizer=sgd", "optimizer.momentum=-1"],
            "optimizer.momentum: expected a value from 0 to 0.9999999, got -1.0",
        ),
        (["optimizer=adamw", "optimizer.weight_decay=-1"], "optimizer.weight_decay: expected 0 or more, got -1.0"),
        (["optimizer.clip_norm=-1"], "optimizer.clip_norm: expected 0 or more, got -1.0"),
        (["optimizer.final_rate=2"], "optimizer.final_rate: expected a value from 0 to 1, got 2.0"),
        (["optimizer.plateau_patience=0"], "optimizer.plateau_patience: expected 1 or more, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(overrides, text):
    with pytest.raises(ConfigError) as caught:
        compose("train", *overrides)
    assert str(caught.value) == text
