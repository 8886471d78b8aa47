import cv2
import numpy as np
import pytest

from fer.film import AHEAD, Film


def test_a_frame_is_shown_until_the_next(tmp_path):
    """Also where that is longer than frames may wait for the encoder."""
    path = tmp_path / "film.webm"
    with Film(path, fps=10) as film:
        film.add(np.zeros((48, 64, 3), np.uint8), 0)
        film.add(np.full((48, 64, 3), 255, np.uint8), 2 * AHEAD * 100)
        film.add(np.full((24, 32, 3), 128, np.uint8), (2 * AHEAD + 1) * 100)  # of another size
    video = cv2.VideoCapture(str(path))
    grey = []
    while (read := video.read())[0]:
        grey.append(float(read[1].mean()))
    assert grey == pytest.approx([*[0] * 2 * AHEAD, 255, 128], abs=4)


def test_nowhere_to_write(tmp_path):
    path = tmp_path / "missing" / "film.webm"
    with pytest.raises(OSError, match=f"^OpenCV cannot write {path}$"), Film(path, fps=10) as film:
        film.add(np.zeros((48, 64, 3), np.uint8), 0)
