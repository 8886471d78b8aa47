"""How much noise each quantized layer adds by itself, so that a bad one can be named.

Each operation of the quantized file is cut out and run alone, on the float network's own values, quantized; beside it
the same operation of the float file on the same rounded values. What is left between the two is that operation's own
noise: its weights and the range of its output. A layer that only passes on the noise of those before it is not blamed.
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
    ours, theirs = _Graph(unpack(quantized).network), _Graph(unpack(plain).network)
    values = theirs.record(inputs)
    ranked = []
    for key, number in ours.producers.items():
        operation = ours.name(number)
        if key not in theirs.producers or operation in CASTS or operation != theirs.name(theirs.producers[key]):
            continue
        given, wanted = ours.inputs(number), theirs.inputs(theirs.producers[key])
        if set(given) != set(wanted) or not set(given) <= set(values):
            continue
        alone = _Alone(ours, number), _Alone(theirs, theirs.producers[key])
        pairs = [_outputs(*alone, {name: values[name][row] for name in given}) for row in range(len(inputs))]
        decibels = _decibels(*(np.stack(each) for each in zip(*pairs, strict=True)))
        layer = operations.tidy(ours.tensor(ours.operators[number].outputs[0]).name)
        ranked.append({"layer": layer, "operation": operation, "decibels": round(decibels, 2)})
    return sorted(ranked, key=lambda row: row["decibels"])


def _outputs(ours: _Alone, theirs: _Alone, values: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return what an operation answers in the quantized file, and in the float file for the same rounded values."""
    rounded = ours.rounded(values)
    return ours(rounded), theirs(rounded)


def _decibels(got: np.ndarray, wanted: np.ndarray) -> float:
    """Return the mean over channels (the last axis) of 10 log10(signal / noise), at most CLEAN."""
    got, wanted = (each.reshape(-1, each.shape[-1]).astype(np.float64) for each in (got, wanted))
    signal, noise = np.square(wanted).mean(axis=0), np.square(got - wanted).mean(axis=0)
    used = signal > 0
    if not used.any():
        return CLEAN
    ratio = signal[used] / np.maximum(noise[used], signal[used] * 10 ** (-CLEAN / 10))
    return float((10 * np.log10(ratio)).mean())


class _Graph:
    """A file's network with its tensors under the names that the float and the quantized file share."""

    def __init__(self, network: bytes) -> None:
        self.model = operations.read(network)
        self.graph = self.model.subgraphs[0]
        self.operators = self.graph.operators
        self.keys = [tensor.name.split(b";")[0].decode() for tensor in self.graph.tensors]
        for number, operator in enumerate(self.operators):  # a cast holds the same values under another name
            if self.name(number) == "QUANTIZE":
                self.keys[operator.outputs[0]] = self.keys[operator.inputs[0]]
        for number in reversed(range(len(self.operators))):
            if self.name(number) == "DEQUANTIZE" and not self.constant(self.operators[number].inputs[0]):
                self.keys[self.operators[number].inputs[0]] = self.keys[self.operators[number].outputs[0]]
        made = ((self.keys[index], number) for number, each in enumerate(self.operators) for index in each.outputs)
        self.producers = {key: number for key, number in made if self.name(number) not in CASTS}

    def tensor(self, index: int) -> Any:
        return self.graph.tensors[index]

    def constant(self, index: int) -> bool:
        return operations.is_constant(self.model, self.tensor(index))

    def name(self, number: int) -> str:
        code = self.model.operatorCodes[self.operators[number].opcodeIndex]
        return operations.NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def needed(self, number: int) -> list[int]:
        """Return the operation and those that unpack its float16 constants."""
        unpacking = [
            other
            for other, each in enumerate(self.operators)
            if self.name(other) == "DEQUANTIZE"
            and self.constant(each.inputs[0])
            and each.outputs[0] in self.operators[number].inputs
        ]
        return [*unpacking, number]

    def free(self, number: int) -> list[int]:
        """Return the operation's inputs that are computed."""
        made = [index for other in self.needed(number)[:-1] for index in self.operators[other].outputs]
        inputs = dict.fromkeys(int(index) for index in self.operators[number].inputs)
        return [index for index in inputs if index >= 0 and index not in made and not self.constant(index)]

    def inputs(self, number: int) -> list[str]:
        return [self.keys[index] for index in self.free(number)]

    def record(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return float32 (n, ...) of each tensor that is computed."""
        module = runtime()
        interpreter = module.Interpreter(
            model_content=operations.write(self.model),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        made = {int(index) for each in self.operators for index in each.outputs} | {int(self.graph.inputs[0])}
        kept: dict[str, list[np.ndarray]] = {self.keys[index]: [] for index in made}
        for each in inputs:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], each[None].astype(np.float32))
            interpreter.invoke()
            for index in made:
                kept[self.keys[index]].append(interpreter.get_tensor(index))
        return {key: np.stack(values) for key, values in kept.items()}


class _Alone:
    """One operation of a file, as a network of its own."""

    def __init__(self, graph: _Graph, number: int) -> None:
        needed = [graph.operators[each] for each in graph.needed(number)]
        self.names, free = graph.inputs(number), graph.free(number)
        self._interpreter = _interpreter(_cut(graph.model, needed, free))
        self._given = self._interpreter.get_input_details()
        self._got = self._interpreter.get_output_details()[0]

    def rounded(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the inputs as this operation sees them."""
        pairs = zip(self.names, self._given, strict=True)
        return {name: _dequantize(_quantize(values[name], details), details) for name, details in pairs}

    def __call__(self, values: dict[str, np.ndarray]) -> np.ndarray:
        for name, details in zip(self.names, self._given, strict=True):
            self._interpreter.set_tensor(details["index"], _quantize(values[name], details))
        self._interpreter.invoke()
        return _dequantize(self._interpreter.get_tensor(self._got["index"]), self._got)


def _cut(model: Any, operators: Sequence[Any], inputs: list[int]) -> bytes:
    """Return a network of some of a model's operators, with no more constants than they need."""
    small, graph = copy.copy(model), copy.copy(model.subgraphs[0])
    graph.operators, graph.inputs, graph.outputs = operators, inputs, list(operators[-1].outputs)
    used = {graph.tensors[index].buffer for each in operators for index in each.inputs if index >= 0}
    empty = operations.empty_buffer()
    small.buffers = [buffer if index in used else empty for index, buffer in enumerate(model.buffers)]
    small.subgraphs, small.signatureDefs, small.metadata = [graph], None, None
    return operations.write(small)


def _interpreter(network: bytes) -> Any:
    module = runtime()
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(model_content=network, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    return interpreter


def _quantize(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    if not scale:
        return values.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(details["dtype"])


def _dequantize(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    if not scale:
        return values.astype(np.float32)
    return ((values.astype(np.float64) - zero_point) * scale).astype(np.float32)
