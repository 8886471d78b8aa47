from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fer.augmentation.albumentations import Albumentations
from fer.base import DataSpec
from fer.config import CONF, compose
from fer.drawing import EXPRESSIONS, MIRROR, draw_face
from fer.errors import ConfigError

CHOICES = sorted(path.stem for path in (CONF / "augmentation").glob("*.yaml"))
LABELS = np.arange(4)


def classes(size: int = 48, channels: int = 1) -> DataSpec:
    return DataSpec(name="test", kind="image", shape=(size, size, channels), classes=EXPRESSIONS)


def points(size: int = 48, channels: int = 1) -> DataSpec:
    return DataSpec(name="test", kind="image", shape=(size, size, channels), points=68, mirror=MIRROR)


def faces(count: int, size: int = 48, colour: bool = False) -> tuple[np.ndarray, np.ndarray]:
    drawn = [draw_face("happy", size, np.random.default_rng(number), colour) for number in range(count)]
    return np.stack([image for image, _ in drawn]), np.stack([where for _, where in drawn])


def augment(spec: DataSpec, *transforms: dict):
    return Albumentations(transforms=list(transforms)).build(spec)


def equal(ones, others) -> bool:
    return all(map(np.array_equal, ones, others))


def test_none_changes_nothing():
    assert chosen("none").build(classes()) is None


@cache
def chosen(choice: str) -> Albumentations:
    return compose("train", f"augmentation={choice}").augmentation


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice not in ("none", "landmarks")])
@pytest.mark.parametrize(("size", "colour"), [(48, False), (224, True)])
@pytest.mark.parametrize("target", [classes, points])
def test_every_choice_keeps_bytes_and_shape(choice, size, colour, target):
    images, where = faces(4, size, colour)
    spec = target(size, 3 if colour else 1)
    targets = where if spec.target == "points" else LABELS
    before = images.copy(), targets.copy()
    changed = chosen(choice).build(spec)
    results = [changed(images, targets, seed) for seed in range(8)]
    assert equal(before, (images, targets)), "the batch that it was given is as it was"
    for inputs, moved in results:
        assert (inputs.dtype, inputs.shape) == (np.uint8, images.shape)
        assert (moved.dtype, moved.shape) == (targets.dtype, targets.shape)
        if target is classes:
            np.testing.assert_array_equal(moved, LABELS)
    assert all(not np.array_equal(inputs, images) for inputs, _ in results)


@pytest.mark.parametrize("target", [classes, points])
def test_a_seed_gives_one_batch_in_any_thread_and_order(target):
    images, where = faces(4)
    targets = where if target is points else LABELS
    strong = chosen("strong").build(target())
    seeds = list(range(24))
    serial = [strong(images, targets, seed) for seed in seeds]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda seed: strong(images, targets, seed), reversed(seeds)))
    assert all(map(equal, serial, reversed(threaded)))
    different = {inputs.tobytes() for inputs, _ in serial}
    assert len(different) == len(seeds)


def test_images_of_one_batch_are_changed_differently():
    image, _ = faces(1)
    light = chosen("light").build(classes())
    inputs, _ = light(np.repeat(image, 8, axis=0), np.zeros(8, int), 0)
    assert len({each.tobytes() for each in inputs}) == 8


def test_a_flip_mirrors_the_points_and_gives_each_its_new_name():
    images, where = faces(4, size=48)
    flipped, moved = augment(points(), {"HorizontalFlip": {"p": 1}})(images, where, 0)
    np.testing.assert_array_equal(flipped, images[:, :, ::-1])
    mirrored = where * np.array([-1, 1]) + np.array([48, 0])  # the picture reaches from 0 to 48
    np.testing.assert_allclose(moved, mirrored[:, list(MIRROR)], atol=1e-4)
    jaw, tip_of_nose = moved[:, [0, 16], 0], moved[:, 30, 0]
    assert (jaw[:, 0] < tip_of_nose).all(), "point 0 is still the left end of the jaw"
    assert (tip_of_nose < jaw[:, 1]).all()


def test_two_flips_are_none():
    images, where = faces(4)
    flip = augment(points(), {"HorizontalFlip": {"p": 1}})
    again, back = flip(*flip(images, where, 0), 0)
    np.testing.assert_array_equal(again, images)
    np.testing.assert_allclose(back, where, atol=1e-4)


def dots(where: np.ndarray, size: int) -> np.ndarray:
    """Draw a soft bright dot at each place (n, 2) on a black picture of its own."""
    centres = np.arange(size) + 0.5
    squares = (centres[None, None, :] - where[:, :1, None]) ** 2 + (centres[None, :, None] - where[:, 1:, None]) ** 2
    return (255 * np.exp(-squares / 8)).astype(np.uint8)[..., None]


def centre(image: np.ndarray) -> np.ndarray:
    """Return where the dot is, (x, y)."""
    light = image[..., 0] * (image[..., 0] > 0.3 * image.max())
    centres = np.arange(len(image)) + 0.5
    return np.array([(light.sum(axis=0) * centres).sum(), (light.sum(axis=1) * centres).sum()]) / light.sum()


TURNING = [
    {"Affine": {"rotate": (-30, 30), "scale": (0.8, 1.2), "shear": (-10, 10), "translate_percent": 0.05, "p": 1}},
    {"Affine": {"rotate": (180, 180), "p": 1}},
    {"Rotate": {"limit": (90, 90), "p": 1}},
    {"Perspective": {"scale": (0.05, 0.08), "p": 1}},
    {"RandomResizedCrop": {"size": (96, 96), "scale": (0.8, 1.0), "p": 1}},
]
MIRRORING = [
    {"HorizontalFlip": {"p": 1}},
    {"VerticalFlip": {"p": 1}},
    {"Transpose": {"p": 1}},
    {"Affine": {"scale": {"x": (-1, -1), "y": (1, 1)}, "p": 1}},
]


