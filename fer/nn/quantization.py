"""Quantization-aware training: a network rewritten so that it computes as its int8 file will.

Krishnamoorthi 2018 (arXiv:1806.08342), Jacob et al. 2018 (arXiv:1712.05877): BatchNorm is folded into the weights;
these are rounded to 8 bits with a scale a channel, symmetric; activations within a moving average of their extremes.
Rounding happens where TFLite rounds: after each operation that computes, and after the ReLU where one is fused to it.
"""

from abc import abstractmethod
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.quantizers import fake_quant_with_min_max_vars

from fer.nn.pruning import Pruning

MOMENTUM = 0.99
"""Of the moving average of an activation's extremes."""


def _rounded(kernel: Any, axis: int) -> Any:
    """Round a kernel to int8 with a scale for each channel along `axis`; the gradient passes straight through."""
    others = [each for each in range(len(kernel.shape)) if each != axis % len(kernel.shape)]
    # never 0: a channel that was pruned away as a whole has no range
    limit = ops.maximum(ops.max(ops.abs(ops.stop_gradient(kernel)), axis=others), 1e-8)
    return fake_quant_with_min_max_vars(kernel, -limit, limit, num_bits=8, narrow_range=True, axis=axis)


@keras.saving.register_keras_serializable("fer")
class FakeQuant(keras.layers.Layer):
    """Rounds activations to 8 bits within the moving average of their smallest and largest values.

    Args:
        wider: share by which the range is made wider.
        halves: round the halves among averages as TFLite does; not in what the converter is given, which sees ranges.
    """

    def __init__(self, wider: float = 0.0, halves: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        self.wider, self.halves = wider, halves

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        return {**super().get_config(), "wider": self.wider, "halves": self.halves}

    def build(self, shape: Any) -> None:
        """Create the range."""
        zero = {"shape": (), "initializer": "zeros", "trainable": False, "dtype": "float32"}
        self.low, self.high = self.add_weight(name="low", **zero), self.add_weight(name="high", **zero)

    observes = False
    """Whether inputs pass as they are and widen the range to their extremes: calibration, not training."""

    def call(self, inputs: Any, training: bool = False, averages: bool = False) -> Any:
        """Round; in training, move the range first. The first batch sets it.

        With `averages`, inputs are means of what was rounded in this range before, and have no say in it. TFLite's
        integers round halves, which many of them are, away from zero; a float's halves lie where its last bits fall.
        """
        if self.observes:
            if not averages:
                low, high = self._extremes(inputs)
                self.low.assign(ops.minimum(self.low, low))
                self.high.assign(ops.maximum(self.high, high))
            return inputs
        if averages and self.halves:
            step = (self.high - self.low) / 255
            return self._round(inputs + 2e-4 * step * ops.sign(inputs - (self.low + 128 * step)))
        if training and not averages:
            low, high = self._extremes(inputs)
            keep = ops.where(ops.equal(self.low, self.high), 0.0, MOMENTUM)
            self.low.assign(keep * self.low + (1 - keep) * ops.cast(low, "float32"))
            self.high.assign(keep * self.high + (1 - keep) * ops.cast(high, "float32"))
        return self._round(inputs)

    def _extremes(self, inputs: Any) -> tuple[Any, Any]:
        extremes = ops.minimum(ops.min(inputs), 0.0), ops.maximum(ops.max(inputs), 0.0)
        return extremes[0] * (1 + self.wider), extremes[1] * (1 + self.wider)

    def _round(self, inputs: Any) -> Any:
        return fake_quant_with_min_max_vars(inputs, self.low, ops.maximum(self.high, self.low + 1e-6), num_bits=8)

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape unchanged."""
        return shape


class CompressedLayer:
    """A layer whose kernel is pruned and rounded on its way into the computation; it stores the trained one.

    Args:
        rounds: to 8 bits.
        pruning: settings of fer.nn.pruning.Pruning; None for none.
    """

    channels = -1
    """Axis of the kernel with a scale each."""

    def __init__(self, *args: Any, rounds: bool = True, pruning: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.rounds = rounds
        self.pruning = Pruning(**pruning) if pruning else None

    def build(self, shape: Any) -> None:
        """Create what the layer and its pruning need."""
        super().build(shape)  # type: ignore[misc]
        if self.pruning:
            self.pruning.build(self)

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        config = super().get_config()  # type: ignore[misc]
        return {**config, "rounds": self.rounds, "pruning": self.pruning.settings() if self.pruning else None}

    # Keras's own layers store kernel and bias alone, and then miss the step of the pruning

    def save_own_variables(self, store: Any) -> None:
        """Store all of them."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        """Load all of them."""
        keras.layers.Layer.load_own_variables(self, store)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Compute."""
        layer: Any = self
        outputs = self.product(inputs, self.effective(training))
        outputs = ops.add(outputs, layer.bias) if layer.use_bias else outputs
        return layer.activation(outputs) if layer.activation is not None else outputs

    @abstractmethod
    def product(self, inputs: Any, kernel: Any) -> Any:
        """Return what the layer makes of its inputs with a kernel, without bias and activation."""

    def effective(self, training: bool = False) -> Any:
        """Return the kernel that the computation sees."""
        kernel = self._kernel_variable()
        if self.pruning:
            kernel = kernel * self.pruning.mask(kernel, training)
        return _rounded(kernel, self.channels) if self.rounds else kernel

    def lost(self) -> Any:
        """Return what rounding to 8 bits would take from that kernel."""
        kernel = self.effective()
        return kernel - _rounded(kernel, self.channels)

    def _kernel_variable(self) -> Any:
        return self._kernel  # type: ignore[attr-defined]


class _Convolution(CompressedLayer):
    def product(self, inputs: Any, kernel: Any) -> Any:
        layer: Any = self
        settings = {"padding": layer.padding, "dilation_rate": layer.dilation_rate}
        return ops.conv(inputs, kernel, strides=list(layer.strides), **settings)


@keras.saving.register_keras_serializable("fer")
class IntegerResize(keras.layers.Layer):
    """Resizes images bilinearly as TFLite's integer kernel does, which counts positions in 1024ths of a pixel.

    So 48 pixels become 224 in steps of 219 / 1024 instead of 219.4 / 1024 (`ComputeInterpolationValuesInteger` in
    TFLite's reference kernels): at the far edge a tenth of a pixel is missing, which many a rounded value notices.

    Args:
        size: (height, width) of the outputs in pixels.
        integers: False in what the converter is given, which writes that kernel.
    """

    def __init__(self, size: tuple[int, int], integers: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        self.size, self.integers = tuple(size), integers

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        return {**super().get_config(), "size": self.size, "integers": self.integers}

    def call(self, inputs: Any) -> Any:
        """Resize."""
        if not self.integers:
            return ops.image.resize(inputs, self.size)
        for axis in (1, 2):
            below, share = _positions(inputs.shape[axis], self.size[axis - 1])
            above = np.minimum(below + 1, inputs.shape[axis] - 1)
            share = share.reshape((-1, 1, 1) if axis == 1 else (-1, 1))
            # not a product of matrices: its last bits depend on the batch
            inputs = ops.take(inputs, below, axis=axis) * (1 - share) + ops.take(inputs, above, axis=axis) * share
        return inputs


def _positions(given: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of `wanted` pixels in a row the one of `given` at or before it, and the share of the next."""
    step = (1024 * given + wanted // 2) // wanted
    position = np.clip(np.arange(wanted) * step + step // 2 - 512, 0, (given - 1) * 1024)
    return position // 1024, (position % 1024 / 1024).astype(np.float32)


@keras.saving.register_keras_serializable("fer")
class CompressedConv2D(_Convolution, keras.layers.Conv2D):
    """Conv2D with a compressed kernel."""


@keras.saving.register_keras_serializable("fer")
class CompressedConv1D(_Convolution, keras.layers.Conv1D):
    """Conv1D with a compressed kernel."""


@keras.saving.register_keras_serializable("fer")
class CompressedDepthwiseConv2D(CompressedLayer, keras.layers.DepthwiseConv2D):
    """DepthwiseConv2D with a compressed kernel."""

    channels = 2

    def product(self, inputs: Any, kernel: Any) -> Any:
        """Convolve."""
        settings = {"padding": self.padding, "dilation_rate": self.dilation_rate}
        return ops.depthwise_conv(inputs, kernel, strides=self.strides, **settings)

    def _kernel_variable(self) -> Any:
        return self.kernel


@keras.saving.register_keras_serializable("fer")
class CompressedDense(CompressedLayer, keras.layers.Dense):
    """Dense with a compressed kernel."""

    def product(self, inputs: Any, kernel: Any) -> Any:
        """Multiply."""
        return ops.matmul(inputs, kernel)


COMPRESSED: dict[Any, Any] = {
    keras.layers.Conv2D: CompressedConv2D,
    keras.layers.Conv1D: CompressedConv1D,
    keras.layers.DepthwiseConv2D: CompressedDepthwiseConv2D,
    keras.layers.Dense: CompressedDense,
}


OWN = ("rounds", "pruning")
"""Settings of compressed layers that Keras's own do not know."""


def is_rounded(network: keras.Model) -> bool:
    """Tell whether a network was rewritten for quantization-aware training."""
    return any(isinstance(layer, FakeQuant) for layer in network._flatten_layers())


def is_compressed(network: keras.Model) -> bool:
    """Tell whether a network holds layers of this module."""
    return any(isinstance(layer, FakeQuant | CompressedLayer) for layer in network._flatten_layers())


def plain(network: keras.Model, *, ranges: bool) -> keras.Model:
    """Return a network of Keras's own layers that computes the same, with each kernel as pruned and rounded.

    Args:
        network: what fer.nn.rewriting.compress gave, trained.
        ranges: keep the FakeQuant layers, from which the converter takes the ranges of activations; else activations
            are not rounded any more.
    """

    def twin(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, FakeQuant):
            config = {**layer.get_config(), "halves": False}
            return FakeQuant.from_config(config) if ranges else keras.layers.Identity(name=layer.name)
        if isinstance(layer, IntegerResize):
            return IntegerResize.from_config({**layer.get_config(), "integers": False})
        kind = next((ours for ours, theirs in COMPRESSED.items() if type(layer) is theirs), None)
        if kind is None:
            return type(layer).from_config(layer.get_config())
        return kind.from_config({key: each for key, each in layer.get_config().items() if key not in OWN})

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.layers.Identity):
            kwargs = {}  # they were said to the FakeQuant that it stands for
        return layer(*args, **kwargs)

    copied = keras.models.clone_model(network, clone_function=twin, call_function=call)
    for ours, theirs in zip(network.layers, copied.layers, strict=True):
        if isinstance(ours, CompressedLayer):
            bias = [ops.convert_to_numpy(ours.bias)] if ours.use_bias else []  # type: ignore[attr-defined]
            theirs.set_weights([ops.convert_to_numpy(ours.effective()), *bias])
        elif theirs.weights:
            theirs.set_weights(ours.get_weights())
    return copied
