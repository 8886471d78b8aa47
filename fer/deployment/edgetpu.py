"""Coral's Edge TPU: compile where the compiler is, predict its work where it is not, and read its log.

The conditions are those of https://coral.ai/docs/edgetpu/models-intro/#supported-operations (read 2026-11-21). The
compiler maps what comes before the first operation that it does not support, and leaves the rest to the CPU.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fer.artifact import replacing, write_text
from fer.deployment.operations import Operation, operations
from fer.device.contract import pack, unpack
from fer.errors import ConfigError

COMPILER = "edgetpu_compiler"
MEMORY = 8 << 20
"""Bytes of the Edge TPU's on-chip memory; parameters that do not fit are streamed, which is slower."""

HOW_TO_GET = (
    "edgetpu_compiler is not on the PATH, so this is a prediction; it runs on x86-64 Debian: add "
    "'deb https://packages.cloud.google.com/apt coral-edgetpu-stable main' to apt's sources, then "
    "apt-get install edgetpu-compiler"
)
Condition = Callable[[Operation], str]
"""Returns why an operation is not mapped, or an empty string."""


def compile_or_predict(file: Path) -> list[str]:
    """Compile an int8 file into `<name>_edgetpu.tflite`, or predict what the compiler would do.

    Returns:
        Lines for people.

    Raises:
        ConfigError: the compiler failed; the text holds its last line.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None:
        return [HOW_TO_GET, *predict(operations(unpack(file).network)).lines()]
    done = subprocess.run(
        [compiler, "-s", "-o", str(file.parent), str(file)], capture_output=True, text=True, timeout=600
    )
    text = done.stdout + done.stderr
    write_text(file.with_name("edgetpu.log"), text)
    if done.returncode:
        last = text.strip().rpartition("\n")[2]
        raise ConfigError(f"export=edgetpu: {COMPILER} failed ({last}); its log is {file.with_name('edgetpu.log')}")
    compiled = file.with_name(f"{file.stem}_edgetpu.tflite")
    keep_files(file, compiled)
    return parse_log(text).lines()


def keep_files(file: Path, compiled: Path) -> None:
    """Put labels and contract into the compiled file too; the compiler drops what is behind the network."""
    import hashlib
    import json

    source, network = unpack(file), unpack(compiled).network
    contract = {**source.json("contract.json"), "network_sha256": hashlib.sha256(network).hexdigest()}
    with replacing(compiled) as partial:
        partial.write_bytes(pack(network, source.files | {"contract.json": json.dumps(contract, indent=2).encode()}))


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the compiler would do.

    Attributes:
        mapped: operations for the Edge TPU.
        left: operations for the CPU, from the first that is not supported on.
        reason: why that one is not.
        parameters: bytes of the mapped operations' constants.
    """

    mapped: list[Operation]
    left: list[Operation]
    reason: str
    parameters: int

    def lines(self) -> list[str]:
        """Return lines for people."""
        total = len(self.mapped) + len(self.left)
        text = [f"Edge TPU: {len(self.mapped)} of {total} operations are mapped"]
        if self.left:
            first = self.left[0]
            text.append(f"the first that is not: number {first.number}, {first.name} ({first.layer}): {self.reason}")
            counts = Counter(each.name for each in self.left).most_common()
            text.append(f"the CPU runs it and all after it: {', '.join(f'{count} {name}' for name, count in counts)}")
        fits = "fits" if self.parameters <= MEMORY else f"{self.parameters - MEMORY:,} bytes are streamed"
        text.append(f"parameters on the chip: {self.parameters:,} of {MEMORY:,} bytes ({fits})")
        return text


def predict(steps: list[Operation]) -> Prediction:
    """Check each operation against Coral's list, up to the first that is not supported."""
    for place, step in enumerate(steps):
        reason = unsupported(step)
        if reason:
            return Prediction(mapped=steps[:place], left=steps[place:], reason=reason, parameters=_bytes(steps[:place]))
    return Prediction(mapped=steps, left=[], reason="", parameters=_bytes(steps))


def unsupported(step: Operation) -> str:
    """Return why the Edge TPU does not take an operation; an empty string where it does."""
    if step.name not in CONDITIONS:
        return "not among the supported operations"
    for shape, kind, constant in step.inputs:
        if kind not in ("INT8", "UINT8") and not constant:
            return f"works on {kind.lower()}; only 8-bit integers are mapped"
        if math.prod(shape[:-3]) > 1 and not constant:
            return f"a tensor of {shape}: only the three innermost dimensions may be larger than 1"
    for _, kind in step.outputs:
        if kind not in ("INT8", "UINT8"):
            return f"gives {kind.lower()}; only 8-bit integers are mapped"
    return CONDITIONS[step.name](step)


def _bytes(steps: list[Operation]) -> int:
    sizes = {"INT8": 1, "UINT8": 1, "INT32": 4}
    return sum(
        math.prod(shape) * sizes.get(kind, 4) for step in steps for shape, kind, constant in step.inputs if constant
    )


def _anything(step: Operation) -> str:
    return ""


