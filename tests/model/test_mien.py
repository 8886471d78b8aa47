import keras
import numpy as np
import pytest

from fer.base import DataSpec
from fer.config import compose
from fer.errors import ConfigError

SPEC = DataSpec(name="test", kind="image", shape=(48, 48, 1), classes=("calm", "cross", "glad"))


def recipe(*changes: str):
    return compose("train", "model=mien", *changes).model


@pytest.mark.parametrize(
    ("size", "millions"), [("mien_tiny", "0.06"), ("mien_small", "0.4"), ("mien", "0.9"), ("mien_large", "3.6")]
)
def test_the_sizes_have_as_many_parameters_as_their_first_line_says(size, millions):
    network = recipe(f"model={size}").build(SPEC)
    assert f"{network.count_params() / 1e6:.{len(millions) - 2}f}" == millions
    assert network.output_shape == (None, 3)


def test_the_tiny_one_has_separable_blocks_after_a_plain_first_convolution():
    kinds = [type(layer).__name__ for layer in recipe("model=mien_tiny").build(SPEC).layers]
    assert kinds.index("Conv2D") < kinds.index("SeparableConv2D")
    assert kinds.count("SeparableConv2D") == 2 * 6


def test_a_block_begins_as_its_shortcut():
    network = recipe("model.blocks=[2,1,1,1]").build(SPEC)
    sums = [layer for layer in network.layers if isinstance(layer, keras.layers.Add)]
    assert len(sums) == 5
    image = np.random.default_rng(0).random((2, 48, 48, 1))
    shortcut, changed = keras.Model(network.input, sums[0].input)(image)
    assert np.any(shortcut)
    assert not np.any(changed)


def test_each_stage_halves_the_image_and_an_odd_side_too():
    network = recipe("model.input_size=112").build(SPEC)
    sides = [layer.output.shape[1] for layer in network.layers if isinstance(layer, keras.layers.Add)]
    assert sides == [56, 28, 28, 14, 14, 7]
    assert recipe("model.input_size=50").build(SPEC).output_shape == (None, 3)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("model.filters=[]", "model.filters: expected one or more values of 1 or more, got []"),
        ("model.blocks=[1,2,0,1]", "model.blocks: expected one or more values of 1 or more, got [1, 2, 0, 1]"),
        ("model.blocks=[1,2]", "model.blocks: expected one for each of the 4 filters, got 2"),
        ("model.input_size=16", "model.input_size: expected a value from 32 to 512, got 16"),
        ("model.dropout=1", "model.dropout: expected a value from 0 to 0.99, got 1.0"),
    ],
)
def test_values_out_of_range(change, text):
    with pytest.raises(ConfigError) as caught:
        recipe(change)
    assert str(caught.value) == text
