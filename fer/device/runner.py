"""Run a .tflite file with whichever TFLite runtime is there."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from fer.device.contract import Packed, unpack
from fer.errors import ModelError

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
PROBE_SECONDS = 60


def runtime() -> ModuleType:
    """Return the first TFLite runtime that is installed.

    Raises:
        ModelError: there is none.
    """
    for name in RUNTIMES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.partition(".")[0]:
                raise
    raise ModelError(
        "no TFLite runtime: pip install ai-edge-litert (or, up to Python 3.11, tflite-runtime with 'numpy<2')"
    )


@dataclass(frozen=True)
class Tensor:
    """The network's input or output.

    Attributes:
        index: its number in the runtime.
        shape: with the batch, which is 1.
        dtype: as the file has it.
        scale: of an integer, else 0: value = scale * (integer - zero_point).
        zero_point: see `scale`.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Turn values into what the tensor holds."""
        if not self.scale:
            return values.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        whole = np.rint(values.astype(np.float32) / np.float32(self.scale)) + self.zero_point
        return np.clip(whole, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, values: np.ndarray) -> np.ndarray:
        """Turn what the tensor holds into float32."""
        if not self.scale:
            return values.astype(np.float32)
        return (values.astype(np.float32) - self.zero_point) * np.float32(self.scale)


Kernels = Literal["reference", "own", "xnnpack"]
RESOLVERS: dict[Kernels, str] = {
    "reference": "BUILTIN_REF",
    "own": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "xnnpack": "AUTO",
}


class Runner:
    """A network that is ready to run, one input at a time.

    Args:
        network: the bytes of the .tflite file.
        threads: of the runtime.
        kernels: which code computes. Of an integer network "reference" gives the same bits on every machine, "own"
            (TFLite's) those of its kind of processor in every runtime, "xnnpack" is the fastest and rounds otherwise.

    Raises:
        ModelError: the runtime does not take the file.
    """

    def __init__(self, network: bytes, *, threads: int = 1, kernels: Kernels = "xnnpack") -> None:
        self._interpreter = _interpreter(network, threads, kernels)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(f"expected one input and one output, got {len(inputs)} and {len(outputs)}")
        self.input, self.output = (_tensor(details[0]) for details in (inputs, outputs))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return float32 (outputs,) for one input of the network's shape, without the batch."""
        self._interpreter.set_tensor(self.input.index, self.input.quantize(values)[None])
        self._interpreter.invoke()
        return self.output.dequantize(self._interpreter.get_tensor(self.output.index)[0])


def _interpreter(network: bytes, threads: int, kernels: Kernels) -> Any:
    module = runtime()
    resolver = getattr(module.OpResolverType, RESOLVERS[kernels])
    try:
        interpreter = module.Interpreter(
            model_content=network, num_threads=threads, experimental_op_resolver_type=resolver
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{module.__name__.partition('.')[0]} does not take it: {' '.join(str(error).split())}"
        ) from error
    return interpreter


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    shape = tuple(int(side) for side in details["shape"])
    return Tensor(details["index"], shape, np.dtype(details["dtype"]), float(scale), int(zero_point))


def open_model(path: Path, *, threads: int = 1, kernels: Kernels = "own") -> tuple[Packed, Runner]:
    """Open a file: its contract is checked first, and one that cannot be trusted is tried in another process.

    A file of ours carries a hash of its network. Bytes that no hash speaks for may crash a runtime instead of raising,
    so they are run once in a process that may die.

    Args:
        path: the .tflite file.
        threads: of the runtime.
        kernels: that compute an integer network (see Runner).

    Raises:
        ModelError: the file cannot be used.
    """
    packed = unpack(path)
    contract = packed.contract
    if contract is None:
        probe(path)
    integer = contract is not None and contract["export"]["integer"]
    try:
        return packed, Runner(packed.network, threads=threads, kernels=kernels if integer else "xnnpack")
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def probe(path: Path) -> None:
    """Load a file and run it once in a process of its own.

    Raises:
        ModelError: it was refused, crashed the process, or did not end.
    """
    code = "import sys; from fer.device.runner import _try; _try(sys.argv[1])"
    folder = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH", ""))))
    words = [sys.executable, "-c", code, str(path)]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=PROBE_SECONDS, env={**os.environ, "PYTHONPATH": paths}
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path}: damaged: it does not end within {PROBE_SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if done.returncode == 3 and lines else f"it crashes the runtime (status {done.returncode})"
        raise ModelError(f"{path}: damaged or hostile: {reason}")


def _try(path: str) -> None:
    """Run a file on zeros; exit with 3 where it is refused."""
    try:
        runner = Runner(unpack(Path(path)).network)
        runner(np.zeros(runner.input.shape[1:], np.float32))
    except Exception as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(3)
