"""Quantization-aware training: a network rewritten so that it computes as its int8 file will.

Krishnamoorthi 2018 (arXiv:1806.08342), Jacob et al. 2018 (arXiv:1712.05877): BatchNorm is folded into the weights;
these are rounded to 8 bits with a scale a channel, symmetric; activations within a moving average of their extremes.
Rounding happens where TFLite rounds: after each operation that computes, and after the ReLU where one is fused to it.

In training, gradients pass straight through. Else values are rounded as TFLite's own kernels do on a PC (but for the
last few channels of depthwise convolutions whose channels are no multiple of 8). That takes care: in a deep network a
level amiss in a thousand grows from layer to layer until most values are, and then a class in fifty. Which of two
levels TFLite takes was found by looking at the values of its tensors.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops
from keras.quantizers import fake_quant_with_min_max_vars

from fer.nn.pruning import Pruning

MOMENTUM = 0.99
"""Of the moving average of an activation's extremes."""

WIDE = "float32" if keras.backend.backend() == "jax" else "float64"
"""Sums of integers times a real number, which TFLite rounds exactly, want more than float32; JAX has no more."""

PASSING = (
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.Flatten, layers.Reshape, layers.Permute, layers.Dropout),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.ZeroPadding1D, layers.ZeroPadding2D, layers.Cropping2D),
    *(layers.GaussianNoise, layers.GaussianDropout),
)
"""They give values that they were given: nothing is rounded again."""


def _by_channel(kernel: Any, channels: int) -> Any:
    """Return a kernel with all axes from `channels` on made one, the last."""
    return ops.reshape(kernel, (*kernel.shape[:channels], -1))


def _limit(kernel: Any, channels: int) -> Any:
    """Return the largest absolute value of each channel."""
    flat = _by_channel(ops.stop_gradient(kernel), channels)
    # never 0: a channel that was pruned away as a whole has no range
    return ops.maximum(ops.max(ops.abs(flat), axis=range(len(flat.shape) - 1)), 1e-8)


def _rounded(kernel: Any, channels: int) -> Any:
    """Round a kernel to int8 with a scale for each channel of outputs; the gradient passes straight through."""
    limit = _limit(kernel, channels)
    flat = _by_channel(kernel, channels)
    flat = fake_quant_with_min_max_vars(flat, -limit, limit, num_bits=8, narrow_range=True, axis=-1)
    return ops.reshape(flat, kernel.shape)


