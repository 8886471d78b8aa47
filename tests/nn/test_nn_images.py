import keras
import numpy as np

from fer.base import DataSpec
from fer.nn.images import fit_input, outputs


def fitted(images: np.ndarray, size: int, channels: int) -> np.ndarray:
    inputs = keras.Input(images.shape[1:])
    network = keras.Model(inputs, fit_input(inputs, size, channels))
    return keras.ops.convert_to_numpy(network(images))


def test_images_that_fit_are_left_alone():
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 1), np.uint8)
    np.testing.assert_array_equal(fitted(images, 20, 1), images)


def test_grey_becomes_three_equal_channels():
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 1), np.uint8)
    np.testing.assert_array_equal(fitted(images, 20, 3), np.repeat(images, 3, axis=-1))


def test_colour_becomes_grey_by_bt601():
    image = np.full((1, 16, 16, 3), (10, 20, 30), np.uint8)
    np.testing.assert_allclose(fitted(image, 16, 1), np.full((1, 16, 16, 1), 2.99 + 11.74 + 3.42), rtol=1e-6)


def test_resizing_is_bilinear_between_pixel_centres():
    ramp = np.tile(np.arange(32, dtype=np.uint8)[None, None, :, None], (1, 32, 1, 1))
    halved = fitted(ramp, 16, 1)
    np.testing.assert_allclose(halved[0, 5, :, 0], 2 * np.arange(16) + 0.5, rtol=1e-6)


def test_oblong_images_are_made_square():
    assert fitted(np.zeros((1, 20, 30, 3), np.uint8), 24, 3).shape == (1, 24, 24, 3)


def test_the_output_is_float32_whatever_the_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = outputs(DataSpec(name="test", kind="image", shape=(8, 8, 1), classes=("a", "b", "c")))
        hidden = keras.layers.Dense(2)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    values = np.ones((1, 4), np.float32)
    assert keras.backend.standardize_dtype(hidden(values).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(layer(values).dtype) == "float32"
    assert layer.units == 3
