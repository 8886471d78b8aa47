"""The operations of a .tflite file, and which runtime takes them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TABLE = Path(__file__).with_name("tflite_runtime_2_14.json")
"""Highest version of each operation that tflite-runtime 2.14 takes: read off the runtime itself, which was offered
every operation in every version (benchmarks/operations.py)."""

NAMES: dict[int, str] = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
TYPES: dict[int, str] = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One step of a network.

    Attributes:
        number: its place in the file.
        name: TFLite's name, such as "CONV_2D".
        version: of the operation.
        layer: name of its first output, which holds the Keras layer's.
        inputs: (shape, type, constant) of each input that there is.
        outputs: (shape, type) of each output.
        options: the operation's settings, as TFLite's schema names them.
    """

    number: int
    name: str
    version: int
    layer: str
    inputs: tuple[tuple[tuple[int, ...], str, bool], ...]
    outputs: tuple[tuple[tuple[int, ...], str], ...]
    options: Any


def empty_buffer() -> Any:
    """Return a buffer without content."""
    return schema.BufferT()


def read(network: bytes) -> Any:
    """Return a network as the schema's ModelT."""
    return schema.ModelT.InitFromPackedBuf(network, 0)


def write(model: Any) -> bytes:
    """Turn a ModelT into the bytes of a file."""
    builder = _Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Builder(flatbuffers.Builder):
    """Writes equal arrays once: each kernel and each bias has a zero for each of its channels, of eight bytes.

    TFLite's schema asks that weights begin at a multiple of 16 bytes, which flatbuffers' Python does not heed
    (https://github.com/google/flatbuffers/issues/5839).
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._places: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 (flatbuffers' name)
        """Write an array, or return where an equal one was written."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._places:
            if x.dtype == np.uint8:  # the only such arrays in the schema are weights and other buffers
                self.Prep(16, x.nbytes)
            self._places[key] = super().CreateNumpyVector(x)
        return self._places[key]


def operations(network: bytes) -> list[Operation]:
    """List the operations of a network, in the order in which they run."""
    model = read(network)
    graph = model.subgraphs[0]
    listed = []
    for number, operator in enumerate(graph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        name = NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
        outputs = [graph.tensors[index] for index in operator.outputs]
        listed.append(
            Operation(
                number=number,
                name=code.customCode.decode() if name == "CUSTOM" else name,
                version=code.version,
                layer=tidy(outputs[0].name),
                inputs=tuple((_shape(each), TYPES[each.type], is_constant(model, each)) for each in inputs),
                outputs=tuple((_shape(each), TYPES[each.type]) for each in outputs),
                options=operator.builtinOptions,
            )
        )
    return listed


def too_new(steps: list[Operation]) -> list[str]:
    """Say which operations tflite-runtime 2.14 does not take; it may refuse the file, or run it to wrong answers."""
    known = json.loads(TABLE.read_text())
    return [
        f"{step.name} version {step.version} in layer {step.layer} (it knows {known.get(step.name, 0) or 'none'})"
        for step in steps
        if step.version > known.get(step.name, 0)
    ]


def is_constant(model: Any, tensor: Any) -> bool:
    """Tell whether a tensor's values are in the file."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def tidy(name: bytes) -> str:
    """Return the path of the Keras layer that a tensor's name speaks of.

    The converter joins the names of what it fused by ";"; TensorFlow numbers each layer that is called a second time,
    as all are when the batch is fixed (see fer.deployment.convert).
    """
    path = name.decode(errors="replace").split(";")[0].split("/")
    if len(path) == 1:
        return "output" if path[0].startswith("StatefulPartitionedCall") else path[0]
    layers = [re.sub(r"_\d+$", "", layer) for layer in path[:-1] if not layer.startswith("functional")]
    return "/".join(layers)


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(side) for side in tensor.shape)
