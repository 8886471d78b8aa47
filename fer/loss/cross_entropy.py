"""Cross-entropy between class probabilities and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer import check
from fer.base import DataSpec, Loss

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class CrossEntropy(Loss):
    """Cross-entropy, with label smoothing (Szegedy et al. 2016, arXiv:1512.00567).

    Attributes:
        label_smoothing: probability spread evenly over all classes, 0 to below 1.
    """

    label_smoothing: float

    def __post_init__(self) -> None:
        """Check the range."""
        check.between(self, "label_smoothing", 0, 0.99)

    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss for one-hot or soft labels."""
        import keras

        return keras.losses.CategoricalCrossentropy(label_smoothing=self.label_smoothing)
