"""Mean squared error between points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer.base import DataSpec, Loss

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Mse(Loss):
    """Mean squared error of coordinates in [-0.5, 0.5] of the image."""

    target: ClassVar[str] = "points"

    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss."""
        import keras

        return keras.losses.MeanSquaredError()
