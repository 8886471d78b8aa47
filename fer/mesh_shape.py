"""The shape of a face mesh: taken out of its image, turned straight, and compared with others.

The dataset and whoever runs a model on live faces prepare points with the same function.
"""

from dataclasses import dataclass

import numpy as np

from fer import check
from fer.mesh478 import OUTER_EYE_CORNERS, SUBSETS

MIRRORED_AXES = np.array([1, -1, -1], np.float32)
"""Between image axes (y down, z away) and right-handed ones (y up, z to the camera), in which the pose is given."""


@dataclass(kw_only=True)
class Shape:
    """How points become a model's input.

    Attributes:
        subset: one of SUBSETS.
        centre: put the middle of the outer eye corners at 0.
        scale: divide by their distance, in space.
        rotate: turn the face straight by its pose; needs `centre`.
    """

    subset: str
    centre: bool
    scale: bool
    rotate: bool

    def __post_init__(self) -> None:
        """Check the subset."""
        check.one_of(self, "subset", SUBSETS)


def prepare(points: np.ndarray, pose: np.ndarray, shape: Shape) -> np.ndarray:
    """Return a model's inputs for some faces.

    Args:
        points: float32 (faces, 478 or 468, 3), x, y and z in pixels.
        pose: float (faces, 3), pitch, yaw and roll in degrees (see fer.landmarks.rotation).
        shape: what is done to them.

    Returns:
        float32 (faces, points of the subset, 3): in inter-ocular distances where `shape.scale`, else in pixels.
    """
    right, left = (points[:, corner] for corner in OUTER_EYE_CORNERS)
    prepared = points[:, SUBSETS[shape.subset]]
    if shape.centre:
        prepared = prepared - ((right + left) / 2)[:, None]
    if shape.rotate:
        prepared = prepared * MIRRORED_AXES @ rotations(pose) * MIRRORED_AXES
    if shape.scale:
        prepared = prepared / np.linalg.norm(left - right, axis=-1)[:, None, None]
    return prepared.astype(np.float32)


def rotations(pose: np.ndarray) -> np.ndarray:
    """Return for each pose the matrix that turns rows (x, -y, -z) of its face straight: float32 (faces, 3, 3).

    It is Rz(roll) Ry(yaw) Rx(pitch), whose inverse applies to columns and so whose self applies to rows.
    """
    (a, b, c), (d, e, f) = (function(np.radians(pose.T.astype(np.float64))) for function in (np.sin, np.cos))
    rows = [
        [f * e, f * b * a - c * d, f * b * d + c * a],
        [c * e, c * b * a + f * d, c * b * d - f * a],
        [-b, e * a, e * d],
    ]
    return np.array(rows).transpose(2, 0, 1).astype(np.float32)


def oddness(aligned: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Return the root mean square distance of each face's points from those of the typical face: float64 (faces,)."""
    return np.sqrt(np.square(np.subtract(aligned, typical, dtype=np.float64)).sum(axis=-1).mean(axis=-1))


def robust_z(values: np.ndarray) -> np.ndarray:
    """Return (value - median) / (1.4826 * median absolute deviation): Iglewicz & Hoaglin 1993, how to spot outliers."""
    from_median = values - np.median(values)
    spread = 1.4826 * np.median(np.abs(from_median))
    return from_median / spread if spread else np.zeros_like(from_median)
