"""Frames from an image, a folder of images, a video or a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer.errors import DataError

IMAGES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".webp")


def is_still(source: str) -> bool:
    """Tell whether a source is an image or a folder of images."""
    path = Path(source)
    return path.is_dir() or path.suffix.lower() in IMAGES


def frames(source: str) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield (name, number, BGR frame) of each frame.

    Args:
        source: path of an image, a folder (searched through), a video, or a camera's number.

    Raises:
        DataError: it is not there, or OpenCV cannot read it.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGES)
        if not files:
            raise DataError(f"{path}: holds no images ({', '.join(IMAGES)})")
        for file in files:
            yield str(file), 0, _image(file)
    elif path.suffix.lower() in IMAGES:
        yield source, 0, _image(path)
    else:
        yield from _video(source)


def _image(file: Path) -> np.ndarray:
    import cv2

    frame = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if frame is None:
        raise DataError(f"{file}: {'cannot be read as an image' if file.exists() else 'no such file'}")
    return frame


def _video(source: str) -> Iterator[tuple[str, int, np.ndarray]]:
    import cv2

    camera = source.isdecimal()
    if not camera and not Path(source).exists():
        raise DataError(f"{source}: no such file; expected an image, a folder, a video, or a camera's number")
    capture = cv2.VideoCapture(int(source) if camera else source)
    try:
        if not capture.isOpened():
            what = "no such camera, or it is in use" if camera else "OpenCV cannot read it as a video"
            raise DataError(f"{source}: {what}")
        number = 0
        while True:
            there, frame = capture.read()
            if not there:
                break
            yield source, number, frame
            number += 1
        if not number:
            raise DataError(f"{source}: gave no frame")
    finally:
        capture.release()
