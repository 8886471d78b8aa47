"""How much noise each quantized layer adds by itself, so that a bad one can be named.

Each operation of the float file is cut out and run twice on the float network's own values: as it is, and with the
quantized file's constants and the rounding of its output. What is left between the two is that operation's own noise; a
layer that only passes on the noise of those before it is not blamed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer.deployment import operations
from fer.device.contract import unpack
from fer.device.runner import runtime

CLEAN = 100.0
"""Decibels that stand for "no noise"."""

CASTS = ("QUANTIZE", "DEQUANTIZE")


def layers(plain: Path, quantized: Path, inputs: np.ndarray) -> list[dict[str, Any]]:
    """Rank the layers of a file by signal-to-quantization-noise ratio.

    Args:
        plain: the same network as a float32 .tflite file.
        quantized: the file.
        inputs: a few inputs, as the network takes them.

    Returns:
        For each layer that both files have: layer, operation and decibels, worst first. The ratio is taken for each
        channel and averaged in decibels, so that a loud channel does not hide those that it drowns.
    """
    exact, rounded = _Graph(unpack(plain).network), _Graph(unpack(quantized).network)
    values = exact.record(inputs)
    ranked = []
    for key, number in exact.producers.items():
        twin = rounded.producers.get(key)
        if twin is None or rounded.name(twin) != exact.name(number) or rounded.passes_on(twin):
            continue
        given = [values[index] for index in exact.computed(number)]
        wanted = _run(exact.cut(number, {}), given)
        got = rounded.round_output(twin, _run(exact.cut(number, rounded.constants(twin)), given))
        layer = operations.tidy(exact.graph.tensors[exact.operators[number].outputs[0]].name)
        ranked.append({"layer": layer, "operation": exact.name(number), "decibels": round(_decibels(got, wanted), 2)})
    return sorted(ranked, key=lambda row: row["decibels"])


def _decibels(got: np.ndarray, wanted: np.ndarray) -> float:
    """Return the mean over channels (the last axis) of 10 log10(signal / noise), at most CLEAN."""
    got, wanted = (each.reshape(-1, each.shape[-1]).astype(np.float64) for each in (got, wanted))
    signal, noise = np.square(wanted).mean(axis=0), np.square(got - wanted).mean(axis=0)
    used = signal > 0
    if not used.any():
        return CLEAN
    ratio = signal[used] / np.maximum(noise[used], signal[used] * 10 ** (-CLEAN / 10))
    return float((10 * np.log10(ratio)).mean())


def _run(network: bytes, given: Sequence[np.ndarray]) -> np.ndarray:
    """Run a network on values (n, 1, ...) of each of its inputs."""
    interpreter = _interpreter(network)
    results = []
    for values in zip(*given, strict=True):
        for details, value in zip(interpreter.get_input_details(), values, strict=True):
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.stack(results)


def _interpreter(network: bytes, *, keep: bool = False) -> Any:
    module = runtime()
    interpreter = module.Interpreter(
        model_content=network,
        experimental_preserve_all_tensors=keep,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


class _Graph:
    """A file's network; `producers` finds an operation by the name that its output has in the float and other files."""

    def __init__(self, network: bytes) -> None:
        self.model = operations.read(network)
        self.graph = self.model.subgraphs[0]
        self.operators = self.graph.operators
        self.origin = {int(index): number for number, each in enumerate(self.operators) for index in each.outputs}
        keys = [tensor.name.split(b";")[0] for tensor in self.graph.tensors]
        for number, operator in enumerate(self.operators):
            if self.name(number) == "DEQUANTIZE" and self.constant(int(operator.outputs[0])) is None:
                keys[operator.inputs[0]] = keys[operator.outputs[0]]  # the same values under another name
        first = ((keys[each.outputs[0]], number) for number, each in enumerate(self.operators))
        self.producers = {key: number for key, number in first if self.name(number) not in CASTS}

    def name(self, number: int) -> str:
        code = self.model.operatorCodes[self.operators[number].opcodeIndex]
        return operations.NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def constant(self, index: int) -> np.ndarray | None:
        """Return a constant's values in float32, also where they are float16 and unpacked first; None if computed."""
        number = self.origin.get(index)
        if number is not None and self.name(number) == "DEQUANTIZE":
            index = int(self.operators[number].inputs[0])
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        kind = np.dtype(operations.TYPES[tensor.type].lower())
        return _dequantized(np.frombuffer(np.asarray(data, np.uint8).tobytes(), kind), tensor)

    def constants(self, number: int) -> dict[int, np.ndarray]:
        """Return an operation's float constants by their place among its inputs."""
        found = {}
        for place, index in enumerate(self.operators[number].inputs):
            if index >= 0 and (values := self.constant(int(index))) is not None:
                found[place] = values
        return found

    def computed(self, number: int) -> list[int]:
        """Return the tensors among an operation's inputs that are computed, each once."""
        indices = dict.fromkeys(int(index) for index in self.operators[number].inputs)
        return [index for index in indices if index >= 0 and self.constant(index) is None]

    def record(self, inputs: np.ndarray) -> dict[int, np.ndarray]:
        """Run the whole network and return the values (n, ...) of each tensor that is computed."""
        interpreter = _interpreter(operations.write(self.model), keep=True)
        kept: dict[int, list[np.ndarray]] = {index: [] for index in (int(self.graph.inputs[0]), *self.origin)}
        for each in inputs:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], each[None].astype(np.float32))
            interpreter.invoke()
            for index, values in kept.items():
                values.append(interpreter.get_tensor(index))
        return {index: np.stack(values) for index, values in kept.items()}

    def cut(self, number: int, constants: dict[int, np.ndarray]) -> bytes:
        """Return one operation as a network of its own, with other values for its float constants."""
        operator, small, graph = self.operators[number], copy.copy(self.model), copy.copy(self.graph)
        used = {self.graph.tensors[index].buffer: place for place, index in enumerate(operator.inputs) if index >= 0}
        small.buffers = [operations.empty_buffer() for _ in self.model.buffers]
        for buffer, place in used.items():
            kept = self.model.buffers[buffer].data
            tensor = self.graph.tensors[operator.inputs[place]]
            if place in constants and operations.TYPES[tensor.type] == "FLOAT32":
                kept = np.frombuffer(constants[place].astype(np.float32).tobytes(), np.uint8)
            small.buffers[buffer].data = kept
        graph.operators, graph.inputs, graph.outputs = [operator], self.computed(number), list(operator.outputs)
        small.subgraphs, small.signatureDefs, small.metadata = [graph], None, None
        return operations.write(small)

    def passes_on(self, number: int) -> bool:
        """Tell whether an operation, such as a pooling, keeps the scale of its input and so rounds nothing again."""
        output, *inputs = (
            self.graph.tensors[index].quantization
            for index in (self.operators[number].outputs[0], *self.computed(number))
        )
        same = all(np.array_equal(output.scale, each.scale) for each in inputs)
        return same and output.scale is not None and not self.constants(number)

    def round_output(self, number: int, values: np.ndarray) -> np.ndarray:
        """Round values as the output of an operation is rounded; a float output is not."""
        tensor = self.graph.tensors[self.operators[number].outputs[0]]
        kind = operations.TYPES[tensor.type]
        if not kind.startswith(("INT", "UINT")):
            return values
        limits, (scale,), (zero_point,) = (
            np.iinfo(kind.lower()),
            tensor.quantization.scale,
            tensor.quantization.zeroPoint,
        )
        whole = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)
        return (whole - zero_point) * scale


def _dequantized(values: np.ndarray, tensor: Any) -> np.ndarray:
    """Return a constant as float32; there is one scale for all, or one along the quantized dimension."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return values.astype(np.float32) if values.dtype.kind == "f" else values
    scale, zero_point = np.asarray(quantization.scale, np.float64), np.asarray(quantization.zeroPoint, np.float64)
    if len(scale) > 1:
        along = np.ones(len(tensor.shape), int)
        along[quantization.quantizedDimension] = len(scale)
        values, scale, zero_point = values.reshape(tensor.shape), scale.reshape(along), zero_point.reshape(along)
    return ((values - zero_point) * scale).astype(np.float32)
