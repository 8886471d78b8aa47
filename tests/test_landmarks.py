"""The face mesh finds drawn faces where they are, in images, videos and live, and frees what it holds."""

import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest

from fer.errors import ConfigError, DataError, RunError
from fer.landmarks import BLENDSHAPES, Face, _pose, rotation
from fer.mesh_library import mediapipe_module

EYE_CORNERS = {33: 36, 133: 39, 362: 42, 263: 45, 1: 30, 61: 48, 291: 54}
"""Points of the mesh, and the same of the 68: corners of the eyes, tip of the nose, corners of the mouth."""


def distance(face: Face, points: np.ndarray) -> float:
    """Return the mean distance of the corners, as a part of the distance between the outer eye corners."""
    ours, theirs = face.points[list(EYE_CORNERS), :2], points[list(EYE_CORNERS.values())]
    return float(np.linalg.norm(ours - theirs, axis=1).mean() / np.linalg.norm(points[36] - points[45]))


def test_points_lie_on_the_drawn_face(finder, drawn):
    image, points = drawn
    [face] = finder.find(image)
    assert face.points.shape == (478, 3) and face.points.dtype == np.float32
    assert face.blendshapes.shape == (52,) and face.blendshapes.dtype == np.float32
    assert ((face.blendshapes >= 0) & (face.blendshapes <= 1)).all()
    assert distance(face, points) < 0.08


def test_blendshapes_have_mediapipes_names_and_order(finder, drawn):
    frame = finder._frame(drawn[0])
    [categories] = finder._landmarker.detect(frame).face_blendshapes
    assert tuple(each.category_name for each in categories) == BLENDSHAPES


def test_the_nose_is_nearer_than_the_ears(finder, drawn):
    [face] = finder.find(drawn[0])
    assert face.points[1, 2] < face.points[[234, 454], 2].min()


def test_box_is_around_the_points(finder, drawn):
    [face] = finder.find(drawn[0])
    left, top, right, bottom = face.box
    assert (left, top) == tuple(face.points[:, :2].min(axis=0))
    assert (right, bottom) == tuple(face.points[:, :2].max(axis=0))


@pytest.mark.parametrize("channels", [(), (1,)])
def test_grey_images_are_taken(finder, drawn, channels):
    grey = drawn[0].mean(axis=-1).astype(np.uint8).reshape(256, 256, *channels)
    [face] = finder.find(grey)
    assert distance(face, drawn[1]) < 0.08


def test_small_images_are_enlarged_and_the_points_brought_back(face_mesh, drawn):
    import cv2

    small = cv2.resize(drawn[0], (48, 48), interpolation=cv2.INTER_AREA)
    with face_mesh(enlarge=192, border=32).open("image") as finder:
        [face] = finder.find(small)
    assert distance(face, drawn[1] * 48 / 256) < 0.1


@pytest.mark.parametrize("shape", [(1, 400, 3), (40_000, 2, 3)])
def test_a_picture_longer_than_mediapipe_bears_is_answered(finder, shape):
    assert finder.find(np.zeros(shape, np.uint8)) == []


def test_a_face_in_a_long_picture_is_scaled_down_and_its_points_brought_back(face_mesh, drawn, monkeypatch):
    monkeypatch.setattr("fer.landmarks.LONGEST", 200)
    with face_mesh().open("image") as smaller, face_mesh(enlarge=0).open("image") as whole:
        (one,), (other,) = smaller.find(drawn[0]), whole.find(drawn[0])
    np.testing.assert_allclose(one.points[:, :2], other.points[:, :2], atol=5)


def test_a_face_that_fills_the_image_is_found_with_a_border(face_mesh, drawn):
    left, top, right, bottom = (int(each) for each in (58, 48, 202, 192))
    face = drawn[0][top:bottom, left:right]
    with face_mesh(border=48).open("image") as finder:
        assert len(finder.find(face)) == 1


def test_several_faces_come_largest_first(finder, drawn):
    import cv2

    pair = np.full((256, 460, 3), 128, np.uint8)
    pair[28:228, :200] = cv2.resize(drawn[0], (200, 200), interpolation=cv2.INTER_AREA)
    pair[:, 204:] = drawn[0]
    first, second = finder.find(pair)
    assert first.box[0] > 204 > second.box[2]


def test_nothing_is_found_where_there_is_no_face(finder):
    assert finder.find(np.full((200, 300, 3), 90, np.uint8)) == []


