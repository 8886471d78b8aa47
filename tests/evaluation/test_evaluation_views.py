import numpy as np
import pytest

from fer.base import DataSpec
from fer.evaluation.views import views

CLASSES = DataSpec(name="x", kind="image", shape=(50, 50, 1), classes=("a", "b"))
POINTS = DataSpec(name="x", kind="image", shape=(50, 50, 1), points=2, mirror=(1, 0))


@pytest.mark.parametrize(("name", "count"), [("none", 1), ("flip", 2), ("ten", 10)])
def test_a_name_has_its_number_of_different_views(name, count):
    images = np.random.default_rng(0).integers(0, 256, (1, 50, 50, 1), dtype=np.uint8)
    seen = [look(images) for look, _ in views(name, CLASSES)]
    assert all(each.shape == images.shape for each in seen)
    assert len({each.tobytes() for each in seen}) == count
    assert np.array_equal(seen[0], images)


def test_a_shift_repeats_the_border():
    images = np.zeros((1, 50, 50, 1), np.uint8)
    images[:, 0] = 9
    down = [look(images) for look, _ in views("ten", CLASSES)][3]  # by 2 pixels down and to the left
    assert (down[0, :3] == 9).all()
    assert (down[0, 3:] == 0).all()


def test_points_come_back_to_where_they_are_in_the_image():
    image = np.zeros((1, 50, 50, 1), np.uint8)
    image[0, 20, 10] = 1
    image[0, 30, 40] = 2
    truth = np.array([[[10.5, 20.5], [40.5, 30.5]]])
    for look, undo in views("ten", POINTS):
        seen = look(image)[0, :, :, 0]
        found = np.array([[np.argwhere(seen == value)[0][::-1] + 0.5 for value in (1, 2)]])
        mirrored = found[0, 0, 0] > 25  # the network would name the points as it sees them
        assert np.allclose(undo(found[:, [1, 0]] if mirrored else found), truth)
