"""Rewrite a trained network with layers that round or prune (see fer.nn.quantization), and back, each in one pass."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from fer.errors import ConfigError
from fer.nn.quantization import COMPRESSED, PASSING, CompressedLayer, FakeQuant, IntegerResize, maker_of

AVERAGING = (layers.AveragePooling1D, layers.AveragePooling2D)
"""TFLite rounds their results with the scale of what they were given; so it does with resized images."""

FUSED = ("relu", "relu6", "linear")
"""Activations that TFLite computes inside the operation before them."""

FIXED = ("softmax", "sigmoid", "tanh")
"""Activations whose range TFLite knows."""

OWN = ("rounds", "pruning")
"""Settings of compressed layers that Keras's own do not know."""


def compress(network: keras.Model, *, rounds: bool, pruning: dict[str, Any] | None) -> keras.Model:
    """Return a flat copy of a network whose convolutions and dense layers round or prune their kernels.

    Args:
        network: a trained network of one input and one output; sub-models are opened, BatchNorm is folded.
        rounds: quantization-aware: kernels and activations to 8 bits.
        pruning: settings of fer.nn.pruning.Pruning; None for none.

    Raises:
        ConfigError: it holds a layer that cannot be copied.
    """
    return _Rewriter(rounds, pruning).rewrite(network)


def plain(network: keras.Model, *, ranges: bool) -> keras.Model:
    """Return a network of Keras's own layers that computes the same, with each kernel as pruned and rounded.

    Args:
        network: what `compress` gave, trained.
        ranges: keep the FakeQuant layers, from which the converter takes the ranges of activations; else activations
            are not rounded any more.
    """

    def twin(layer: layers.Layer) -> layers.Layer:
        if isinstance(layer, FakeQuant):
            config = {**layer.get_config(), "integers": False}
            return FakeQuant.from_config(config) if ranges else layers.Identity(name=layer.name)
        if isinstance(layer, IntegerResize):
            return IntegerResize.from_config({**layer.get_config(), "integers": False})
        kind = next((ours for ours, theirs in COMPRESSED.items() if type(layer) is theirs), None)
        if kind is None:
            return type(layer).from_config(layer.get_config())
        return kind.from_config({key: each for key, each in layer.get_config().items() if key not in OWN})

    def call(layer: layers.Layer, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, layers.Identity):
            kwargs = {}  # they were said to the FakeQuant that it stands for
        return layer(*args, **kwargs)

    copied = keras.models.clone_model(network, clone_function=twin, call_function=call)
    for ours, theirs in zip(network.layers, copied.layers, strict=True):
        if isinstance(ours, CompressedLayer):
            layer: Any = ours
            bias = [layer.effective_bias() if ranges else layer.bias] if layer.use_bias else []
            theirs.set_weights([ops.convert_to_numpy(each) for each in (layer.effective(), *bias)])
        elif theirs.weights:
            theirs.set_weights(ours.get_weights())
    return copied


