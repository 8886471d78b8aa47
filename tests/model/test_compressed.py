import keras
import numpy as np
import pytest

from fer.config import compose
from fer.errors import ConfigError
from fer.nn.weights import load_network

SYNTHETIC = ("dataset=synthetic", "dataset.size=24", "dataset.colour=true", "dataset.train=64", "dataset.test=32")


def recipe(run, *changes: str):
    return compose("train", "model=compressed", f"model.run={run}", *SYNTHETIC, *changes)


def test_the_network_begins_as_the_run_ended_but_for_rounding(exported):
    run = recipe(exported)
    images = run.dataset.load("test").inputs(np.arange(32))
    ours, trained = run.model.build(run.dataset.spec()), load_network(exported / "model.keras")
    ours(images, training=True)  # the first batch sets the ranges
    difference = np.abs(np.subtract(ours(images), trained(images)))
    assert 0 < difference.max() < 0.15


def test_half_of_each_kernel_becomes_zeros(exported):
    run = recipe(exported, "model.qat=false", "model.sparsity=0.5", "model.pruning_steps=1")
    network = run.model.build(run.dataset.spec())
    network(run.dataset.load("train").inputs(np.arange(8)), training=True)
    kernels = [layer.effective() for layer in network.layers if hasattr(layer, "effective")]
    assert kernels
    for kernel in kernels:
        assert np.mean(keras.ops.convert_to_numpy(kernel) == 0) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("model.weights=a.h5", "model.weights: expected none, since the network is that of model.run, got a.h5"),
        ("model.sparsity=1", "model.sparsity: expected a value from 0 to 0.99, got 1.0"),
        ("model.qat=false", "model.sparsity: expected more than 0 where qat is false: nothing would be compressed"),
    ],
)
def test_values_out_of_range(exported, change, text):
    with pytest.raises(ConfigError) as caught:
        recipe(exported, change)
    assert str(caught.value) == text


def test_the_two_of_four_pattern_has_one_sparsity(exported):
    with pytest.raises(ConfigError, match=r"^model.sparsity: expected 0.5 with pattern=2:4, got 0.7$"):
        recipe(exported, "model.pattern=2:4", "model.sparsity=0.7")


def test_data_of_another_kind_is_refused(exported):
    run = recipe(exported, "dataset.colour=false")
    with pytest.raises(ConfigError, match=r"^model.run: expected a run on data like synthetic, got one on "):
        run.model.build(run.dataset.spec())
