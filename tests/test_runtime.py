import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from fer.config import compose
from fer.errors import ConfigError
from fer.runtime import Runtime

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="the tests run on TensorFlow")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """What a runtime settles is taken back."""
    for name in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "NO_ALBUMENTATIONS_UPDATE", "XLA_PYTHON_CLIENT_PREALLOCATE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    yield
    keras.mixed_precision.set_global_policy("float32")


def runtime(**settings) -> Runtime:
    return replace(compose("train").runtime, **settings)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("backend=torch", "runtime.backend: expected one of tensorflow, jax, got 'torch'"),
        (
            "precision=bfloat16",
            "runtime.precision: expected one of float32, mixed_bfloat16, mixed_float16, got 'bfloat16'; "
            "did you mean 'mixed_bfloat16'?",
        ),
        ("xla=yes", "runtime.xla: expected one of auto, on, off, got 'yes'"),
        ("threads=-1", "runtime.threads: expected 0 or more, got -1"),
    ],
)
def test_an_unknown_setting_is_refused(override, text):
    with pytest.raises(ConfigError) as caught:
        compose("train", f"runtime.{override}")
    assert str(caught.value) == text


@pytest.mark.parametrize("value", ["auto", "on", "off"])
def test_on_and_off_are_words(value):
    assert compose("train", f"runtime.xla={value}").runtime.xla == value


def test_both_runtimes_are_choices():
    assert compose("train").runtime.backend == "tensorflow"
    assert compose("train", "runtime=jax").runtime.backend == "jax"


def test_a_second_backend_in_one_process_is_refused():
    with pytest.raises(ConfigError) as caught:
        runtime(backend="jax").apply(seed=0)
    assert str(caught.value) == (
        "runtime.backend: expected tensorflow, which Keras was loaded with in this process, got jax; "
        "run the two backends in two commands"
    )


def test_the_seed_is_that_of_weights_and_dropout():
    def drawn(seed: int) -> list[np.ndarray]:
        runtime().apply(seed)
        dense = keras.layers.Dense(3)
        dense.build((None, 4))
        dropped = keras.layers.Dropout(0.5)(np.ones((1, 64), np.float32), training=True)
        return [*dense.get_weights(), keras.ops.convert_to_numpy(dropped), np.random.random(4)]  # noqa: NPY002

    first, again, other = drawn(3), drawn(3), drawn(4)
    assert all(map(np.array_equal, first, again))
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True) if one.any())


@pytest.mark.parametrize(
    ("precision", "compute"),
    [("float32", "float32"), ("mixed_bfloat16", "bfloat16"), ("mixed_float16", "float16")],
)
def test_precision_is_that_of_the_layers(precision, compute):
    runtime(precision=precision).apply(seed=0)
    layer = keras.layers.Dense(2)
    assert (layer.compute_dtype, layer.variable_dtype) == (compute, "float32")


def test_a_network_predicts_in_float32_under_mixed_precision():
    runtime(precision="mixed_bfloat16").apply(seed=0)
    run = compose("train", "model.filters=[4]", "model.kernels=[9]", "model.units=[8]")
    network = run.model.build(run.dataset.spec())
    assert network.get_layer("outputs").compute_dtype == "float32"
    [hidden] = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert hidden.compute_dtype == "bfloat16"
    predicted = network(np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8))
    np.testing.assert_allclose(np.array(predicted).sum(axis=1), 1, atol=1e-6)


@pytest.fixture
def _undetermined():
    from tensorflow.python.framework import config

    yield
    config.disable_op_determinism()


@pytest.mark.usefixtures("_undetermined")
def test_deterministic_asks_tensorflow_for_it():
    from tensorflow.python.framework import config

    runtime().apply(seed=0)
    assert not config.is_op_determinism_enabled()
    runtime(deterministic=True).apply(seed=0)
    assert config.is_op_determinism_enabled()


def test_other_threads_are_refused_once_tensorflow_has_started():
    keras.ops.ones(1)
    with pytest.raises(ConfigError) as caught:
        runtime(threads=3).apply(seed=0)
    assert str(caught.value) == (
        "runtime.threads: expected the number that TensorFlow was started with in this process, got 3; "
        "run it as a command of its own"
    )


def test_xla_is_on_for_a_gpu_alone_unless_told(monkeypatch):
    assert runtime(xla="on").jit() is True
    assert runtime(xla="off").jit() is False
    monkeypatch.setattr(Runtime, "_gpus", lambda self: [])
    assert runtime().jit() is False
    monkeypatch.setattr(Runtime, "_gpus", lambda self: ["GPU:0"])
    assert runtime().jit() == "auto"
    assert runtime(backend="jax").jit() == "auto"


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_threads_are_those_of_tensorflow():
    assert python(
        "from fer.config import compose\n"
        "runtime = compose('train', 'runtime.threads=3').runtime\n"
        "runtime.apply(0)\n"
        "import keras, tensorflow as tf\n"
        "keras.ops.ones(1)\n"
        "runtime.apply(1)\n"  # the next run of a sweep
        "threading = tf.config.threading\n"
        "print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())"
    ) == "3 3"  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is not None, reason="JAX is installed")
def test_a_backend_that_is_not_installed_is_named():
    text = python(
        "from fer.config import compose\n"
        "from fer.errors import ConfigError\n"
        "try: compose('train', 'runtime=jax').runtime.apply(0)\n"
        "except ConfigError as error: print(error)"
    )
    assert text.startswith("runtime.backend=jax: the package jax is not installed; ")
