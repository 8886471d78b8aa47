import numpy as np
import pytest

from fer.annotate import annotate
from fer.device.faces import Box
from fer.predictor import Prediction

CLASSES = ("angry", "happy", "neutral")


def face(x, y, side):
    shares = dict(zip(CLASSES, (0.1, 0.7, 0.2), strict=True))
    return None, Prediction(box=Box(x, y, side, side), label="happy", confidence=0.7, probabilities=shares)


def changed(picture, left, top, right, bottom):
    return (picture[top:bottom, left:right] != 200).any()


@pytest.fixture
def grey():
    return np.full((480, 640, 3), 200, np.uint8)


def test_title_and_bars_stand_beside_a_face(grey):
    picture = annotate(grey, [face(200, 200, 100)], mesh=False)
    assert (grey == 200).all()
    assert not changed(picture, 204, 204, 296, 296)
    assert changed(picture, 200, 180, 300, 196) and changed(picture, 304, 200, 420, 300)


def test_bars_change_sides_at_the_edge(grey):
    picture = annotate(grey, [face(530, 200, 100)], mesh=False)
    assert changed(picture, 400, 200, 526, 300) and not changed(picture, 534, 204, 626, 296)


def test_nothing_is_drawn_on_another_face(grey):
    near = [face(100, 100, 100), face(210, 100, 100), face(320, 100, 100), face(210, 210, 100)]
    picture = annotate(grey, near, mesh=False)
    for _, each in near:
        box = each.box
        assert not changed(picture, box.x + 4, box.y + 4, box.x + 96, box.y + 96), box


def test_bars_of_a_face_without_room_are_left_out_and_its_title_goes_below(grey):
    picture = annotate(grey, [face(0, 0, 200), face(204, 0, 200), face(408, 0, 200)], mesh=False)
    assert not any(changed(picture, left + 4, 4, left + 196, 196) for left in (0, 204, 408))
    assert changed(picture, 204, 204, 404, 230)


def test_the_only_face_has_its_bars_inside_where_it_fills_the_picture(grey):
    crop = annotate(grey[:48, :48], [face(0, 0, 48)], mesh=False)
    assert crop.shape == (336, 336, 3)
    assert changed(crop, 10, 200, 100, 320)
