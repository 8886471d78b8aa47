"""Test-time augmentation: the same image seen several ways, and the mean of what the network says."""

from collections.abc import Callable, Iterator

import numpy as np

from fer.base import DataSpec

VIEWS = ("none", "flip", "ten")
"""none: the image; flip: and its mirror image; ten: both, where they are and shifted by 4% of the side four ways, like
the ten crops of Krizhevsky et al. (2012)."""

SHIFT = 0.04

View = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]
"""(images -> images, decoded outputs -> decoded outputs of the unchanged image)."""


def views(name: str, spec: DataSpec) -> Iterator[View]:
    """Yield the views of a name.

    Args:
        name: one of VIEWS.
        spec: of images.
    """
    step = max(1, round(SHIFT * min(spec.shape[:2])))
    shifts = [(0, 0), (-step, -step), (-step, step), (step, -step), (step, step)] if name == "ten" else [(0, 0)]
    for mirrored in (False,) if name == "none" else (False, True):
        for dy, dx in shifts:
            yield _view(spec, mirrored, dy, dx)


def _view(spec: DataSpec, mirrored: bool, dy: int, dx: int) -> View:
    def look(images: np.ndarray) -> np.ndarray:
        pad = np.pad(images, [(0, 0), (abs(dy),) * 2, (abs(dx),) * 2, (0, 0)], mode="edge")
        height, width = images.shape[1:3]
        seen = pad[:, abs(dy) - dy :, abs(dx) - dx :][:, :height, :width]
        return seen[:, :, ::-1] if mirrored else seen

    def undo(outputs: np.ndarray) -> np.ndarray:
        if not spec.points:
            return outputs
        points = outputs.copy()
        if mirrored:
            points[..., 0] = spec.shape[1] - points[..., 0]
            points = points[:, list(spec.mirror)]
        return points - np.array([dx, dy], points.dtype)

    return look, undo
