"""The frames of a camera or of a video file, one after the other, decoded by OpenCV."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        number: from 0.
        milliseconds: since the first frame of a camera, or as the file says.
    """

    image: np.ndarray
    number: int
    milliseconds: int


class Video:
    """An open camera or file; iterate once over its frames. It is a context that closes it.

    Attributes:
        name: "camera 0", or the file's name.
        camera: it is one.
        fps: frames a second as the file or the driver says; 30 where it says nothing.
        frames: how many a file says it has; 0 for a camera, or where it says nothing.
    """

    def __init__(self, source: str) -> None:
        """Open it.

        Args:
            source: the number of a camera, or the path of a file.

        Raises:
            DataError: there is no such camera or file, or OpenCV cannot decode it.
        """
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what went wrong is said below
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self.camera = source.isdecimal()
        self.name = f"camera {source}" if self.camera else Path(source).name
        self._source = source
        if not self.camera and not Path(source).expanduser().is_file():
            raise DataError(f"source: no such file: {source}; give a video file, or the number of a camera such as 0")
        self._capture: Any = cv2.VideoCapture(int(source) if self.camera else str(Path(source).expanduser()))
        self._first = self._capture.read()[1] if self._capture.isOpened() else None
        if self._first is None:
            self.close()
            raise DataError(self._unreadable())
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or 30.0
        self.frames = 0 if self.camera else max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            DataError: a camera gives no more frames.
        """
        import cv2

        start, number = time.monotonic(), 0
        pixels, self._first = self._first, None
        while pixels is not None:
            now = (time.monotonic() - start) * 1000 if self.camera else self._capture.get(cv2.CAP_PROP_POS_MSEC)
            yield Frame(image=cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), number=number, milliseconds=int(now))
            number += 1
            pixels = self._capture.read()[1]
        if self.camera:
            raise DataError(f"source: {self.name} was lost after {number} frames; is it still connected?")
        promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if number < 0.9 * promised:
            logger.warning("%s: only %s of %s frames can be decoded", self.name, number, promised)

    def _unreadable(self) -> str:
        if self.camera:
            return (
                f"source: no {self.name}: is one connected, and not in use by another program? "
                "Give the number of another one, or a video file: source=clip.mp4"
            )
        return (
            f"source: OpenCV cannot decode {self._source}: it is no video, damaged, or of an unknown codec; "
            "convert it: ffmpeg -i <file> -c:v libx264 clip.mp4"
        )

    def skip(self) -> None:
        """Throw away what a camera has in store, so that the next frame is a new one."""
        if self.camera:
            self._capture.grab()

    def close(self) -> None:
        """Free the camera or the file."""
        self._capture.release()

    def __enter__(self) -> "Video":
        """Return the video."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
