"""Capture, from a clip without a window, and under a real display with real keys."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer.capture import Capture, Controls, capture
from fer.config import compose
from fer.errors import ConfigError, RunError
from fer.landmarks import Face
from fer.recording import Recording
from fer.video import Frame


@pytest.fixture
def run(tmp_path, clip):
    """A capture without a window that records smiles."""
    words = ("display=false", "label=smile", f"output={tmp_path / 'faces.csv'}", "session=one")
    return lambda source=None, *more: compose("capture", *words, f"source={source or clip()}", *more)


def rows(run):
    with Path(run.output).open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_clip_is_recorded_frame_by_frame(run):
    settings = run(None, "subject=anna")
    done = capture(settings)
    assert (done.frames, done.recorded, done.refused, done.lost) == (30, 30, Counter(), "")
    seen = [(each["label"], each["subject"], each["session"], each["source"], each["frame"]) for each in rows(settings)]
    assert seen == [("smile", "anna", "one", "clip.mp4", str(number)) for number in range(30)]
    assert {(each["part"], each["width"], each["height"]) for each in rows(settings)} == {("", "320", "256")}


def test_a_second_capture_goes_on_in_the_file(run, clip):
    capture(run(clip(frames=3)))
    done = capture(run(clip(frames=2), "label=neutral"))
    assert (done.recorded, dict(done.counts)) == (
        2,
        {"neutral": 2, "frowning": 0, "smile": 3, "smile_with_teeth": 0},
    )


def test_frames_that_are_not_good_enough_are_counted_and_not_recorded(run, clip):
    settings = run(clip(frames=5, image=np.full((256, 256, 3), 60, np.uint8)))
    done = capture(settings)
    assert (done.recorded, done.refused) == (0, Counter({"no face": 5}))
    assert rows(settings) == []


def test_what_was_recorded_before_the_camera_was_lost_is_kept(run, clip, monkeypatch):
    real, path = cv2.VideoCapture, str(clip(frames=4))
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: real(path))  # a camera that ends after four frames
    settings = run("0")
    done = capture(settings)
    assert done.lost == "source: camera 0 was lost after 4 frames; is it still connected?"
    assert len(rows(settings)) == done.recorded == 4


def test_no_display_is_answered_in_one_line(run, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    settings = run(None, "display=true")
    text = (
        "^display: no window can be opened here; work from a file without one: "
        "display=false source=clip.mp4 label=<class>$"
    )
    with pytest.raises(RunError, match=text):
        capture(settings)
    assert not Path(settings.output).exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["display=false"], "label: needed with display=false: one of neutral, frowning, smile, smile_with_teeth"),
        (
            ["label=smil"],
            "label: expected one of neutral, frowning, smile, smile_with_teeth, got 'smil'; did you mean 'smile'?",
        ),
        (["classes=[a,b,a]"], "classes: expected one to ten different names, got ['a', 'b', 'a']"),
        (["output=faces.csv.gz"], "output: expected a name that ends in .csv, got faces.csv.gz"),
    ],
)
def test_settings_that_do_not_fit_are_refused(words, text):
    with pytest.raises(ConfigError) as error:
        compose("capture", *words)
    assert str(error.value) == text


@pytest.fixture
def session(tmp_path):
    settings = compose("capture", f"output={tmp_path / 'faces.csv'}", "session=one", "gate.sharpness=0")
    with Recording(tmp_path / "faces.csv", settings.classes) as recording:
        yield Capture(settings, recording, "clip.mp4")


def take(session, label, milliseconds):
    points = np.array([(50, 50, 0), (200, 200, 0)], np.float32)
    face = Face(points=points, blendshapes=np.zeros(52, np.float32), pose=(0.0, 0.0, 0.0))
    frame = Frame(image=np.zeros((256, 256, 3), np.uint8), number=0, milliseconds=milliseconds)
    return session.take(frame, [face], label)


def test_undo_takes_back_the_first_press_with_its_repeats(session):
    for label, milliseconds in [("smile", 0), ("smile", 2000), ("", 2050), ("smile", 2600), ("smile", 2650)]:
        take(session, label, milliseconds)
    assert [session.undo() for _ in range(3)] == [3, 1, 0]
    assert session.summary.recorded == 0


def test_keys_do_what_they_say(session):
    controls = Controls(session)
    controls.press("2")
    assert controls.label == "smile"
    take(session, controls.label, 0)
    controls.press("9")
    assert controls.label == ""  # there are four classes
    controls.press("u")
    assert (controls.said, session.recording.counts["smile"]) == ("took back 1 rows", 0)
    for key, name in ((" ", "paused"), ("m", "mesh"), ("q", "done")):
        before = getattr(controls, name)
        controls.press(key)
        assert getattr(controls, name) is not before


@pytest.mark.slow
def test_a_kill_loses_at_most_the_row_in_flight(tmp_path, clip):
    words = ["display=false", "label=smile", "output=faces.csv", f"source={clip(frames=400)}"]
    file = tmp_path / "faces.csv"
    process = subprocess.Popen([sys.executable, "-m", "fer", "capture", *words], cwd=tmp_path)
    wait(lambda: lines(file) > 20, 60)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    whole = file.read_bytes()
    counts = {line.count(b",") for line in whole.split(b"\n")[:-1]}
    assert len(counts) == 1 and whole.count(b"\n") > 20


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs xvfb and xdotool")
def test_keys_that_are_pressed_in_the_window(tmp_path, clip):
    """A real window on a virtual display; xdotool presses, holds and releases the keys of an X keyboard."""
    file = tmp_path / "faces.csv"
    with display() as environment, (tmp_path / "log").open("w") as log:
        words = [f"source={clip(frames=1200)}", "output=faces.csv", "session=one"]
        process = subprocess.Popen(
            [sys.executable, "-m", "fer", "capture", *words], cwd=tmp_path, env=environment, stderr=log, stdout=log
        )

        def xdo(*words):
            return subprocess.run(["xdotool", *words], env=environment, capture_output=True, text=True, timeout=60)

        try:
            window = xdo("search", "--sync", "--onlyvisible", "--name", "fer capture").stdout.split()[0]
            xdo("windowfocus", "--sync", window)
            # a tap: one row
            assert until(lambda: xdo("key", "0"), lambda: lines(file) > 1)
            taps = lines(file)
            # a hold: many rows of the class of key 2, and none after it
            xdo("keydown", "2")
            wait(lambda: lines(file) > taps + 10, 20)
            xdo("keyup", "2")
            time.sleep(1.5)
            held = lines(file)
            time.sleep(0.5)
            assert lines(file) == held
            # one key takes the hold back, and leaves the taps
            xdo("key", "u")
            wait(lambda: lines(file) == taps, 10)
            # while it is paused nothing is recorded; afterwards it is
            xdo("key", "space")
            time.sleep(0.5)
            xdo("key", "3")
            time.sleep(0.5)
            assert lines(file) == taps
            xdo("key", "space")
            time.sleep(1)
            xdo("key", "3")
            wait(lambda: lines(file) > taps, 10)
            xdo("key", "q")
            assert process.wait(20) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()
            process.wait()
    with file.open(newline="") as text:
        labels = Counter(row["label"] for row in csv.DictReader(text))
    assert labels["neutral"] == taps - 1 and labels["smile"] == 0 and labels["smile_with_teeth"] >= 1


class display:  # noqa: N801
    """A virtual display of this test's own."""

    def __enter__(self):
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            return {**os.environ, "DISPLAY": f":{pipe.readline().strip()}"}

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()


def lines(file):
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def until(action, condition, tries=10):
    """Do something until it has an effect, since a window takes keys only some time after it is there."""
    for _ in range(tries):
        action()
        time.sleep(1)
        if condition():
            return True
    return False
