import os
import shutil
import signal

import cv2
import numpy as np
import pytest

from fer.errors import RunError
from fer.film import AHEAD, Film

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="needs Debian's ffmpeg: apt-get install ffmpeg"
)


@pytest.fixture(params=[pytest.param("ffmpeg", marks=needs_ffmpeg), "OpenCV"])
def encoder(request, monkeypatch) -> str:
    """Each of the two that write."""
    if request.param == "OpenCV":
        monkeypatch.setenv("PATH", "")
    return request.param


def means(path) -> list[float]:
    video = cv2.VideoCapture(str(path))
    grey = []
    while (read := video.read())[0]:
        grey.append(float(read[1].mean()))
    return grey


def test_a_frame_is_shown_until_the_next(tmp_path, encoder):
    """Also where that is longer than frames may wait for the encoder."""
    path = tmp_path / "film.webm"
    with Film(path, fps=10) as film:
        film.add(np.zeros((48, 64, 3), np.uint8), 0)
        film.add(np.full((48, 64, 3), 255, np.uint8), 2 * AHEAD * 100)
        film.add(np.full((24, 32, 3), 128, np.uint8), (2 * AHEAD + 1) * 100)  # of another size
    assert means(path) == pytest.approx([*[0] * 2 * AHEAD, 255, 128], abs=4)


def test_colours_are_kept(tmp_path, encoder):
    with Film(tmp_path / "film.webm", fps=10) as film:
        film.add(np.full((48, 64, 3), (200, 100, 50), np.uint8), 0)
    _, image = cv2.VideoCapture(str(tmp_path / "film.webm")).read()
    assert image.mean(axis=(0, 1)) == pytest.approx([50, 100, 200], abs=6)


def test_nowhere_to_write(tmp_path, encoder):
    path = tmp_path / "missing" / "film.webm"
    why = {"OpenCV": "", "ffmpeg": ": .*No such file or directory"}[encoder]
    with pytest.raises(RunError, match=f"^{encoder} cannot write {path}{why}$"), Film(path, fps=10) as film:
        film.add(np.zeros((48, 64, 3), np.uint8), 0)


@needs_ffmpeg
def test_an_encoder_that_stops_is_noticed(tmp_path):
    path = tmp_path / "film.webm"
    with (
        pytest.raises(RunError, match=f"^ffmpeg cannot write {path}: it ended with -9$"),
        Film(path, 10) as film,
    ):
        for number in range(10 * AHEAD):
            film.add(np.zeros((480, 640, 3), np.uint8), 100 * number)
            if not number:
                os.kill(film._writer._process.pid, signal.SIGKILL)


def test_an_ffmpeg_without_the_encoder_is_not_used(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ' V....D libvpx-vp9           VP9'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Film(tmp_path / "film.webm", fps=10) as film:
        film.add(np.zeros((48, 64, 3), np.uint8), 0)
    assert means(tmp_path / "film.webm") == pytest.approx([0], abs=4)
