"""Augmentation of landmark inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer import check
from fer.base import Augment, Augmentation, DataSpec
from fer.errors import ConfigError


@dataclass(kw_only=True)
class Landmarks(Augmentation):
    """Random changes to points that are centred at 0, each face on its own.

    Attributes:
        jitter: standard deviation of a shift of each coordinate of each point, in the unit of the inputs.
        rotation: largest turn in the image, in degrees either way.
        turn: largest turn to the side and, apart from that, up or down, in degrees; for points with a depth.
        scale: faces become larger or smaller by up to this share.
        mirror: probability that left and right change places.
        dropout: probability that a point is put to 0.
    """

    jitter: float
    rotation: float
    turn: float
    scale: float
    mirror: float
    dropout: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "jitter", 0)
        check.between(self, "rotation", 0, 180)
        check.between(self, "turn", 0, 90)
        check.between(self, "scale", 0, 0.9)
        check.between(self, "mirror", 0, 1)
        check.between(self, "dropout", 0, 0.99)

    def kinds(self) -> tuple[str, ...]:
        """Return landmarks alone."""
        return ("landmarks",)

    def build(self, spec: DataSpec) -> Augment | None:
        """Return the function that changes one batch.

        Raises:
            ConfigError: the points are not centred.
        """
        if not spec.mirror:
            raise ConfigError(
                f"augmentation: expected points of {spec.name} that are centred (dataset.shape.centre=true)"
            )
        mirror = np.array(spec.mirror, np.int64)

        def augment(inputs: np.ndarray, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
            return self._change(inputs, mirror, np.random.default_rng(seed)), targets

        return augment

    def _change(self, inputs: np.ndarray, mirror: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return changed inputs, float32 (batch, points, dimensions)."""
        faces, points, dimensions = inputs.shape
        flipped = np.less(random.random(faces), self.mirror)
        swapped = inputs[:, mirror] * np.array([-1, *[1] * (dimensions - 1)], np.float32)
        changed = np.where(flipped[:, None, None], swapped, inputs)
        changed = changed @ self._turns(faces, dimensions, random)
        changed *= random.uniform(1 - self.scale, 1 + self.scale, (faces, 1, 1))
        changed += random.normal(0, self.jitter, changed.shape)
        changed *= random.random((faces, points, 1)) >= self.dropout
        return changed.astype(np.float32)

    def _turns(self, faces: int, dimensions: int, random: np.random.Generator) -> np.ndarray:
        """Return random rotations of rows, float64 (faces, dimensions, dimensions)."""
        turns = _plane(self.rotation, faces, dimensions, (0, 1), random)
        if dimensions == 3:
            turns = turns @ _plane(self.turn, faces, 3, (0, 2), random) @ _plane(self.turn, faces, 3, (1, 2), random)
        return turns


def _plane(limit: float, faces: int, dimensions: int, axes: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Return rotations in the plane of two axes by up to a limit in degrees."""
    angles = np.radians(random.uniform(-limit, limit, faces))
    matrices = np.tile(np.eye(dimensions), (faces, 1, 1))
    first, second = axes
    matrices[:, first, first] = matrices[:, second, second] = np.cos(angles)
    matrices[:, first, second], matrices[:, second, first] = np.sin(angles), -np.sin(angles)
    return matrices
