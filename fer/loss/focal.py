"""Focal loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer import check
from fer.base import DataSpec, Loss

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Focal(Loss):
    """Cross-entropy times (1 - p)^gamma, p the probability of the true class (Lin et al. 2017, arXiv:1708.02002).

    Easy samples count less. Weights of classes come from training.balance.

    Attributes:
        gamma: 0 is plain cross-entropy.
        label_smoothing: probability spread evenly over all classes, 0 to below 1.
    """

    gamma: float
    label_smoothing: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "gamma", 0)
        check.between(self, "label_smoothing", 0, 0.99)

    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss for one-hot or soft labels."""
        import keras

        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=self.gamma, label_smoothing=self.label_smoothing
        )
