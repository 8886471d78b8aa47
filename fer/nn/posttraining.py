"""Post-training quantization of a float network: biases corrected, and ranges of all that TFLite rounds.

Bias correction gives back to each channel's mean what rounding its kernel will take: Nagel et al. 2019
(arXiv:1906.04721, section 4.2), with means over real inputs. The errors of a channel's rounded weights do not cancel
where its inputs are not centred, as behind a ReLU, and least where weights are few, as in a depthwise convolution. What
a ReLU cuts off also depends on the spread of its inputs, which is not corrected.

TensorFlow's converter can find the ranges of activations itself, but gives a Rescaling with an offset, where most image
networks begin, a range that is half as wide again as it need be.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from fer.base import batched
from fer.errors import ConfigError
from fer.nn.quantization import CompressedLayer, FakeQuant, is_compressed, is_rounded
from fer.nn.rewriting import compress, plain

BATCH = 16
"""Inputs at a time: the values of all layers are held at once."""


def folded(network: keras.Model) -> keras.Model:
    """Return a flat copy of a network whose BatchNorm is folded into kernels and biases.

    What quantization-aware training gave is folded already, and comes back itself.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    return network if is_rounded(network) else _copied(network, rounds=False)


def corrected(network: keras.Model, inputs: np.ndarray) -> keras.Model:
    """Return a folded copy whose biases make good for what 8-bit kernels will shift.

    What quantization-aware training gave has learned to live with that shift, and comes back itself.

    Args:
        network: a trained network of one input and one output.
        inputs: (n, ...) of the network's input: the calibration inputs of a quantizer.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    if is_rounded(network):
        return network
    copied = _copied(network, rounds=False)
    layers = _compressed(copied)
    shifts = {layer.name: _Shift(layer)(layer.input) for layer in layers}
    probe = keras.Model(copied.inputs, shifts)
    means = dict.fromkeys(shifts, np.float64(0))
    for part in batched(len(inputs), BATCH):
        some = inputs[part].astype(np.float32)
        for name, found in probe([some]).items():
            means[name] = means[name] + ops.convert_to_numpy(found) * (len(some) / len(inputs))
    for layer in layers:
        layer.bias.assign_add(means[layer.name])
    return copied


def calibrated(network: keras.Model, inputs: np.ndarray) -> keras.Model:
    """Return a copy that computes as its int8 file will: biases corrected, ranges the extremes over the inputs.

    A network with a layer that TFLite rounds within, such as LayerNormalization, gets corrected biases alone.

    Args:
        network: a trained network of one input and one output; of quantization-aware training it comes back itself.
        inputs: (n, ...) of the network's input.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    if is_rounded(network):
        return network
    rounding, exact = _copied(network, rounds=True), corrected(network, inputs)
    if _is_rounded_within(rounding):
        return exact
    for layer in _compressed(exact):
        rounding.get_layer(layer.name).bias.assign(layer.bias)
    rounders = [layer for layer in rounding.layers if isinstance(layer, FakeQuant)]
    for rounder in rounders:
        rounder.observes = True
    for part in batched(len(inputs), BATCH):
        rounding(inputs[part].astype(np.float32))
    for rounder in rounders:
        rounder.observes = False
    return rounding


def unrounded(network: keras.Model) -> keras.Model:
    """Return what `calibrated` gives with exact kernels and without ranges: a float network of the same layers.

    What quantization-aware training gave comes back itself.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    if is_rounded(network):
        return network
    copied = _copied(network, rounds=True)
    if _is_rounded_within(copied):
        return folded(network)
    for layer in _compressed(copied):
        layer.rounds = False
    return copied


def _is_rounded_within(network: keras.Model) -> bool:
    """Tell whether a layer computes more than a product with its weights, whose parts would need ranges too."""
    return any(layer.weights and not isinstance(layer, CompressedLayer | FakeQuant) for layer in network.layers)


def _copied(network: keras.Model, *, rounds: bool) -> keras.Model:
    try:
        return compress(
            plain(network, ranges=False) if is_compressed(network) else network, rounds=rounds, pruning=None
        )
    except ConfigError as error:
        raise ConfigError(f"{error}; export.quantizer=converter leaves it to TensorFlow") from error


def _compressed(network: keras.Model) -> list[Any]:
    return [layer for layer in network.layers if isinstance(layer, CompressedLayer)]


class _Shift(keras.layers.Layer):
    """What rounding a layer's kernel takes from the mean of each of its channels, given the layer's inputs."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def call(self, inputs: Any) -> Any:
        outputs = self.layer.product(inputs, self.layer.lost())
        return ops.mean(outputs, axis=range(len(outputs.shape) - 1))