def _no_activation(step: Operation) -> str:
    return "has a fused activation" if getattr(step.options, "fusedActivationFunction", 0) else ""


def _same_dilation(step: Operation) -> str:
    options = step.options
    return "" if options.dilationHFactor == options.dilationWFactor else "its dilations in x and y differ"


def _concatenation(step: Operation) -> str:
    constants = sum(constant for *_, constant in step.inputs)
    if constants and len(step.inputs) > 2:
        return "joins a constant with more than one tensor"
    return _no_activation(step)


def _dense(step: Operation) -> str:
    if getattr(step.options, "weightsFormat", 0):
        return "its weights are not in the default format"
    return "" if math.prod(step.outputs[0][0][:-1]) == 1 else f"its output {step.outputs[0][0]} is not one-dimensional"


def _mean(step: Operation) -> str:
    shape, depth = step.inputs[0][0], step.inputs[0][0][-1]
    kept = step.outputs[0][0]
    return f"reduces {depth} channels, not a multiple of 4" if depth % 4 and (not kept or kept[-1] != shape[-1]) else ""


def _softmax(step: Operation) -> str:
    shape = step.inputs[0][0]
    if math.prod(shape[:-1]) > 1 or shape[-1] > 16_000:
        return f"its input {shape} is not one-dimensional with at most 16,000 elements"
    return ""


def _strides(step: Operation) -> str:
    return "its masks are not 0" if step.options.ellipsisMask or step.options.newAxisMask else ""


PLAIN = """
ADD EXPAND_DIMS L2_NORMALIZATION LOGISTIC MAXIMUM MINIMUM MUL PACK PAD PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6
RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SPACE_TO_DEPTH SPLIT SQUARED_DIFFERENCE SQUEEZE
SUB SUM TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM
"""
CONDITIONS: dict[str, Condition] = {
    **dict.fromkeys(PLAIN.split(), _anything),
    "AVERAGE_POOL_2D": _no_activation,
    "MAX_POOL_2D": _no_activation,
    "CONCATENATION": _concatenation,
    "CONV_2D": _same_dilation,
    "DEPTHWISE_CONV_2D": _same_dilation,
    "FULLY_CONNECTED": _dense,
    "MEAN": _mean,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strides,
}
"""Supported operations by their TFLite names. Limits without a number there ("may not be mapped") are not checked."""


@dataclass(frozen=True, kw_only=True)
class CompilerLog:
    """What edgetpu_compiler said.

    Attributes:
        version: of the compiler.
        on_chip: bytes of parameters in the chip's memory.
        streamed: bytes of parameters that did not fit.
        subgraphs: on the Edge TPU.
        operations: (operation, how many, status) in the order of the log.
    """

    version: str
    on_chip: int
    streamed: int
    subgraphs: int
    operations: list[tuple[str, int, str]]

    @property
    def left(self) -> list[tuple[str, int, str]]:
        """What the CPU runs."""
        return [row for row in self.operations if row[2] != "Mapped to Edge TPU"]

    def lines(self) -> list[str]:
        """Return lines for people."""
        total = sum(count for _, count, _ in self.operations)
        on_cpu = sum(count for _, count, _ in self.left)
        return [
            f"edgetpu_compiler {self.version}: {total - on_cpu} of {total} operations are mapped, "
            f"in {self.subgraphs} subgraph{'' if self.subgraphs == 1 else 's'}",
            *(f"on the CPU: {count} {name}: {status}" for name, count, status in self.left),
            f"parameters on the chip: {self.on_chip:,} bytes, streamed: {self.streamed:,} bytes",
        ]


def parse_log(text: str) -> CompilerLog:
    """Read what edgetpu_compiler prints with -s (the format of versions 2 to 16).

    Raises:
        ConfigError: it compiled nothing.
    """
    if "Model compiled successfully" not in text:
        reason = re.search(r"^(?:Compilation failed: |ERROR: |Invalid model: )(.*)$", text, re.MULTILINE)
        raise ConfigError(f"edgetpu_compiler: {reason[1] if reason else 'expected a log that says what was compiled'}")

    def found(pattern: str, default: str = "0") -> str:
        match = re.search(pattern, text)
        return match[1] if match else default

    rows = re.findall(r"^([A-Z][A-Z0-9_]+|custom|Custom\w*)\s+(\d+)\s+(\S.*?)\s*$", text, re.MULTILINE)
    return CompilerLog(
        version=found(r"Edge TPU Compiler version (\S+)", "of an unknown version"),
        on_chip=_size(found(r"On-chip memory used for caching model parameters: (\S+)", "0.00B")),
        streamed=_size(found(r"Off-chip memory used for streaming uncached model parameters: (\S+)", "0.00B")),
        subgraphs=int(found(r"Number of Edge TPU subgraphs: (\d+)", "1")),
        operations=[(name, int(count), status) for name, count, status in rows],
    )


def _size(text: str) -> int:
    """Turn "3.33MiB" into bytes."""
    number, unit = re.fullmatch(r"([\d.]+)(B|KiB|MiB|GiB)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * 1024 ** ("B", "KiB", "MiB", "GiB").index(unit))
