"""Bias correction: give back to each channel's mean what rounding its kernel will take.

Nagel et al. 2019 (arXiv:1906.04721, section 4.2), with means over real inputs. The errors of a channel's rounded
weights do not cancel where its inputs are not centred, as behind a ReLU, and least where weights are few, as in a
depthwise convolution. What a ReLU cuts off also depends on the spread of its inputs, which is not corrected.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from fer.base import batched
from fer.errors import ConfigError
from fer.nn.quantization import CompressedLayer, is_compressed, is_rounded, plain
from fer.nn.rewriting import compress

BATCH = 16
"""Inputs at a time: the values of all layers are held at once."""


def folded(network: keras.Model) -> keras.Model:
    """Return a flat copy of a network whose BatchNorm is folded into kernels and biases.

    What quantization-aware training gave is folded already, and comes back itself.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    if is_rounded(network):
        return network
    network = plain(network, ranges=False) if is_compressed(network) else network
    return compress(network, rounds=False, pruning=None)


def corrected(network: keras.Model, inputs: np.ndarray) -> keras.Model:
    """Return a folded copy whose biases make good for what 8-bit kernels will shift.

    What quantization-aware training gave has learned to live with that shift, and comes back itself.

    Args:
        network: a trained network of one input and one output.
        inputs: (n, ...) of the network's input, such as the calibration inputs of a quantizer.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    try:
        copied = folded(network)
    except ConfigError as error:
        raise ConfigError(f"{error}; export.correct_biases=false exports it as it is") from error
    if copied is network:
        return network
    layers: list[Any] = [layer for layer in copied.layers if isinstance(layer, CompressedLayer)]
    shifts = {layer.name: _Shift(layer)(layer.input) for layer in layers}
    probe = keras.Model(copied.inputs, shifts)
    means = dict.fromkeys(shifts, np.float64(0))
    for part in batched(len(inputs), BATCH):
        some = inputs[part].astype(np.float32)
        for name, found in probe.predict_on_batch(some).items():
            means[name] = means[name] + found * (len(some) / len(inputs))
    for layer in layers:
        layer.bias.assign_add(means[layer.name])
    return copied


class _Shift(keras.layers.Layer):
    """What rounding a layer's kernel takes from the mean of each of its channels, given the layer's inputs."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def call(self, inputs: Any) -> Any:
        outputs = self.layer.product(inputs, self.layer.lost())
        return ops.mean(outputs, axis=range(len(outputs.shape) - 1))
