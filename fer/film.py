"""A video that browsers play: VP8 in WebM, free of patents' fees and without other programs."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

LIMIT = 1280
"""Pixels of the width at most: larger frames are made smaller."""

AHEAD = 8
"""Frames that may wait for the encoder, which takes longer than most of what comes before it."""


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
            OSError: the file cannot be written.
        """
        import cv2

        if self._size is None:
            scale = min(1.0, LIMIT / image.shape[1])
            height, width = (max(2, 2 * round(side * scale / 2)) for side in image.shape[:2])
            self._size = (width, height)
            self._open()
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
        self._waiting.append(self._encoder.submit(self._writer.write, image[..., ::-1]))
        self._written += 1

    def _open(self) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        import cv2

        self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"VP80"), self._fps, self._size)
        if not self._writer.isOpened():
            raise OSError(f"OpenCV cannot write {self._path}")

    def __enter__(self) -> "Film":
        """Return the film."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it, when all frames are in it."""
        self._encoder.shutdown()
        if self._writer is not None:
            self._writer.release()
