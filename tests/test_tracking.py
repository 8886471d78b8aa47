"""Faces over frames."""

import numpy as np
import pytest

from fer.device.faces import Box
from fer.predictor import Prediction
from fer.smoothing import OneEuro
from fer.tracking import Tracker, overlap


def face(x, happy=0.5, points=None):
    said = {"happy": happy, "sad": 1 - happy}
    label = "happy" if happy > 0.5 else "sad"
    extra = {} if points is None else {"points": points}
    return Prediction(box=Box(x, 0, 100, 100), label=label, confidence=said[label], probabilities=said, **extra)


def test_faces_keep_their_ids_where_they_change_places_in_the_list():
    follow = Tracker(0, OneEuro())
    assert [number for number, _ in follow([face(0), face(300)], 0.0)] == [1, 2]
    assert [number for number, _ in follow([face(310), face(10)], 0.1)] == [2, 1]


def test_a_face_that_is_gone_for_a_moment_keeps_its_id_and_later_gets_a_new_one():
    follow = Tracker(0, OneEuro())
    follow([face(0)], 0.0)
    assert follow([], 0.5) == []
    assert follow([face(5)], 0.9)[0][0] == 1
    assert follow([face(5)], 2.5)[0][0] == 2


def test_one_wrong_frame_does_not_change_the_class():
    follow = Tracker(0.25, OneEuro())
    for number in range(10):
        follow([face(0, 0.9)], number / 30)
    _, seen = follow([face(0, 0.1)], 10 / 30)[0]
    assert seen.label == "happy" and 0.7 < seen.confidence < 0.9
    assert sum(seen.probabilities.values()) == pytest.approx(1)


def test_points_tremble_less():
    random = np.random.default_rng(0)
    follow, seen = Tracker(0.25, OneEuro()), []
    for number in range(60):
        points = (50 + random.normal(0, 1, (68, 2))).astype(np.float32)
        seen.append(follow([face(0, points=points)], number / 30)[0][1].points)
    assert np.std(seen[20:], axis=0).mean() < 0.6


def test_without_smoothing_predictions_are_left_as_they_are():
    follow, given = Tracker(0, OneEuro()), face(0, 0.8)
    follow([face(0, 0.1)], 0.0)
    assert follow([given], 0.1) == [(1, given)]


def test_the_overlap_of_boxes():
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == 50 / 150
    assert overlap(Box(0, 0, 10, 10), Box(20, 0, 10, 10)) == 0
