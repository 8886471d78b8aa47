"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fer import check
from fer.base import Optimizer

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Sgd(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013).

    Attributes:
        momentum: 0 to below 1.
        nesterov: look ahead along the momentum.
        weight_decay: share of each weight taken away a step, times the learning rate; 0 for none.
    """

    momentum: float
    nesterov: bool
    weight_decay: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.between(self, "momentum", 0, 0.9999999)
        check.at_least(self, "weight_decay", 0)

    def build(self, rate: Any, factors: Sequence[float] = ()) -> keras.optimizers.Optimizer:
        """Build the optimizer."""
        import keras

        return self._make(
            keras.optimizers.SGD,
            rate,
            factors,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay or None,
        )
