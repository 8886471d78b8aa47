import keras
import numpy as np
import pytest

from fer.base import DataSpec
from fer.config import compose
from fer.drawing import draw_face
from fer.errors import ConfigError
from fer.ibug68 import MIRROR

SPEC = DataSpec(name="test", kind="image", shape=(128, 128, 3), points=68, mirror=MIRROR)
POINTS = ("dataset.target=points", "loss=wing")


def recipe(*changes: str):
    return compose("train", "model=residual_regressor", *POINTS, *changes).model


def count(network: keras.Model, kind: type) -> int:
    return sum(isinstance(layer, kind) for layer in network.layers)


def test_the_architecture_of_the_default_values():
    network = recipe().build(SPEC)
    assert network.input_shape == (None, 128, 128, 3)
    assert network.output_shape == (None, 136)
    assert count(network, keras.layers.SeparableConv2D) == 2 * 2 + 8 * 3 + 2 + 2
    assert count(network, keras.layers.Conv2D) == 2 + 3, "the entry's two and a shortcut for each residual block"
    assert count(network, keras.layers.Add) == 2 + 8 + 1
    assert count(network, keras.layers.MaxPooling2D) == 3
    slopes = [layer.negative_slope for layer in network.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert slopes == pytest.approx([0.2] * len(slopes))
    middle = [layer.output.shape[1:] for layer in network.layers if isinstance(layer, keras.layers.Add)][1:10]
    assert middle == [(32, 32, 256)] * 9
    assert network.layers[-1].units == 136


def test_the_small_one_keeps_where_things_are():
    network = recipe("model=residual_regressor_small").build(SPEC)
    assert count(network, keras.layers.Flatten) == 1
    assert network.count_params() < 0.6e6


def test_it_starts_near_the_mean_face():
    network = recipe("model=residual_regressor_small").build(SPEC)
    image, points = draw_face("neutral", 128, np.random.default_rng(99), colour=True)
    predicted = (keras.ops.convert_to_numpy(network(image[None]))[0].reshape(68, 2) + 0.5) * 128
    assert np.linalg.norm(predicted - points, axis=1).mean() < 0.1 * 128


def test_weights_go_on_where_another_run_ended(tmp_path):
    small = ("model=residual_regressor_small", "model.middle_blocks=1")
    first = recipe(*small).build(SPEC)
    first.save(tmp_path / "model.keras")
    again = recipe(*small, f"model.weights={tmp_path}/model.keras").build(SPEC)
    assert all(map(np.array_equal, first.get_weights(), again.get_weights()))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("model.entry=[8]", "model.entry: expected 2 values of 1 or more, got [8]"),
        ("model.residual=[]", "model.residual: expected one or more values of 1 or more, got []"),
        ("model.exit=[8,0,8]", "model.exit: expected 3 values of 1 or more, got [8, 0, 8]"),
        ("model.entry_stride=3", "model.entry_stride: expected one of 1, 2, got 3"),
        ("model.pooling=max", "model.pooling: expected one of average, flatten, got 'max'"),
        ("model.slope=-1", "model.slope: expected a value from 0 to 1, got -1.0"),
    ],
)
def test_values_out_of_range(change, text):
    with pytest.raises(ConfigError) as caught:
        recipe(change)
    assert str(caught.value) == text