class _Rewriter:
    """Walks a graph. A result is "open" while it waits for what may be fused to it, and is then rounded."""

    def __init__(self, rounds: bool, pruning: dict[str, Any] | None) -> None:
        self.rounds, self.pruning = rounds, pruning
        self.open: dict[int, Any] = {}
        self.made_by: dict[int, Any] = {}
        self.scaled: dict[int, Any] = {}
        self.closed: dict[int, Any] = {}
        self.names: set[str] = set()

    def rewrite(self, network: keras.Model) -> keras.Model:
        given = network.inputs[0]
        inputs = keras.Input(given.shape[1:], dtype=given.dtype, name=given.name)
        outputs = self._close(self._walk(network, self._opened(inputs)))
        return keras.Model(inputs, outputs, name=network.name)

    def _walk(self, model: Any, inputs: Any) -> Any:
        graph = model._functional if isinstance(model, keras.Sequential) else model
        return graph._run_through_graph([inputs], operation_fn=lambda operation: operation, call_fn=self._call)

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, keras.Model):
            return self._walk(operation, args[0])
        kind = next((ours for theirs, ours in COMPRESSED.items() if type(operation) is theirs), None)
        if kind is not None:
            return self._compressed(kind, operation, args[0])
        if isinstance(operation, layers.SeparableConv2D):
            return self._separable(operation, args[0])
        if isinstance(operation, layers.Rescaling) and np.any(operation.offset):
            # Two steps, two roundings. Pixels minus 127.5 lie half-way between the values of 8 bits, where TFLite
            # rounds otherwise than Keras; in a range that is a little wider hardly any does
            scaled = layers.Rescaling(operation.scale, name=self._name(operation.name))(self._close(args[0]))
            moved = layers.Rescaling(1.0, offset=operation.offset, name=self._name(f"{operation.name}_offset"))
            return self._close(self._opened(moved(self._close(self._opened(scaled)))), wider=0.01)
        if isinstance(operation, layers.Rescaling):  # which the converter multiplies into the kernel behind it
            result = self._copied(operation)(self._close(args[0]))
            self.scaled[id(result)] = result
            return self._opened(result)
        if isinstance(operation, layers.BatchNormalization) and id(args[0]) in self.made_by:
            return self._folded(operation, args[0])
        if _is_relu(operation) and id(args[0]) in self.open:
            return self._opened(self._copied(operation)(args[0]))
        if self.rounds and _is_bilinear(operation):
            given = self._close(args[0])
            return self._averaged(IntegerResize(operation.size, name=self._name(operation.name))(given), given)
        args, kwargs = keras.tree.map_structure(self._close_tensor, (args, kwargs))
        kwargs.pop("training", None)
        result = self._copied(operation)(*args, **kwargs)
        if self.rounds and isinstance(operation, AVERAGING):
            return self._averaged(result, args[0])
        if isinstance(operation, PASSING) or _activation(operation) in FIXED:
            return result
        return keras.tree.map_structure(self._opened, result)

    def _compressed(self, kind: type, layer: Any, inputs: Any) -> Any:
        config = {**layer.get_config(), "use_bias": True, "rounds": self.rounds, "pruning": self.pruning}
        activation = _activation(layer)
        if activation not in FUSED:
            config["activation"] = "linear"
        config["name"] = self._name(layer.name)
        ours = kind.from_config(config)  # type: ignore[attr-defined]
        result = ours(inputs if id(inputs) in self.scaled else self._close(inputs))
        kernel, *bias = layer.get_weights()[: 1 + layer.use_bias]
        _set(ours, kernel, bias[0] if bias else np.zeros(ours.bias.shape, np.float32))
        if activation in ("linear",):
            self.made_by[id(result)] = (ours, result)
        if activation in FUSED:
            return self._opened(result)
        result = layers.Activation(layer.activation, dtype=layer.dtype_policy)(self._close(self._opened(result)))
        return result if activation in FIXED else self._opened(result)

    def _separable(self, layer: Any, inputs: Any) -> Any:
        """Replace a separable convolution by its two parts, which TFLite rounds one after the other."""
        depthwise, pointwise, *bias = layer.get_weights()
        shape = (layer.kernel_size, layer.strides, layer.padding, layer.depth_multiplier)
        first = layers.DepthwiseConv2D(*shape, use_bias=False, name=f"{layer.name}_depthwise")
        second = layers.Conv2D(layer.filters, 1, activation=layer.activation, use_bias=bool(bias), name=layer.name)
        middle = first.compute_output_shape(inputs.shape)
        first.build(inputs.shape)
        second.build(middle)
        first.set_weights([depthwise])
        second.set_weights([pointwise, *bias])
        inner = self._compressed(COMPRESSED[layers.DepthwiseConv2D], first, inputs)
        return self._compressed(COMPRESSED[layers.Conv2D], second, inner)

    def _folded(self, norm: Any, result: Any) -> Any:
        """Scale a layer's kernel and bias as the BatchNorm behind it would scale its outputs."""
        ours, _ = self.made_by[id(result)]
        values = dict(zip([each.name for each in norm.weights], norm.get_weights(), strict=True))
        scale = values.get("gamma", 1.0) / np.sqrt(values["moving_variance"] + norm.epsilon)
        kernel, bias = ours._kernel_variable().numpy(), ours.bias.numpy()
        shaped = scale.reshape(kernel.shape[2:]) if ours.channels == 2 else scale
        _set(ours, kernel * shaped, (bias - values["moving_mean"]) * scale + values.get("beta", 0.0))
        return result

    def _averaged(self, result: Any, given: Any) -> Any:
        """Round averages in the range of what they average, as TFLite does."""
        rounder = given._keras_history.operation
        while isinstance(rounder, PASSING):
            rounder = maker_of(rounder)
        return rounder(result, averages=True) if isinstance(rounder, FakeQuant) else self._opened(result)

    def _copied(self, operation: Any) -> Any:
        if not isinstance(operation, layers.Layer):
            return operation  # an operation of keras.ops has no weights and may be used again
        config = {**operation.get_config(), "name": self._name(operation.name)}
        copied = type(operation).from_config(config)
        if operation.weights:
            if isinstance(operation, layers.RNN):
                raise ConfigError(f"model: {operation.name} is a recurrent layer, which is not rewritten")
            copied.build(operation.input.shape)
            copied.set_weights(operation.get_weights())
        return copied

    def _name(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        return name

    def _opened(self, tensor: Any) -> Any:
        self.open[id(tensor)] = tensor
        return tensor

    def _close_tensor(self, value: Any) -> Any:
        return self._close(value) if isinstance(value, keras.KerasTensor) else value

    def _close(self, tensor: Any, wider: float = 0.0) -> Any:
        """Round an open result, once for all that take it."""
        if not self.rounds or id(tensor) not in self.open:
            return tensor
        if id(tensor) not in self.closed:
            name = self._name(f"round_{len(self.closed)}")
            self.closed[id(tensor)] = FakeQuant(wider, name=name, dtype="float32")(tensor)
        return self.closed[id(tensor)]


def _set(layer: Any, kernel: Any, bias: Any) -> None:
    layer._kernel_variable().assign(ops.reshape(kernel, layer._kernel_variable().shape))
    layer.bias.assign(bias)


def _activation(operation: Any) -> str:
    """Return the name of a layer's activation; "linear" where it has none."""
    if isinstance(operation, layers.Softmax):
        return "softmax"
    return getattr(getattr(operation, "activation", None), "__name__", "linear")


def _is_relu(operation: Any) -> bool:
    if isinstance(operation, layers.ReLU):
        return operation.max_value in (None, 6) and not operation.negative_slope and not operation.threshold
    return isinstance(operation, layers.Activation) and _activation(operation) in ("relu", "relu6")


def _is_bilinear(operation: Any) -> bool:
    """Tell whether an operation is keras.ops.image.resize as TFLite's RESIZE_BILINEAR does it."""
    changed = ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio")
    if type(operation).__name__ != "Resize" or operation.interpolation != "bilinear":
        return False
    return operation.data_format != "channels_first" and not any(getattr(operation, each) for each in changed)
