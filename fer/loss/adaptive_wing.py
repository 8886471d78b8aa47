"""Adaptive wing loss between points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer import check
from fer.base import DataSpec, Loss

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class AdaptiveWing(Loss):
    """Adaptive wing loss (Wang et al. 2019, arXiv:1904.07399): a power of the error inside the logarithm.

    The paper has it for heatmaps, where the exponent is alpha minus the true heat. A coordinate is all foreground, so
    its exponent is alpha - 1: near 0 the loss is as smooth as |error|^(alpha - 1), unlike that of `wing`.

    Attributes:
        alpha: above 2, so that the loss is smooth at 0.
        omega: height of the logarithm.
        epsilon: how flat it is at 0, in pixels of the dataset's images.
        theta: the error from which the loss is linear, in pixels.
    """

    alpha: float
    omega: float
    epsilon: float
    theta: float

    target: ClassVar[str] = "points"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.above(self, "alpha", 2)
        for field in ("omega", "epsilon", "theta"):
            check.above(self, field, 0)

    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss."""
        from fer.nn.losses import PixelLoss, adaptive_wing

        settings = (self.alpha - 1, self.omega, self.epsilon, self.theta)
        return PixelLoss(spec, lambda error: adaptive_wing(error, *settings), name="adaptive_wing")
