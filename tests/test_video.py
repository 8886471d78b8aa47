"""Frames of a file in order and in RGB; what cannot be read is said in one line."""

import re

import cv2
import numpy as np
import pytest

from fer.errors import DataError
from fer.video import Video


def test_a_file_gives_its_frames(clip, drawn):
    with Video(str(clip("face.mp4", frames=5))) as video:
        frames = list(video)
    assert (video.name, video.camera, video.fps) == ("face.mp4", False, 20)
    assert [frame.number for frame in frames] == list(range(5))
    assert [frame.milliseconds for frame in frames] == [0, 50, 100, 150, 200]
    first = frames[0].image
    assert first.shape == (256, 320, 3)
    assert np.abs(first[:, 20:276].astype(int) - drawn[0]).mean(axis=(0, 1)).max() < 12  # RGB, not BGR


def test_frames_that_are_missing_at_the_end_are_told(clip, caplog):
    path = clip(frames=40)
    video = Video(str(path))
    count = cv2.CAP_PROP_FRAME_COUNT

    class Promising:
        def __getattr__(self, name):
            return getattr(capture, name)

        def get(self, key):
            return 60 if key == count else capture.get(key)

    capture, video._capture = video._capture, Promising()
    assert len(list(video)) == 40
    assert caplog.messages == ["clip.mp4: only 40 of 60 frames can be decoded"]
    video.close()


UNREADABLE = (
    "source: OpenCV cannot decode text.mp4: it is no video, damaged, or of an unknown codec; "
    "convert it: ffmpeg -i <file> -c:v libx264 clip.mp4"
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("no.mp4", "source: no such file: no.mp4; give a video file, or the number of a camera such as 0"),
        ("text.mp4", UNREADABLE),
        (
            "99",
            "source: no camera 99: is one connected, and not in use by another program? "
            "Give the number of another one, or a video file: source=clip.mp4",
        ),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, monkeypatch, source, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        Video(source)


def test_the_decoders_own_words_stay_away(tmp_path, command):
    (tmp_path / "text.mp4").write_text("not a video")
    done = command("fer", "capture", "source=text.mp4", "display=false", "label=smile")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {UNREADABLE}\n")
    assert not (tmp_path / "faces.csv").exists()


def test_a_camera_that_ends_is_lost(clip, monkeypatch):
    real, path = cv2.VideoCapture, str(clip(frames=4))
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: real(path))  # a camera that ends after four frames
    with Video("0") as video, pytest.raises(DataError, match=r"^source: camera 0 was lost after 4 frames"):
        for _ in video:
            pass
