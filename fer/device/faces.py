"""Where the faces are in a frame, with what OpenCV has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer.errors import ModelError

SMALLEST = 24
"""Pixels of the side of a face in the picture that is searched: the cascade was trained on as many."""


SEARCHED = 320
"""Pixels of the width in which faces are looked for in a stream: every face of 48 pixels in a frame of 640."""

FINE, COARSE = (1.1, 5), (1.2, 3)
"""From one size of the cascade to the next, and how many neighbours must agree. Of 300 photos of a face FINE found
it in 272 and COARSE in 260, in 0.58 of the time (`python benchmarks/cascade.py`, 2026-11-22, OpenCV 4.14)."""


class Box(NamedTuple):
    """A face in pixels of the frame."""

    x: int
    y: int
    width: int
    height: int


Detector = Callable[[np.ndarray], list[Box]]
"""BGR frame, as OpenCV reads it -> faces, largest first."""


def detector(kind: str, width: int = 0) -> Detector:
    """Return what finds faces.

    Args:
        kind: "whole" (the frame is a face), "haar" (OpenCV's own cascade, Viola & Jones 2001), the path of a cascade's
            .xml file, or of YuNet's .onnx file (Wu et al. 2023).
        width: search a copy of the frame of so many pixels, in coarser steps: half the width costs a quarter of the
            time and the small faces; 0 searches the frame itself.

    Raises:
        ModelError: OpenCV has no cascade, or cannot read the file.
    """
    if kind == "whole":
        return lambda frame: [Box(0, 0, frame.shape[1], frame.shape[0])]
    cascaded = kind == "haar" or kind.endswith(".xml")
    detect = _haar(kind, *(COARSE if width else FINE)) if cascaded else _yunet(Path(kind))
    return _in_smaller(detect, width) if width else detect


def crop(frame: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """Cut a face out of a BGR frame, larger by `margin` of its size on each side, as RGB.

    Edge pixels fill what is outside the frame.
    """
    import cv2

    wider, higher = round(margin * box.width), round(margin * box.height)
    left, top = box.x - wider, box.y - higher
    right, bottom = box.x + box.width + wider, box.y + box.height + higher
    height, width = frame.shape[:2]
    inside = frame[max(top, 0) : bottom, max(left, 0) : right]
    above, below, before, after = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    if above or below or before or after:
        inside = cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)
    return cv2.cvtColor(inside, cv2.COLOR_BGR2RGB)


def _in_smaller(detect: Detector, width: int) -> Detector:
    import cv2

    def smaller(frame: np.ndarray) -> list[Box]:
        scale = frame.shape[1] / width
        if scale <= 1:
            return detect(frame)
        size = (width, round(frame.shape[0] / scale))
        found = detect(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        return [Box(*(round(side * scale) for side in box)) for box in found]

    return smaller


def _haar(kind: str, step: float, neighbours: int) -> Detector:
    import cv2

    own = Path(cv2.__file__).parent / "data/haarcascade_frontalface_default.xml"
    file = own if kind == "haar" else Path(kind)
    cascade = cv2.CascadeClassifier(str(file)) if file.exists() else None
    if cascade is None or cascade.empty():
        if kind != "haar":
            raise ModelError(f"{kind}: expected a cascade of OpenCV (.xml), which it is not or which is not there")
        raise ModelError(
            f"--faces haar: OpenCV {cv2.__version__} comes without {file.name}; "
            "pip install 'opencv-python-headless<5', or give YuNet's file: --faces face_detection_yunet.onnx"
        )

    def detect(frame: np.ndarray) -> list[Box]:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        found = cascade.detectMultiScale(grey, step, neighbours, minSize=(SMALLEST, SMALLEST))
        return _largest_first([Box(*map(int, each)) for each in found])

    return detect


def _yunet(file: Path) -> Detector:
    import cv2

    if not file.exists():
        raise ModelError(
            f"--faces {file}: expected whole, haar or the path of YuNet's .onnx file; there is no such file"
        )
    try:
        network = cv2.FaceDetectorYN.create(str(file), "", (320, 320))
    except cv2.error as error:
        raise ModelError(f"--faces {file}: OpenCV cannot read it: {error.err}") from error

    def detect(frame: np.ndarray) -> list[Box]:
        network.setInputSize((frame.shape[1], frame.shape[0]))
        _, found = network.detect(frame)
        boxes = [] if found is None else [Box(*(round(float(side)) for side in each[:4])) for each in found]
        return _largest_first([box for box in boxes if min(box.width, box.height) > 0])

    return detect


def _largest_first(boxes: list[Box]) -> list[Box]:
    return sorted(boxes, key=lambda box: -box.width * box.height)
