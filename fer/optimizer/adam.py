"""Adam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fer import check
from fer.base import Optimizer

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980).

    Attributes:
        beta_1: decay of the mean of the gradients, 0 to below 1.
        beta_2: decay of the mean of their squares, 0 to below 1.
    """

    beta_1: float
    beta_2: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.between(self, "beta_1", 0, 0.9999999)
        check.between(self, "beta_2", 0, 0.9999999)

    def build(self, rate: Any, factors: Sequence[float] = ()) -> keras.optimizers.Optimizer:
        """Build the optimizer."""
        import keras

        return self._make(keras.optimizers.Adam, rate, factors, beta_1=self.beta_1, beta_2=self.beta_2)
