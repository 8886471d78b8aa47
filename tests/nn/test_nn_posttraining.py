import re

import keras
import numpy as np
import pytest
from keras import layers

from fer.errors import ConfigError
from fer.nn.posttraining import calibrated, corrected, folded
from fer.nn.quantization import CompressedLayer, FakeQuant
from fer.nn.rewriting import compress

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 12, 12, 3)).astype(np.uint8)


def network() -> keras.Model:
    """A plain, a depthwise, a grouped and a dense layer, strides, padding and BatchNorm."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(layers.Rescaling(1 / 255)(inputs))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)  # no ReLU: the mean of what it cuts off also depends on the spread
    x = layers.Conv2D(8, 3, groups=2, dilation_rate=2)(x)
    x = layers.Dense(5)(layers.GlobalAveragePooling2D()(x))
    whole = keras.Model(inputs, x)
    random = np.random.default_rng(0)
    for layer in whole.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, each.shape) for each in layer.get_weights()])
    return whole


def shift(exact: keras.Model, other: keras.Model, inputs: np.ndarray = IMAGES) -> float:
    """Return the largest distance between means of outputs once the other's kernels are rounded."""
    for layer in other.layers:
        if isinstance(layer, CompressedLayer):
            layer.rounds = True
    given = inputs.astype(np.float32)
    return float(np.abs(np.mean(other(given), axis=0) - np.mean(exact(given), axis=0)).max())


ONE_SCALE = 0.00671
"""What rounding shifts the means of `network()` by where the two filters of a depthwise channel share one scale."""


def test_rounded_kernels_no_longer_shift_the_means():
    exact = network()
    left = shift(exact, corrected(exact, IMAGES))
    assert left < ONE_SCALE / 10
    assert left < shift(exact, folded(exact)) / 9 < ONE_SCALE / 9, "with a scale each there is less to correct"


def test_of_one_layer_the_means_are_the_same():
    inputs = keras.Input((12, 12, 3), name="image")
    convolution = layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    exact = keras.Model(inputs, layers.GlobalAveragePooling2D()(convolution))
    before, after = shift(exact, folded(exact)), shift(exact, corrected(exact, IMAGES))
    assert before > 0.01 and after < 1e-4


def test_only_biases_change():
    exact = network()
    one, other = folded(exact), corrected(exact, IMAGES)
    for ours, theirs in zip(one.layers, other.layers, strict=True):
        for kernel, same in zip(ours.get_weights()[:1], theirs.get_weights()[:1], strict=True):
            np.testing.assert_array_equal(kernel, same)
    np.testing.assert_allclose(one(IMAGES), exact(IMAGES), atol=1e-4)


def test_a_pruned_network_is_corrected_too():
    pruned = compress(network(), rounds=False, pruning={"sparsity": 0.5, "pattern": "unstructured", "steps": 1})
    left = shift(pruned, corrected(pruned, IMAGES))
    assert left < ONE_SCALE / 10
    assert left < shift(pruned, folded(pruned)) / 9


def test_a_network_that_was_trained_for_integers_comes_back_itself():
    aware = compress(network(), rounds=True, pruning=None)
    assert corrected(aware, IMAGES) is aware
    assert calibrated(aware, IMAGES) is aware
    assert folded(aware) is aware


def test_ranges_are_the_extremes_over_all_inputs():
    ranged = calibrated(network(), IMAGES)
    rounders = [layer for layer in ranged.layers if isinstance(layer, FakeQuant)]
    assert not any(rounder.observes for rounder in rounders)
    ranges = [(float(each.low.numpy()), float(each.high.numpy())) for each in rounders]
    assert ranges[0] == (0, IMAGES.max())
    assert ranges[1][0] == 0 and 0 < ranges[1][1] <= 6, "behind the first convolution and its ReLU6"


def test_the_file_of_a_calibrated_network_answers_as_that_network(tmp_path):
    from fer.config import compose
    from fer.device.runner import Runner

    exact, exporter = network(), compose("export", "export=int8", "export.output=float32").export
    runner = Runner(exporter.write(exact, tmp_path / "int8", IMAGES).read_bytes(), kernels="reference")
    given = np.stack([runner(image) for image in IMAGES])
    ranged = np.asarray(calibrated(exact, IMAGES)(IMAGES.astype(np.float32)))
    step = (ranged.max() - ranged.min()) / 255
    assert np.abs(given - ranged).max() < 3 * step
    assert np.abs(given.mean(axis=0) - np.mean(exact(IMAGES.astype(np.float32)), axis=0)).max() < step


def test_where_a_layer_rounds_within_the_converter_finds_the_ranges():
    inputs = keras.Input((12, 4))
    values = layers.Dense(3)(layers.LayerNormalization()(inputs))
    exact = keras.Model(inputs, layers.GlobalAveragePooling1D()(values))
    some = np.random.default_rng(0).standard_normal((40, 12, 4)).astype(np.float32)
    ranged = calibrated(exact, some)
    assert not any(isinstance(layer, FakeQuant) for layer in ranged.layers)
    assert shift(exact, ranged, some) < shift(exact, folded(exact), some) / 10


def test_what_cannot_be_copied_is_said():
    inputs = keras.Input((12, 4))
    recurrent = keras.Model(inputs, layers.LSTM(3, name="memory")(inputs))
    said = (
        "model: memory is a recurrent layer, which is not rewritten; export.quantizer=converter leaves it to TensorFlow"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        corrected(recurrent, np.zeros((40, 12, 4), np.float32))
