"""Losses that Keras does not have."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from fer.base import DataSpec


class PixelLoss(keras.losses.Loss):
    """The mean of a function of the error of each coordinate, in pixels.

    Args:
        spec: the dataset, whose outputs are shares of the image's width and height in turn.
        function: of the size of the errors, float (batch, 2 * points), never negative.
        name: of the loss.
    """

    def __init__(self, spec: DataSpec, function: Callable[[keras.KerasTensor], keras.KerasTensor], name: str) -> None:
        super().__init__(name=name)
        self.pixels = np.tile(np.array(spec.shape[1::-1], np.float32), spec.points)
        self.function = function

    def call(self, y_true, y_pred):  # type: ignore[no-untyped-def]
        """Return the loss of each sample, float (batch,)."""
        return ops.mean(self.function(ops.abs(y_pred - y_true) * self.pixels), axis=-1)


def wing(error: keras.KerasTensor, width: float, curvature: float) -> keras.KerasTensor:
    """Return w ln(1 + |x| / e) below the width w, and |x| - C above, which meets it (Feng et al. 2018, eq. 5)."""
    offset = width - width * math.log(1 + width / curvature)
    return ops.where(error < width, width * ops.log(1 + error / curvature), error - offset)


def adaptive_wing(
    error: keras.KerasTensor, exponent: float, omega: float, epsilon: float, theta: float
) -> keras.KerasTensor:
    """Return w ln(1 + (|x| / e)^a) below theta, and the line that goes on from there (Wang et al. 2019, eq. 3)."""
    ratio = theta / epsilon
    slope = omega * exponent * ratio ** (exponent - 1) / (epsilon * (1 + ratio**exponent))
    offset = theta * slope - omega * math.log(1 + ratio**exponent)
    inside = ops.minimum(error, theta) + 1e-6  # a power's slope is infinite or undefined at 0 on some backends
    return ops.where(error < theta, omega * ops.log(1 + (inside / epsilon) ** exponent), slope * error - offset)


def smooth_l1(error: keras.KerasTensor, beta: float) -> keras.KerasTensor:
    """Return x^2 / (2 beta) below beta, and |x| - beta / 2 above."""
    return ops.where(error < beta, error**2 / (2 * beta), error - beta / 2)