def test_a_head_turned_in_the_image_rolls(finder, drawn):
    import cv2

    [straight] = finder.find(drawn[0])
    turn = cv2.getRotationMatrix2D((128, 128), 15, 1)  # counter-clockwise
    [turned] = finder.find(cv2.warpAffine(drawn[0], turn, (256, 256), borderMode=cv2.BORDER_REPLICATE))
    assert turned.pose[2] - straight.pose[2] == pytest.approx(15, abs=4)


def test_a_mirrored_face_looks_to_the_other_side(finder, drawn):
    squeezed = drawn[0].copy()
    [face], [mirrored] = finder.find(squeezed), finder.find(squeezed[:, ::-1])
    assert mirrored.pose[1] == pytest.approx(-face.pose[1], abs=4)
    assert mirrored.pose[2] == pytest.approx(-face.pose[2], abs=4)


def test_pose_and_rotation_are_inverse():
    rng = np.random.default_rng(0)
    for pose in rng.uniform(-60, 60, (20, 3)):
        matrix = np.eye(4)
        matrix[:3, :3] = 1.7 * rotation(tuple(pose))
        np.testing.assert_allclose(_pose(matrix), pose, atol=1e-6)
    # the nose of a face that looks straight points to the camera
    right, down, left = (rotation(pose) @ (0, 0, 1) for pose in ((0, 30, 0), (30, 0, 0), (0, -30, 0)))
    assert right[0] > 0 > left[0] and down[1] < 0


def test_the_points_rotated_back_look_straight(finder, drawn):
    import cv2

    turn = cv2.getRotationMatrix2D((128, 128), 20, 1)
    [face] = finder.find(cv2.warpAffine(drawn[0], turn, (256, 256), borderMode=cv2.BORDER_REPLICATE))
    upright = (face.points * (1, -1, -1)) @ rotation(face.pose)
    (right, left), spread = upright[[33, 263]], np.ptp(upright[:, 0])
    assert abs(right[1] - left[1]) < 0.05 * spread < abs(right[0] - left[0])


def test_video_follows_the_face_even_where_times_do_not_rise(face_mesh, drawn):
    with face_mesh().open("video") as finder:
        for milliseconds in (0, 33, 33, 10, 0):
            [face] = finder.find(drawn[0], milliseconds)
            assert distance(face, drawn[1]) < 0.08


def test_live_answers_at_once_with_the_newest_faces(face_mesh, drawn):
    with face_mesh().open("live") as finder:
        assert finder.find(drawn[0], 0) == []
        end = time.monotonic() + 20
        while not (faces := finder.find(drawn[0], 0)) and time.monotonic() < end:
            time.sleep(0.02)
    assert distance(faces[0], drawn[1]) < 0.08


def test_closing_ends_the_threads_and_can_be_done_twice(face_mesh, drawn):
    before = threading.active_count()
    for mode in ("image", "live"):
        finder = face_mesh().open(mode)
        finder.find(drawn[0])
        assert threading.active_count() > before
        finder.close()
        finder.close()
        assert threading.active_count() == before
    with pytest.raises(ValueError, match="this FaceFinder is closed"):
        finder.find(drawn[0])


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (np.zeros((8, 8, 3), np.float32), r"expected a uint8 image \(height, width, 3\), got float32 \(8, 8, 3\)"),
        (np.zeros((0, 8, 3), np.uint8), r"expected a uint8 image \(height, width, 3\), got uint8 \(0, 8, 3\)"),
        (np.zeros((8, 8, 4), np.uint8), "expected 1 or 3 channels, got 4"),
    ],
)
def test_what_is_no_image_is_refused(finder, image, text):
    with pytest.raises(ValueError, match=text):
        finder.find(image)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"faces": 0}, "faces: expected 1 or more, got 0"),
        ({"presence": 1.5}, "presence: expected a value from 0 to 1, got 1.5"),
        ({"border": -1}, "border: expected a value from 0 to 1024, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(face_mesh, changes, text):
    with pytest.raises(ConfigError, match=f"^{text}$"):
        face_mesh(**changes)


def test_a_damaged_model_is_named(face_mesh, tmp_path):
    file = tmp_path / "face_landmarker.task"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("nothing", "of use")
    with pytest.raises(RunError, match=f"^MediaPipe cannot load {file}: "):
        face_mesh(model=str(file)).open("image")
    with pytest.raises(DataError, match=r"^mesh.model: no such file: nowhere.task; get https://"):
        face_mesh(model="nowhere.task").open("image")


def test_a_missing_system_library_names_the_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(RunError, match=r"apt-get install libgl1 libegl1 libgles2 libglib2.0-0"):
        mediapipe_module()


def test_loading_is_quiet_and_without_tensorflow(tmp_path):
    code = (
        "import sys; from fer.config import compose; compose('extract').mesh.open('image').close();"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == ("False\n", "")
