"""What is refused, and with which words."""

import cv2
import numpy as np
import pytest

from fer.config import compose
from fer.errors import ConfigError
from fer.landmarks import Face
from fer.quality import Gate, sharpness


@pytest.fixture(scope="module")
def gate():
    return compose("capture").gate


def face(box=(50, 50, 200, 220), pose=(0.0, 0.0, 0.0)):
    points = np.array([(*box[:2], 0), (*box[2:], 0)], np.float32)
    return Face(points=points, blendshapes=np.zeros(52, np.float32), pose=pose)


SHARP = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "faces", "reason"),
    [
        (SHARP, [face()], ""),
        (SHARP, [], "no face"),
        (SHARP, [face(), face()], "several faces"),
        (SHARP, [face(box=(50, 50, 129, 220))], "face too small"),
        (SHARP, [face(box=(-1, 50, 129, 220))], "face cut off"),
        (SHARP, [face(box=(50, 50, 200, 257))], "face cut off"),
        (SHARP, [face(pose=(-41, 0, 0))], "extreme pitch"),
        (SHARP, [face(pose=(0, 41, 0))], "extreme yaw"),
        (SHARP, [face(pose=(0, 0, 41))], "extreme roll"),
        (np.full_like(SHARP, 90), [face()], "blurred"),
    ],
)
def test_a_frame_is_refused_with_its_reason(gate, image, faces, reason):
    assert gate.refusal(image, faces) == reason


def test_a_drawn_face_passes_until_it_is_blurred(gate, finder, drawn):
    image = np.pad(drawn[0], ((0, 0), (32, 32), (0, 0)), mode="edge")
    assert gate.refusal(image, finder.find(image)) == ""
    blurred = cv2.GaussianBlur(image, (0, 0), 6)
    assert gate.refusal(blurred, finder.find(blurred)) == "blurred"


def test_sharpness_does_not_depend_on_the_size_of_the_face(finder, drawn):
    large = cv2.resize(drawn[0], (768, 768), interpolation=cv2.INTER_CUBIC)
    values = [sharpness(image, finder.find(image)[0]) for image in (drawn[0], large)]
    assert values[1] == pytest.approx(values[0], rel=0.35)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"^yaw: expected a value from 1 to 180, got 0$"):
        Gate(size=80, sharpness=1, yaw=0, pitch=9, roll=9)
