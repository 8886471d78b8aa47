"""Is a frame good enough to learn from? If not, why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer import check
from fer.landmarks import Face

SIDE = 128
"""A face is brought to this many pixels before its sharpness is measured, so that it does not depend on its size."""


@dataclass(kw_only=True)
class Gate:
    """What a frame must be to be recorded.

    Attributes:
        size: least width and height of the face's box in pixels.
        sharpness: least variance of the Laplacian of the grey face at 128 pixels (Pech-Pacheco et al. 2000); 0 takes
            every face.
        yaw: largest turn to a side in degrees.
        pitch: largest turn up or down in degrees.
        roll: largest tilt in degrees.
    """

    size: int
    sharpness: float
    yaw: float
    pitch: float
    roll: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "size", 1)
        check.at_least(self, "sharpness", 0)
        for angle in ("yaw", "pitch", "roll"):
            check.between(self, angle, 1, 180)

    def refusal(self, image: np.ndarray, faces: Sequence[Face]) -> str:
        """Return why a frame is not to be recorded, or an empty string.

        Args:
            image: uint8 (height, width, 3).
            faces: all that were found in it.
        """
        if len(faces) != 1:
            return "several faces" if faces else "no face"
        left, top, right, bottom = faces[0].box
        if min(right - left, bottom - top) < self.size:
            return "face too small"
        height, width = image.shape[:2]
        if left < 0 or top < 0 or right > width or bottom > height:
            return "face cut off"
        for name, angle in zip(("pitch", "yaw", "roll"), faces[0].pose, strict=True):
            if abs(angle) > getattr(self, name):
                return f"extreme {name}"
        return "blurred" if sharpness(image, faces[0]) < self.sharpness else ""


def sharpness(image: np.ndarray, face: Face) -> float:
    """Return the variance of the Laplacian of a face inside the image, grey and resized to 128 pixels."""
    import cv2

    left, top, right, bottom = np.round(face.box).astype(int)
    grey = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.CV_32F).var())
