"""Magnitude pruning on a gradual schedule (Zhu & Gupta 2017, arXiv:1710.01878)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from keras import ops

GROUP = 4
"""Of "2:4": two of four neighbours along the inputs are zero, which GPUs since Ampere use (Mishra et al. 2021,
arXiv:2104.08378)."""


@dataclass
class Pruning:
    """Which weights of one layer are zero.

    Attributes:
        sparsity: share of zeros at the end, in [0, 1); 0.5 for "2:4".
        pattern: "unstructured" (the smallest of the layer) or "2:4".
        steps: training steps over which the share rises, along 1 - (1 - t)^3.
    """

    sparsity: float
    pattern: str
    steps: int

    def build(self, layer: Any) -> None:
        """Give the layer the step that its schedule has reached."""
        self.step = layer.add_weight(
            name="pruning_step", shape=(), initializer="zeros", trainable=False, dtype="float32"
        )

    def settings(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)

    def mask(self, kernel: Any, training: bool) -> Any:
        """Return 1 for weights that stay and 0 for those that go, in the kernel's shape; a training step counts."""
        if training:
            self.step.assign(ops.minimum(self.step + 1, float(self.steps)))
        share = self.sparsity * (1 - (1 - self.step / float(self.steps)) ** 3)
        size = ops.stop_gradient(ops.abs(kernel))
        return self._two_of_four(size, share) if self.pattern == "2:4" else self._smallest(size, share)

    def _smallest(self, size: Any, share: Any) -> Any:
        count = int(np.prod(size.shape))
        order = ops.sort(ops.reshape(size, (-1,)))
        going = ops.cast(ops.floor(share * count), "int32")
        limit = ops.where(going > 0, ops.take(order, ops.maximum(going - 1, 0)), -1.0)
        return ops.cast(size > limit, size.dtype)

    def _two_of_four(self, size: Any, share: Any) -> Any:
        """Rank each weight among its four neighbours along the inputs; none, one or two of them go."""
        inputs = int(np.prod(size.shape[:-1]))
        if inputs % GROUP:
            return ops.ones_like(size)
        groups = ops.reshape(size, (inputs // GROUP, GROUP, size.shape[-1]))
        rank = ops.argsort(ops.argsort(groups, axis=1), axis=1)
        going = ops.cast(ops.round(share * GROUP), "int32")
        return ops.reshape(ops.cast(rank >= going, size.dtype), size.shape)
