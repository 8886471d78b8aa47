"""The first and the last layers that image networks share."""

import keras
import numpy as np

from fer.base import DataSpec
from fer.drawing import SMALLEST, draw_face
from fer.ibug68 import POINTS

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as image decoders use them."""


def fit_input(inputs: keras.KerasTensor, size: int, channels: int) -> keras.KerasTensor:
    """Resize images bilinearly to (size, size) and turn grey into colour or colour into grey, where they differ.

    Args:
        inputs: (batch, height, width, 1 or 3), 0 to 255.
        size: side in pixels.
        channels: 1 or 3.
    """
    x = inputs
    if x.shape[-1] > channels:
        red, green, blue = keras.ops.split(x, 3, axis=-1)
        x = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    if tuple(x.shape[1:3]) != (size, size):
        # not keras.layers.Resizing: called without `training`, it puts all layers after it in training mode
        x = keras.ops.image.resize(x, (size, size))
    if x.shape[-1] < channels:
        x = keras.layers.Concatenate(name="grey_to_colour")([x] * channels)
    return x


def outputs(spec: DataSpec) -> keras.layers.Layer:
    """Return the last layer: probabilities of the classes, or x and y of each point in [-0.5, 0.5] of the image.

    It computes in float32 under mixed precision too: probabilities in half precision lose small values.
    """
    if spec.target == "classes":
        return keras.layers.Dense(spec.outputs, activation="softmax", dtype="float32", name="outputs")
    return keras.layers.Dense(
        spec.outputs,
        kernel_initializer=keras.initializers.VarianceScaling(1e-4),
        bias_initializer=keras.initializers.Constant(mean_face()) if spec.points == POINTS else "zeros",
        dtype="float32",
        name="outputs",
    )


def mean_face() -> list[float]:
    """Return the outputs for the mean of some drawn faces, (136,): a network that starts there has less to unlearn."""
    faces = [draw_face("neutral", SMALLEST, np.random.default_rng(seed))[1] for seed in range(16)]
    return (np.mean(faces, axis=0) / SMALLEST - 0.5).ravel().tolist()
