"""The 68 points of the iBUG 300-W mark-up (Sagonas et al. 2013): names, regions and what a mirror does to them.

Left and right are the face's own: point 0 is at its right ear, on the left side of the picture.
"""

import numpy as np

NAMED: dict[str, int] = {
    "jaw": 17,
    "right brow": 5,
    "left brow": 5,
    "nose bridge": 4,
    "nose base": 5,
    "right eye": 6,
    "left eye": 6,
    "outer lip": 12,
    "inner lip": 8,
}
"""How many points each part has, in the order of the points."""

NAMES: tuple[str, ...] = tuple(f"{part} {number}" for part, count in NAMED.items() for number in range(1, count + 1))
POINTS = len(NAMES)

REGIONS: dict[str, slice] = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
OUTER_EYE_CORNERS = (36, 45)
CHIN = 8

MIRROR: tuple[int, ...] = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # outer lips
    *(64, 63, 62, 61, 60, 67, 66, 65),  # inner lips
)
"""Where each point goes in a mirrored face."""


def swapped(points: np.ndarray) -> np.ndarray:
    """Tell the faces whose left and right points are exchanged, as in a mirrored picture with its old labels.

    Args:
        points: float (faces, 68, 2), x to the right and y down.

    Returns:
        bool (faces,): from the right to the left eye and down to the chin is a turn the wrong way round.
    """
    right, left = (points[:, corner] for corner in OUTER_EYE_CORNERS)
    (ax, ay), (bx, by) = (left - right).T, (points[:, CHIN] - (left + right) / 2).T
    return ax * by < ay * bx
