"""Smooth L1 loss between points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer import check
from fer.base import DataSpec, Loss

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class SmoothL1(Loss):
    """Smooth L1 loss (Girshick 2015, arXiv:1504.08083): error^2 / (2 beta) below beta, |error| - beta / 2 above.

    Attributes:
        beta: where it turns from a parabola to a line, in pixels of the dataset's images.
    """

    beta: float

    target: ClassVar[str] = "points"

    def __post_init__(self) -> None:
        """Check the range."""
        check.above(self, "beta", 0)

    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss; its values are in pixels."""
        from fer.nn.losses import PixelLoss, smooth_l1

        return PixelLoss(spec, lambda error: smooth_l1(error, self.beta), name="smooth_l1")
