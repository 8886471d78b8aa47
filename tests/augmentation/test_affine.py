import numpy as np
import pytest
from keras import ops

from fer.augmentation.affine import Affine, moved
from fer.base import DataSpec
from fer.config import compose
from fer.errors import ConfigError

SPEC = DataSpec(name="x", kind="image", shape=(20, 30, 1), points=2, mirror=(1, 0))
NONE = {"flip": 0.0, "shift": 0.0, "rotate": 0.0, "scale": 0.0, "brightness": 0.0, "contrast": 0.0}


def apply(image, points=((3.0, 4.0), (7.0, 9.0)), seed=0, **settings):
    augment = Affine(**(NONE | settings)).build(SPEC)
    images, moved_points = augment(image[np.newaxis], np.array([points], np.float32), seed)
    return images[0], moved_points[0]


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 1), dtype=np.uint8)


def test_nothing_asked_for_changes_nothing(image):
    same, points = apply(image)
    assert np.array_equal(same, image)
    assert points.tolist() == [[3, 4], [7, 9]]


def test_a_flip_mirrors_the_image_and_swaps_the_points(image):
    mirrored, points = apply(image, flip=1.0)
    assert np.array_equal(mirrored, image[:, ::-1])
    np.testing.assert_allclose(points, [[30 - 7, 9], [30 - 3, 4]], atol=1e-4)


def test_points_stay_on_their_pixel():
    image = np.zeros((20, 30, 1), np.uint8)
    image[9:12, 14:17] = 255
    for seed in range(20):
        settings = {"flip": 0.5, "shift": 0.2, "rotate": 30.0, "scale": 0.2}
        warped, points = apply(image, points=((15.5, 10.5), (15.5, 10.5)), seed=seed, **settings)
        y, x = np.average(np.indices((20, 30)).reshape(2, -1), axis=1, weights=warped.reshape(-1).astype(float)) + 0.5
        np.testing.assert_allclose(points[0], [x, y], atol=0.3)


def test_brightness_and_contrast_stay_within_their_limits():
    image = np.full((20, 30, 1), 100, np.uint8)
    levels = [apply(image, seed=seed, brightness=0.2, contrast=0.1)[0][0, 0, 0] for seed in range(300)]
    low, high = 127.5 - 1.1 * 27.5 - 51, 127.5 - 0.9 * 27.5 + 51
    assert low - 1 <= min(levels) < low + 6
    assert high - 6 < max(levels) <= high + 1


def test_the_device_does_what_the_host_does():
    images = np.random.default_rng(1).integers(0, 256, (8, 20, 30, 1), dtype=np.uint8)
    recipe = Affine(flip=0.5, shift=0.1, rotate=15.0, scale=0.1, brightness=0.1, contrast=0.2)
    points = np.zeros((8, 2, 2), np.float32)
    on_host, _ = recipe.build(SPEC)(images, points, 5)
    from fer.nn.device import changed

    drawn = recipe.on_device(SPEC)(8, np.random.default_rng(5))
    inputs = {name: ops.convert_to_tensor(values) for name, values in drawn.items()}
    on_device = changed(ops.convert_to_tensor(images), inputs | {"rows": ops.arange(8, dtype="int32")})
    difference = np.abs(ops.convert_to_numpy(on_device) - on_host)
    assert np.median(difference) < 1.5  # OpenCV's weights have five bits
    assert (difference < 9).mean() > 0.99


def test_moved_undoes_the_matrix():
    matrix = np.zeros((1, 8), np.float32)
    matrix[0, :6] = [2, 0, 1, 0, 2, 3]  # the pixel (x, y) of the result is the pixel (2x + 1, 2y + 3) of the image
    points = np.array([[[5.5, 7.5], [1.5, 3.5]]], np.float32)
    assert moved(points, matrix, np.array([1, 0])).tolist() == [[[2.5, 2.5], [0.5, 0.5]]]


def test_other_augmentations_stay_on_the_host():
    with pytest.raises(ConfigError) as caught:
        compose("train", "augmentation=light", "pipeline.on_device=true")
    assert str(caught.value) == (
        "pipeline.on_device: this augmentation runs on the host; choose augmentation=affine or none"
    )