@keras.saving.register_keras_serializable("fer")
class FakeQuant(layers.Layer):
    """Rounds activations to 8 bits within the moving average of their smallest and largest values.

    Args:
        wider: share by which the range is made wider.
        integers: False in what the converter is given, which writes the kernels that round.
    """

    def __init__(self, wider: float = 0.0, integers: bool = True, **settings: Any) -> None:
        super().__init__(**{**settings, "autocast": False})  # which older runs have among their settings
        self.wider, self.integers = wider, integers

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        return {**super().get_config(), "wider": self.wider, "integers": self.integers}

    def build(self, shape: Any) -> None:
        """Create the range."""
        zero = {"shape": (), "initializer": "zeros", "trainable": False, "dtype": "float32"}
        self.low, self.high = self.add_weight(name="low", **zero), self.add_weight(name="high", **zero)

    observes = False
    """Whether inputs pass as they are and widen the range to their extremes: calibration, not training."""

    def call(self, inputs: Any, training: bool = False, averages: bool = False) -> Any:
        """Round; in training, move the range first. The first batch sets it.

        With `averages`, inputs are means of what was rounded in this range before, and have no say in it.
        """
        values = ops.cast(inputs, "float32")
        if self.observes:
            if not averages:
                low, high = self._extremes(values)
                self.low.assign(ops.minimum(self.low, low))
                self.high.assign(ops.maximum(self.high, high))
            return values
        if training and not averages:
            low, high = self._extremes(values)
            keep = ops.where(ops.equal(self.low, self.high), 0.0, MOMENTUM)
            self.low.assign(keep * self.low + (1 - keep) * ops.cast(low, "float32"))
            self.high.assign(keep * self.high + (1 - keep) * ops.cast(high, "float32"))
        if training or not self.integers:
            return fake_quant_with_min_max_vars(values, self.low, self._top(), num_bits=8)
        passed = ops.clip(values, ops.convert_to_tensor(self.low), self._top())  # what gradients take
        return ops.stop_gradient(self._as_integers(inputs, averages)) + (passed - ops.stop_gradient(passed))

    def step(self) -> Any:
        """Return the distance of two levels, () WIDE."""
        return _stored((ops.cast(self._top(), WIDE) - ops.cast(self.low, WIDE)) / 255)

    def _as_integers(self, inputs: Any, averages: bool) -> Any:
        step = self.step()
        zero = ops.round(-ops.cast(self.low, WIDE) / step)
        sums = None if averages else _sums(self, inputs)
        if averages:  # TFLite counts their levels from -128
            error = 1e-7 if keras.backend.standardize_dtype(inputs.dtype) == "float64" else 1e-4
            level = _away(ops.cast(inputs, WIDE) / step + (zero - 128), 0.5 + error) + 128
        elif sums is None:
            level = ops.floor(ops.cast(inputs, WIDE) / step + 0.5) + zero
        else:
            whole = ops.round(ops.cast(inputs, "float32") / ops.cast(sums.unit, "float32"))
            level = ops.cast(whole, WIDE) * (sums.unit / step)
            # rounded to fractions of a level first, as TFLite multiplies integers, and then, if there are any, again
            fractions = 2 ** ops.maximum(-1 - ops.floor(ops.log2(sums.size / step)), 0)
            half = 0.5 + ops.where(fractions > 1, 0.5 / fractions, 0)
            level = (_away(level, half) if sums.away else ops.floor(level + half)) + zero
        return ops.cast((ops.clip(level, 0, 255) - zero) * step, "float32")

    def _extremes(self, inputs: Any) -> tuple[Any, Any]:
        extremes = ops.minimum(ops.min(inputs), 0.0), ops.maximum(ops.max(inputs), 0.0)
        return extremes[0] * (1 + self.wider), extremes[1] * (1 + self.wider)

    def _top(self) -> Any:
        return ops.maximum(self.high, self.low + 1e-6)

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape unchanged."""
        return shape


def _stored(scale: Any) -> Any:
    """Return a scale as the file holds it."""
    return ops.cast(ops.cast(scale, "float32"), WIDE)


def _away(level: Any, half: Any) -> Any:
    """Round, halves away from 0."""
    return ops.sign(level) * ops.floor(ops.abs(level) + half)


class _Sums(NamedTuple):
    """What TFLite has as integers and rounds to levels.

    Attributes:
        unit: what one of them counts, WIDE.
        size: the same but for what tells how finely TFLite rounds first: to fractions of a level, as many as the power
            of two that goes into level / size.
        away: halves are rounded away from 0; else up.
    """

    unit: Any
    size: Any
    away: bool


def _sums(rounder: FakeQuant, inputs: Any) -> _Sums | None:
    """Return how TFLite has the inputs of a FakeQuant; None where not as integers of one scale."""
    maker = maker_of(rounder)
    while isinstance(maker, layers.ReLU | layers.Activation):
        maker = maker_of(maker)
    if isinstance(maker, CompressedLayer):
        unit = maker.unit()
        return None if unit is None else _Sums(unit, unit, away=False)
    summing = layers.GlobalAveragePooling2D | layers.LeakyReLU | layers.Rescaling
    step = _step_before(maker) if isinstance(maker, summing) else None
    if step is None or getattr(maker, "offset", None):
        return None
    if isinstance(maker, layers.Rescaling):  # its scale is an integer too, 255
        unit = step * _stored(ops.cast(maker.scale, WIDE) / 255)
        return _Sums(unit, unit, away=True)
    if isinstance(maker, layers.LeakyReLU):
        unit = ops.where(inputs < 0, maker.negative_slope * step, step)
        return _Sums(unit, unit, away=True)
    count = int(np.prod(maker.input.shape[1:3]))  # of channels_last images
    return _Sums(step / count, step / 2 ** int(np.log2(count)), away=True)


def maker_of(layer: Any) -> Any:
    """Return the operation that made a layer's first inputs; None outside a network."""
    return layer._inbound_nodes[0].input_tensors[0]._keras_history.operation if layer._inbound_nodes else None


def _step_before(layer: Any) -> Any:
    """Return the distance of two of the levels that a layer is given; None where its inputs are not rounded."""
    maker, scale = maker_of(layer), 1.0
    while isinstance(maker, (*PASSING, layers.Rescaling)):
        scale *= getattr(maker, "scale", 1.0)
        maker = maker_of(maker)
    return maker.step() * scale if isinstance(maker, FakeQuant) and not maker.observes else None


