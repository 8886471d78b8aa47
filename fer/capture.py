"""Label the expressions of someone before a camera, or in a video: frames in, rows of landmarks out.

Keys: 0 to 9 record as that class while they are held (a tap records one frame), u takes back what the last hold
recorded, space pauses, m shows the mesh or not, q ends.
"""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer.errors import DataError
from fer.keys import HeldKey
from fer.landmarks import Face, FaceFinder
from fer.mesh_csv import row
from fer.recording import Recording
from fer.runs.capture import CaptureRun
from fer.video import Frame, Video

if TYPE_CHECKING:
    from fer.window import Window

TAKE = 1000
"""Rows of one class that are less than this many milliseconds apart are one take, so that a key's first press and its
repeats, which come later, are taken back together."""


@dataclass(kw_only=True)
class Summary:
    """What a capture did.

    Attributes:
        frames: that were looked at.
        recorded: rows that were written and not taken back.
        refused: frames that were to be recorded and were not good enough, by reason.
        counts: rows of each class in the file, with those of earlier captures.
        lost: why it ended before the user ended it, or empty.
    """

    frames: int = 0
    recorded: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    lost: str = ""


class Capture:
    """One capture: what is recorded is decided here, what is seen and pressed comes from outside."""

    def __init__(self, run: CaptureRun, recording: Recording, source: str) -> None:
        """Begin."""
        self.run, self.recording, self.source = run, recording, source
        self.summary = Summary()
        self._last = ("", 0)

    def take(self, frame: Frame, faces: list[Face], label: str) -> str:
        """Record a frame as a class, if one is asked for and the frame is good enough.

        Returns:
            Why it would not be recorded, whether asked for or not; empty for a good frame.
        """
        reason = self.run.gate.refusal(frame.image, faces)
        self.summary.frames += 1
        if label and reason:
            self.summary.refused[reason] += 1
        elif label:
            height, width = frame.image.shape[:2]
            line = row(
                faces[0],
                label=label,
                subject=self.run.subject,
                session=self.run.session,
                source=self.source,
                frame=frame.number,
                size=(width, height),
            )
            before, self._last = self._last, (label, frame.milliseconds)
            apart = label != before[0] or frame.milliseconds - before[1] > TAKE
            self.recording.add(label, line, new_take=apart)
            self.summary.recorded += 1
        return reason

    def undo(self) -> int:
        """Take the last hold back; return its number of rows."""
        rows = self.recording.undo()
        self.summary.recorded -= rows
        return rows


def capture(run: CaptureRun) -> Summary:
    """Record until the video ends or the user ends it.

    Raises:
        DataError: the camera or the file cannot be read, or the output is of another kind.
        RunError: there is no display, or the output cannot be written.
    """
    with ExitStack() as stack:
        video = stack.enter_context(Video(run.source))
        finder = stack.enter_context(run.mesh.open("video"))
        window = stack.enter_context(_window(video.name)) if run.display else None
        recording = stack.enter_context(Recording(Path(run.output), run.classes))
        session = Capture(run, recording, video.name)
        try:
            if window:
                _watch(session, video, finder, window)
            else:
                for frame in video:
                    session.take(frame, finder.find(frame.image, frame.milliseconds), run.label or "")
        except DataError as error:  # a camera that was lost
            session.summary.lost = str(error)
        session.summary.counts = recording.counts
        return session.summary


def _window(name: str) -> "Window":
    from fer.window import Window  # OpenCV

    return Window(f"fer capture: {name}")


def _watch(session: Capture, video: Video, finder: FaceFinder, window: "Window") -> None:
    """Show the frames with what is found in them, and do what the keys say."""
    controls, always = Controls(session), session.run.label or ""
    for frame in video:
        start = time.monotonic()
        faces, label = finder.find(frame.image, frame.milliseconds), controls.label or always
        reason = session.take(frame, faces, label)
        picture = _picture(session, controls, frame, faces, label, reason)
        passed = time.monotonic() - start
        # a file is shown at its own speed
        controls.press(window.show(picture, 1 if video.camera else int(1000 * (1 / video.fps - passed))))
        while controls.paused and not controls.done:
            video.skip()
            picture = _picture(session, controls, frame, faces, "", reason)
            controls.press(window.show(picture, 30))
        if controls.done:
            return


class Controls:
    """What the keys switched.

    Attributes:
        label: the class that is recorded, or empty.
        mesh: the mesh is shown.
        paused: no frame is looked at.
        done: the user ended it.
        said: an answer to the last key.
    """

    def __init__(self, session: Capture) -> None:
        """Begin with no key held."""
        self.label, self.said = "", ""
        self.mesh, self.paused, self.done = True, False, False
        self._session, self._held = session, HeldKey()

    def press(self, key: str) -> None:
        """Do what a key says; an empty string where none was pressed."""
        if key == "u":
            self.said = f"took back {self._session.undo()} rows"
        elif key == "m":
            self.mesh = not self.mesh
        elif key == " ":
            self.paused = not self.paused
        elif key == "q":
            self.done = True
        digit, classes = self._held.active(key if key.isdecimal() else ""), self._session.run.classes
        self.label = classes[int(digit)] if digit and int(digit) < len(classes) else ""


def _picture(
    session: Capture, controls: Controls, frame: Frame, faces: list[Face], label: str, reason: str
) -> np.ndarray:
    """Return a frame with the mesh, what is being done, and the rows of each class."""
    from fer import overlay

    image = frame.image.copy()
    for face in faces if controls.mesh else []:
        overlay.draw_mesh(image, face)
    good = "paused" if controls.paused else f"recording {label}" if label else "ready"
    state = (f"not recorded: {reason}" if label else reason, overlay.RED) if reason else (good, overlay.GREEN)
    keys = ("hold 0-9: record  u: undo  space: pause  m: mesh  q: end", overlay.WHITE)
    overlay.draw_lines(image, [state, keys, (controls.said, overlay.WHITE)])
    overlay.draw_meter(image, session.recording.counts, label)
    return image
