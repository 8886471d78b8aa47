"""A video that browsers play: VP9 or VP8 in WebM, free of patents' fees and without other programs."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

LIMIT = 1280
"""Pixels of the width at most: larger frames are made smaller."""


class Film:
    """An open video; a context that closes it. With PyAV frames keep their times; OpenCV repeats or drops some.

    Args:
        path: ends in .webm.
        fps: frames a second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._size: tuple[int, int] | None = None
        self._writer: _Av | _OpenCv | None = None

    def add(self, image: np.ndarray, milliseconds: int) -> None:
        """Add a frame, uint8 (height, width, 3) RGB; one of another size than the first is fitted to that."""
        import cv2

        if self._size is None:
            scale = min(1.0, LIMIT / image.shape[1])
            height, width = (max(2, 2 * round(side * scale / 2)) for side in image.shape[:2])
            self._size = (width, height)
            self._writer = _open(self._path, self._fps, self._size)
        assert self._size is not None
        assert self._writer is not None
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.add(np.ascontiguousarray(image), milliseconds)

    def __enter__(self) -> "Film":
        """Return the film."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        if self._writer is not None:
            self._writer.close()


def _open(path: Path, fps: float, size: tuple[int, int]) -> "_Av | _OpenCv":
    try:
        return _Av(path, fps, size)
    except ModuleNotFoundError:
        return _OpenCv(path, fps, size)


class _Av:
    """VP9 by PyAV, in libvpx's quick mode."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        from fractions import Fraction

        import av

        self._av, self._tick, self._time = av, Fraction(1, 1000), -1
        self._container: Any = av.open(str(path), "w")
        options = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1"}
        self._stream: Any = self._container.add_stream("libvpx-vp9", rate=max(1, round(fps)), options=options)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt, self._stream.bit_rate = "yuv420p", 4 * size[0] * size[1]
        self._stream.codec_context.time_base = self._tick

    def add(self, image: np.ndarray, milliseconds: int) -> None:
        frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
        self._time = max(self._time + 1, milliseconds)
        frame.pts, frame.time_base = self._time, self._tick
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


class _OpenCv:
    """VP8 by OpenCV, at one rate: a frame is written as often as its time asks for."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        import cv2

        self._fps, self._written = fps, 0
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), fps, size)
        if not self._writer.isOpened():
            raise OSError(f"OpenCV cannot write {path}")

    def add(self, image: np.ndarray, milliseconds: int) -> None:
        for _ in range(round(milliseconds * self._fps / 1000) + 1 - self._written):
            self._writer.write(image[..., ::-1])
            self._written += 1

    def close(self) -> None:
        self._writer.release()