class CompressedLayer:
    """A layer whose kernel is pruned and rounded on its way into the computation; it stores the trained one.

    Args:
        rounds: to 8 bits.
        pruning: settings of fer.nn.pruning.Pruning; None for none.
    """

    channels = -1
    """Axis of the kernel from which on each index has a scale of its own."""

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
        layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        """Load all of them."""
        layers.Layer.load_own_variables(self, store)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Compute."""
        layer: Any = self
        outputs = self.product(inputs, self.effective(training))
        if layer.use_bias:
            outputs = ops.add(outputs, ops.cast(layer.bias if training else self.effective_bias(), outputs.dtype))
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

    def effective_bias(self) -> Any:
        """Return the bias that the computation sees outside training: a multiple of `unit`."""
        layer: Any = self
        unit = self.unit()
        return layer.bias if unit is None else ops.cast(ops.round(ops.cast(layer.bias, WIDE) / unit) * unit, "float32")

    def unit(self) -> Any:
        """Return what 1 counts in TFLite's sums, (channels,) WIDE; None where they are no integers."""
        step = _step_before(self) if self.rounds else None
        if step is None:
            return None
        return step * _stored(ops.cast(_limit(self.effective(), self.channels), WIDE) / 127)

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
class IntegerResize(layers.Layer):
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

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Resize."""
        if not self.integers:
            return ops.image.resize(inputs, self.size)
        step = None if training else _step_before(self)
        inputs = ops.cast(inputs, WIDE)
        if step is not None:
            inputs = inputs / step
            inputs = inputs + ops.stop_gradient(ops.round(inputs) - inputs)
        for axis in (1, 2):
            below, share = _positions(inputs.shape[axis], self.size[axis - 1])
            above = np.minimum(below + 1, inputs.shape[axis] - 1)
            share = share.reshape((-1, 1, 1) if axis == 1 else (-1, 1))
            # not a product of matrices: its last bits depend on the batch
            inputs = ops.take(inputs, below, axis=axis) * (1 - share) + ops.take(inputs, above, axis=axis) * share
        return inputs if step is None else inputs * step


def _positions(given: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of `wanted` pixels in a row the one of `given` at or before it, and the share of the next."""
    step = (1024 * given + wanted // 2) // wanted
    position = np.clip(np.arange(wanted) * step + step // 2 - 512, 0, (given - 1) * 1024)
    return position // 1024, (position % 1024 / 1024).astype(WIDE)


@keras.saving.register_keras_serializable("fer")
class CompressedConv2D(_Convolution, layers.Conv2D):
    """Conv2D with a compressed kernel."""


@keras.saving.register_keras_serializable("fer")
class CompressedConv1D(_Convolution, layers.Conv1D):
    """Conv1D with a compressed kernel."""


@keras.saving.register_keras_serializable("fer")
class CompressedDepthwiseConv2D(CompressedLayer, layers.DepthwiseConv2D):
    """DepthwiseConv2D with a compressed kernel."""

    channels = 2

    def product(self, inputs: Any, kernel: Any) -> Any:
        """Convolve."""
        settings = {"padding": self.padding, "dilation_rate": self.dilation_rate}
        return ops.depthwise_conv(inputs, kernel, strides=self.strides, **settings)

    def _kernel_variable(self) -> Any:
        return self.kernel


@keras.saving.register_keras_serializable("fer")
class CompressedDense(CompressedLayer, layers.Dense):
    """Dense with a compressed kernel."""

    def product(self, inputs: Any, kernel: Any) -> Any:
        """Multiply."""
        return ops.matmul(inputs, kernel)


COMPRESSED: dict[Any, Any] = {
    layers.Conv2D: CompressedConv2D,
    layers.Conv1D: CompressedConv1D,
    layers.DepthwiseConv2D: CompressedDepthwiseConv2D,
    layers.Dense: CompressedDense,
}


def is_rounded(network: keras.Model) -> bool:
    """Tell whether a network was rewritten for quantization-aware training."""
    return any(isinstance(layer, FakeQuant) for layer in network._flatten_layers())


def is_compressed(network: keras.Model) -> bool:
    """Tell whether a network holds layers of this module."""
    return any(isinstance(layer, FakeQuant | CompressedLayer) for layer in network._flatten_layers())
