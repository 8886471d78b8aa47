"""Lower learning rates for layers that are nearer to the input."""

from collections.abc import Sequence
from typing import Any

import keras


def rates(network: keras.Model, variables: Sequence[keras.Variable], decay: float) -> list[float]:
    """Return a factor on the learning rate for each trained variable: decay ** (layers after its own).

    Layer-wise decay comes from fine-tuning (Howard & Ruder 2018, arXiv:1801.06146; Bao et al. 2022, arXiv:2106.08254).
    Only layers with a trained matrix or kernel count; biases and normalisations that follow one share its factor.

    Args:
        network: in the order of its layers.
        variables: its trained variables.
        decay: in (0, 1]; 1 treats all alike.
    """
    depth, depths = -1, {}
    for layer in network._flatten_layers(include_self=False):
        own = [] if isinstance(layer, keras.Model) else layer.trainable_variables
        depth += any(len(variable.shape) > 1 for variable in own)
        depths.update(dict.fromkeys((variable.path for variable in own), max(depth, 0)))
    return [decay ** (depth - depths[variable.path]) for variable in variables]


def layerwise(kind: type, factors: Sequence[float]) -> Any:
    """Return an optimizer class that multiplies the rate of each variable by its factor; weight decay keeps the whole.

    Args:
        kind: a Keras optimizer class.
        factors: one a variable, in the order in which the optimizer is built.
    """

    class Layerwise(kind):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            factor = factors[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * factor)

    return Layerwise
