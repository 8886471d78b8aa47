"""Drawn faces: the same for the same seed, with points that are exactly where the picture says."""

import numpy as np
import pytest

from fer.drawing import EXPRESSIONS, MIRROR, draw_face


def draw_many(expression: str, count: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 grey images (count, size, size) and points float32 (count, 68, 2)."""
    rng = np.random.default_rng(7)
    images, points = zip(*(draw_face(expression, size, rng) for _ in range(count)), strict=True)
    return np.array(images, float)[..., 0], np.array(points)


def brightness(images: np.ndarray, places: np.ndarray) -> float:
    """Return the mean brightness of each image (n, size, size) at its own place (x, y) of (n, 2)."""
    column, row = places.astype(int).T
    return float(images[np.arange(len(images)), row, column].mean())


def upright(points: np.ndarray) -> np.ndarray:
    """Return points (n, 68, 2) with the outer corners of the eyes at (-1, 0) and (1, 0)."""
    left, right = points[:, 36], points[:, 45]
    across = (right - left) / 2
    centred = points - ((left + right) / 2)[:, None]
    x = np.einsum("nij,nj->ni", centred, across)
    y = np.einsum("nij,nj->ni", centred, np.stack((-across[:, 1], across[:, 0]), axis=1))
    return np.stack((x, y), axis=-1) / (across**2).sum(axis=1)[:, None, None]


@pytest.fixture(scope="module")
def mean_points() -> dict[str, np.ndarray]:
    """Return the mean upright face (68, 2) of every expression."""
    return {expression: upright(draw_many(expression, 60, 32)[1]).mean(axis=0) for expression in EXPRESSIONS}


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_same_seed_gives_the_same_face(expression: str, colour: bool) -> None:
    first, second, other = (draw_face(expression, 48, np.random.default_rng(seed), colour) for seed in (3, 3, 4))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()
    assert first[0].tobytes() != other[0].tobytes()


def test_one_generator_goes_on_to_other_faces() -> None:
    rng = np.random.default_rng(0)
    assert len({draw_face("happy", 24, rng)[0].tobytes() for _ in range(20)}) == 20


def test_colour_changes_no_point() -> None:
    grey, colour = (draw_face("fear", 64, np.random.default_rng(1), colour) for colour in (False, True))
    np.testing.assert_array_equal(grey[1], colour[1])
    assert (colour[0].std(axis=2) > 5).mean() > 0.2


@pytest.mark.parametrize("size", [24, 48, 97, 128])
def test_shapes_types_and_points_inside_the_image(size: int) -> None:
    rng = np.random.default_rng(size)
    for index in range(140):
        colour = index % 2 == 1
        image, points = draw_face(EXPRESSIONS[index % 7], size, rng, colour)
        assert image.shape == (size, size, 3 if colour else 1) and image.dtype == np.uint8
        assert points.shape == (68, 2) and points.dtype == np.float32
        assert np.isfinite(points).all() and points.min() >= 0.499 and points.max() <= size - 0.499
        assert image.std() > 3


def test_mirror_pairs_the_points() -> None:
    mirror = np.array(MIRROR)
    np.testing.assert_array_equal(mirror[mirror], np.arange(68))
    pairs = {0: 16, 8: 8, 17: 26, 21: 22, 30: 30, 31: 35, 36: 45, 37: 44, 39: 42, 40: 47, 41: 46}
    pairs |= {48: 54, 49: 53, 51: 51, 55: 59, 57: 57, 60: 64, 61: 63, 62: 62, 65: 67, 66: 66}
    assert {point: MIRROR[point] for point in pairs} == pairs


def test_mirrored_faces_have_the_points_of_faces(mean_points: dict[str, np.ndarray]) -> None:
    for points in mean_points.values():
        np.testing.assert_allclose(points[list(MIRROR)] * (-1, 1), points, atol=0.1)


def test_parts_of_the_face_are_in_order(mean_points: dict[str, np.ndarray]) -> None:
    for points in mean_points.values():
        heights = [points[part, 1].mean() for part in (range(17, 27), range(36, 48), [33], [51], [62], [66], [57], [8])]
        assert heights == sorted(heights)
        for line in (range(17), range(17, 27), range(31, 36), range(48, 55), range(60, 65)):
            assert (np.diff(points[line, 0]) > 0).all()


@pytest.mark.parametrize("eye", [range(36, 42), range(42, 48)])
def test_the_pupil_is_in_the_middle_of_the_eye(eye: range) -> None:
    images, points = draw_many("surprise", 150)
    middle = (points[:, eye[0]] + points[:, eye[3]]) / 2
    shifts = [(x, y) for x in range(-5, 6) for y in range(-3, 4)]
    darkest = min(shifts, key=lambda shift: brightness(images, middle + shift))
    assert np.abs(darkest).max() <= 1


def test_points_sit_on_what_is_drawn() -> None:
    images, points = draw_many("surprise", 150)
    cheek = brightness(images, (points[:, 31] + points[:, 3]) / 2)
    assert brightness(images, points[:, 41] * 0.5 + points[:, 36] * 0.5) > cheek  # the white
    assert brightness(images, points[:, 19] + (0, 1.5)) < 0.75 * cheek  # the brow
    assert brightness(images, points[:, 33] + (0, 1)) < 0.75 * cheek  # the nostrils
    assert brightness(images, points[:, 66] * 0.7 + points[:, 62] * 0.3) < 0.5 * cheek  # the open mouth


def test_expressions_move_the_points_as_faces_do(mean_points: dict[str, np.ndarray]) -> None:
    rest = mean_points["neutral"]
    moved = {expression: points - rest for expression, points in mean_points.items()}

    def opening(points: np.ndarray, upper: int, lower: int) -> float:
        return float(points[lower, 1] - points[upper, 1])

    assert opening(mean_points["surprise"], 62, 66) > opening(rest, 62, 66) + 0.3
    assert opening(mean_points["fear"], 37, 41) > opening(rest, 37, 41) + 0.05
    assert opening(mean_points["disgust"], 33, 51) < opening(rest, 33, 51)
    assert moved["happy"][48, 1] - moved["happy"][62, 1] < -0.1
    assert moved["happy"][54, 0] - moved["happy"][48, 0] > 0.2
    assert moved["sad"][48, 1] - moved["sad"][62, 1] > 0.1
    assert moved["sad"][21, 1] < -0.1 < 0.05 < moved["sad"][17, 1]
    assert moved["angry"][21, 1] > 0.1 and moved["angry"][22, 0] - moved["angry"][21, 0] < -0.1
    assert moved["surprise"][8, 1] > 0.2


def test_every_two_expressions_differ(mean_points: dict[str, np.ndarray]) -> None:
    for first in EXPRESSIONS:
        for second in EXPRESSIONS[: EXPRESSIONS.index(first)]:
            assert np.abs(mean_points[first] - mean_points[second]).max() > 0.1, (first, second)


def test_unknown_expression() -> None:
    with pytest.raises(ValueError) as error:
        draw_face("bored", 48, np.random.default_rng(0))
    expected = "expected an expression of angry, disgust, fear, happy, sad, surprise, neutral; got 'bored'"
    assert str(error.value) == expected


def test_size_too_small() -> None:
    with pytest.raises(ValueError) as error:
        draw_face("happy", 23, np.random.default_rng(0))
    assert str(error.value) == "expected a size of 24 pixels or more; got 23"