def name_of(transform: dict) -> str:
    return next(iter(transform))


@pytest.mark.parametrize("transform", TURNING, ids=name_of)
def test_points_move_with_the_image(transform):
    """A dot on a point is found on that point again."""
    _, where = faces(8, size=96)
    number = 30  # the tip of the nose, which stays in the picture
    images = dots(where[:, number], 96)
    changed, moved = augment(points(96), transform)(images, where, 5)
    assert not np.allclose(moved, where, atol=2)
    found = np.stack([centre(image) for image in changed])
    np.testing.assert_allclose(moved[:, number], found, atol=0.35)


@pytest.mark.parametrize("transform", MIRRORING, ids=name_of)
def test_whatever_mirrors_gives_points_the_name_of_their_twin(transform):
    """A dot on the outer corner of one eye is found on that of the other."""
    _, where = faces(8, size=96)
    changed, moved = augment(points(96), transform)(dots(where[:, 36], 96), where, 5)
    found = np.stack([centre(image) for image in changed])
    np.testing.assert_allclose(moved[:, 45], found, atol=0.35)


def test_d4_mirrors_or_turns_and_names_accordingly():
    _, where = faces(24, size=96)
    changed, moved = augment(points(96), {"D4": {"p": 1}})(dots(where[:, 36], 96), where, 5)
    found = np.stack([centre(image) for image in changed])
    turned, mirrored = (np.abs(moved[:, point] - found).max(axis=1) < 0.35 for point in (36, 45))
    assert (turned ^ mirrored).all()
    assert turned.any()
    assert mirrored.any()
    # whatever happened, walking from eye 36 to eye 45 has the chin on the right
    right, down = moved[:, 45] - moved[:, 36], moved[:, 8] - moved[:, 27]
    assert (right[:, 0] * down[:, 1] > right[:, 1] * down[:, 0]).all()


def test_points_outside_of_the_picture_are_kept():
    images, where = faces(2)
    where[0, 0] = (-5, 70)
    _, moved = augment(points(), {"HorizontalFlip": {"p": 1}})(images, where, 0)
    np.testing.assert_allclose(moved[0, 16], (53, 70), atol=1e-4)
    _, moved = augment(points(), {"Affine": {"translate_px": {"x": 40, "y": 0}, "p": 1}})(images, where, 0)
    np.testing.assert_allclose(moved, where + np.array([40, 0]), atol=1e-3)


def test_erased_patches_leave_points_where_they_are():
    images, where = faces(2)
    patches = {"CoarseDropout": {"num_holes_range": (8, 8), "hole_height_range": (0.4, 0.5), "p": 1}}
    changed, moved = augment(points(), patches)(images, where, 0)
    assert not np.array_equal(changed, images)
    np.testing.assert_allclose(moved, where, atol=1e-4)


def test_data_without_images_is_refused():
    spec = DataSpec(name="marks", kind="landmarks", shape=(68, 2), classes=EXPRESSIONS)
    with pytest.raises(ConfigError) as caught:
        augment(spec, {"HorizontalFlip": {"p": 1}})
    assert str(caught.value) == "augmentation: expected none, since marks has landmarks, not images"
    assert augment(spec) is None


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({}, "transforms[0]: expected one name with its arguments, got {}"),
        (
            {"HorizontalFlip": {}, "VerticalFlip": {}},
            "transforms[0]: expected one name with its arguments, got {'HorizontalFlip': {}, 'VerticalFlip': {}}",
        ),
        (
            {"Horizontalflip": {}},
            "transforms[0]: albumentations has no transform 'Horizontalflip'; did you mean 'HorizontalFlip'?",
        ),
        ({"Affine": {"rotat": 3}}, "transforms[0]: Affine takes no 'rotat'; did you mean 'rotate'? (known: "),
    ],
)
def test_a_wrong_transform_is_refused(entry, text):
    with pytest.raises(ConfigError) as caught:
        Albumentations(transforms=[entry])
    assert str(caught.value).startswith(text)


def test_a_transform_may_have_no_arguments():
    assert augment(classes(), {"HorizontalFlip": None}) is not None


@pytest.mark.parametrize(
    ("entry", "target", "text"),
    [
        (
            {"Resize": {"height": 24, "width": 24}},
            "classes",
            "augmentation.transforms[0]: Resize does not fit images of (48, 48, 1): "
            "expected uint8 (48, 48, 1), got uint8 (24, 24, 1)",
        ),
        (
            {"ToFloat": {}},
            "classes",
            "augmentation.transforms[0]: ToFloat does not fit images of (48, 48, 1): "
            "expected uint8 (48, 48, 1), got float32 (48, 48, 1)",
        ),
        ({"ThinPlateSpline": {}}, "points", "augmentation.transforms[0]: ThinPlateSpline does not fit images of "),
    ],
)
def test_a_transform_that_does_not_fit_the_data_is_refused_before_the_training(entry, target, text):
    run = compose("train", f"dataset.target={target}", f"loss={'mse' if target == 'points' else 'cross_entropy'}")
    with pytest.raises(ConfigError) as caught:
        replace(run.augmentation, transforms=[entry]).build(run.dataset.spec())
    assert str(caught.value).startswith(text)
