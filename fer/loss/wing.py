"""Wing loss between points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer import check
from fer.base import DataSpec, Loss

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Wing(Loss):
    """Wing loss (Feng et al. 2018, arXiv:1711.06753): a logarithm for small errors, so that they keep their weight.

    Attributes:
        width: the error from which the loss is linear, in pixels of the dataset's images.
        curvature: how flat the logarithm is at 0, in pixels; smaller is steeper.
    """

    width: float
    curvature: float

    target: ClassVar[str] = "points"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.above(self, "width", 0)
        check.above(self, "curvature", 0)

    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss; its values are in pixels."""
        from fer.nn.losses import PixelLoss, wing

        return PixelLoss(spec, lambda error: wing(error, self.width, self.curvature), name="wing")
