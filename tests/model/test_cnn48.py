import keras
import numpy as np
import pytest

from fer.base import DataSpec, Stage
from fer.config import compose
from fer.errors import ConfigError

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def spec(size: int = 48, channels: int = 1) -> DataSpec:
    return DataSpec(name="test", kind="image", shape=(size, size, channels), classes=CLASSES)


def cnn48(*overrides: str):
    return compose("train", "model=cnn48", *overrides).model


@pytest.fixture(scope="module")
def network():
    return cnn48().build(spec())


def test_its_layers_are_the_published_ones_in_order(network):
    found = []
    for layer in network.layers[1:]:  # the first is the input
        match layer:
            case keras.layers.Rescaling():
                found.append(("scale", layer.scale, layer.offset))
            case keras.layers.Conv2D():
                kind = layer.activation.__name__
                found.append(("conv", layer.filters, layer.kernel_size, layer.strides, layer.padding, kind))
            case keras.layers.MaxPooling2D():
                found.append(("pool", layer.pool_size, layer.strides, layer.padding))
            case keras.layers.Dropout():
                found.append(("dropout", layer.rate))
            case keras.layers.Dense():
                found.append(("dense", layer.units, layer.activation.__name__))
            case _:
                found.append(type(layer).__name__)
    block = [("pool", (2, 2), (2, 2), "valid"), ("dropout", 0.5)]
    assert found == [
        ("scale", 1 / 255, 0.0),
        ("conv", 128, (9, 9), (1, 1), "valid", "relu"),
        *block,
        ("conv", 256, (6, 6), (1, 1), "valid", "relu"),
        *block,
        ("conv", 512, (3, 3), (1, 1), "valid", "relu"),
        *block,
        "Flatten",
        ("dense", 128, "relu"),
        ("dense", 64, "relu"),
        ("dense", 7, "softmax"),
    ]
    assert network.layers[-1].name == "outputs"


def test_its_parameters_are_those_counted_by_hand(network):
    # 48 -9+1=40 /2=20 -6+1=15 /2=7 -3+1=5 /2=2, so that 2 * 2 * 512 values reach the dense layers
    by_hand = (
        9 * 9 * 1 * 128
        + 128
        + 6 * 6 * 128 * 256
        + 256
        + 3 * 3 * 256 * 512
        + 512
        + 2 * 2 * 512 * 128
        + 128
        + 128 * 64
        + 64
        + 64 * 7
        + 7
    )
    assert by_hand == 2_641_543
    assert network.count_params() == by_hand
    assert sum(np.prod(each.shape) for each in network.trainable_variables) == by_hand


def test_its_widths_are_settings():
    recipe = cnn48(
        "model.input_size=24", "model.filters=[4,6]", "model.kernels=[5,3]", "model.units=[9]", "model.dropout=0.25"
    )
    network = recipe.build(spec(24))
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.kernel_size) for layer in convolutions] == [(4, (5, 5)), (6, (3, 3))]
    assert {layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)} == {0.25}
    # 24 -> 20 -> 10 -> 8 -> 4
    assert network.count_params() == (25 * 4 + 4) + (9 * 4 * 6 + 6) + (4 * 4 * 6 * 9 + 9) + (9 * 7 + 7)


def test_colour_images_of_another_size_become_grey_ones_of_48_pixels():
    recipe = cnn48("model.filters=[4]", "model.kernels=[9]", "model.units=[8]")
    network = recipe.build(spec(64, channels=3))
    [first] = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert tuple(first.input.shape) == (None, 48, 48, 1)
    inside = keras.Model(network.input, network.get_layer("scale").output)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [100, 50, 200]], np.uint8)
    images = np.tile(colours[:, None, None], (1, 64, 64, 1))
    grey = keras.ops.convert_to_numpy(inside(images))
    by_hand = np.array([0.299, 0.587, 0.114, (29.9 + 29.35 + 22.8) / 255], np.float32)
    np.testing.assert_allclose(grey, np.broadcast_to(by_hand[:, None, None, None], grey.shape), rtol=1e-5)


def test_everything_is_trained_in_one_stage(network):
    recipe = cnn48()
    assert recipe.stages(30) == [Stage(name="all", epochs=30)]
    network.trainable = False
    recipe.thaw(network, Stage(name="all", epochs=30))
    assert len(network.trainable_variables) == len(network.variables) - 3, "all but the seeds of three dropouts"


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("filters=[8,0,8]", "model.filters: expected values of 1 or more, got [8, 0, 8]"),
        ("kernels=[9,6,-3]", "model.kernels: expected values of 1 or more, got [9, 6, -3]"),
        ("units=[0]", "model.units: expected values of 1 or more, got [0]"),
        ("dropout=1.0", "model.dropout: expected a value from 0 to 0.99, got 1.0"),
        ("kernels=[9,6,8]", "model.kernels: [9, 6, 8] leave nothing of an image of 48 pixels"),
    ],
)
def test_sizes_that_make_no_network_are_refused(override, text):
    with pytest.raises(ConfigError) as caught:
        cnn48(f"model.{override}")
    assert str(caught.value) == text
