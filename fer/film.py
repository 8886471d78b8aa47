"""A video that browsers play: VP8 in WebM, free of patents' fees.

The program ffmpeg writes it where there is one, else OpenCV, which hands its encoder no settings, so that `predict`
does less than half as many frames a second (docs/performance.md).
"""

import os
import shutil
import subprocess
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from fer.errors import RunError

LIMIT = 1280
"""Pixels of the width at most: larger frames are made smaller."""

AHEAD = 8
"""Frames that may wait for the encoder, which takes longer than most of what comes before it."""

LIVE = ["-threads", "1", "-deadline", "realtime", "-cpu-used", "-6", "-crf", "10", "-b:v", "8M"]
"""ffmpeg's settings of VP8: as fast as a camera, on one thread, since the others find faces meanwhile."""


class Film:
    """An open video; a context that closes it. It has one rate: a frame is shown until the next one's time.

    A thread encodes while the next frames are worked on.

    Args:
        path: ends in .webm.
        fps: frames a second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._size: tuple[int, int] | None = None
        self._writer: Any = None
        self._written = 0
        self._shown: np.ndarray | None = None
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="film")
        self._waiting: deque[Future[None]] = deque()

    def add(self, image: np.ndarray, milliseconds: int) -> None:
        """Add a frame, uint8 (height, width, 3) RGB; one of another size than the first is fitted to that.

        It must not be changed afterwards.

        Raises:
            RunError: the file cannot be written.
        """
        import cv2

        if self._size is None:
            scale = min(1.0, LIMIT / image.shape[1])
            height, width = (max(2, 2 * round(side * scale / 2)) for side in image.shape[:2])
            self._size = (width, height)
            self._writer = _writer(self._path, self._fps, self._size)
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        place = round(milliseconds * self._fps / 1000)
        while self._written < place:
            self._write(image if self._shown is None else self._shown)
        if self._written == place:
            self._write(image)
        self._shown = image

    def _write(self, image: np.ndarray) -> None:
        if len(self._waiting) == AHEAD:
            self._waiting.popleft().result()
        self._waiting.append(self._encoder.submit(self._writer.write, image))
        self._written += 1

    def __enter__(self) -> "Film":
        """Return the film."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it, when all frames are in it.

        Raises:
            RunError: the file could not be written.
        """
        self._encoder.shutdown()
        if self._writer is not None:
            self._writer.close()
        for written in self._waiting:
            written.result()


def _writer(path: Path, fps: float, size: tuple[int, int]) -> "_Program | _OpenCV":
    program = shutil.which("ffmpeg")
    if program:
        listed = subprocess.run([program, "-v", "error", "-encoders"], capture_output=True, check=False, text=True)
        if " libvpx " in listed.stdout:
            return _Program(program, path, fps, size)
    return _OpenCV(path, fps, size)


class _OpenCV:
    """OpenCV's own encoder."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        import cv2

        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), fps, size)
        if not self._writer.isOpened():
            raise RunError(f"OpenCV cannot write {path}")

    def write(self, image: np.ndarray) -> None:
        self._writer.write(image[..., ::-1])

    def close(self) -> None:
        self._writer.release()


class _Program:
    """ffmpeg, in a session of its own: Ctrl-C is ours to answer, and what was written by then is kept."""

    def __init__(self, program: str, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path = path
        frames = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-"]
        self._process = subprocess.Popen(
            [program, "-v", "error", "-y", *frames, "-c:v", "libvpx", *LIVE, "-f", "webm", str(path.absolute())],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def write(self, image: np.ndarray) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(np.ascontiguousarray(image).data)  # a broken pipe: close() says why

    def close(self) -> None:
        _, said = self._process.communicate()
        code = self._process.returncode
        if code:
            last = said.decode(errors="replace").strip().split("\n")[-1]
            raise RunError(f"ffmpeg cannot write {self._path}: {last or f'it ended with {code}'}")
