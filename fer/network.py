"""A trained network, from a run folder or a .tflite file, behind one call: faces in, outputs out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer import artifact
from fer.errors import ModelError, RunError

SHIPPED = Path(__file__).resolve().parents[1] / "models" / "mien.tflite"
"""The network that comes with the repository (see docs/zoo.md)."""

BATCH = 64
"""Faces at most in one call of a Keras network."""


class Network(Protocol):
    """What answers.

    Attributes:
        name: of the folder or the file.
        contract: "input" and "output" (see fer.artifact.deployed).
    """

    name: str
    contract: dict[str, Any]

    def __call__(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 (inputs, outputs) for inputs of the contract's shape; none may be empty."""


class KerasNetwork:
    """The network of a finished run. The backend is the one that Keras has, or will choose.

    Attributes:
        model: the network as Keras has it.
    """

    def __init__(self, folder: artifact.RunFolder) -> None:
        """Load it.

        Raises:
            RunError: the run is unfinished or damaged.
        """
        self.name, self.contract = folder.path.name, artifact.deployed(folder.passport())
        from fer.nn.weights import load_network

        self.model = load_network(folder.model)

    def __call__(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Answer (see Network). Batches are filled up to powers of two, since each new size is compiled anew."""
        parts = []
        for start in range(0, len(inputs), BATCH):
            part = np.stack(inputs[start : start + BATCH])
            size = 1 << (len(part) - 1).bit_length()
            padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append(np.asarray(self.model.predict_on_batch(padded), np.float32)[: len(part)])
        return np.concatenate(parts)


class TfliteNetwork:
    """An exported file; its runtime takes one input at a time."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        """Open it.

        Raises:
            ModelError: it is damaged, or says nothing of its input and classes.
        """
        from fer.device.contract import unpack
        from fer.device.model import Model

        if unpack(file).contract is None:
            raise ModelError(f"{file}: says nothing about its input and its classes; write one with export.py")
        self._model = Model(file, threads=threads, kernels="xnnpack")
        self.name, self.contract = file.name, self._model.contract

    def __call__(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Answer (see Network)."""
        return np.stack([self._model.runner(each).ravel() for each in inputs])


def open_network(path: str | None) -> Network:
    """Open a run folder, "latest", or a .tflite file; None for the one that comes with the repository.

    Raises:
        FerError: it is none, or damaged.
    """
    if path is None:
        return TfliteNetwork(SHIPPED)
    if path.endswith(".tflite"):
        return TfliteNetwork(Path(path).expanduser())
    if Path(path).is_file():
        raise RunError(f"{path}: expected a run folder or a .tflite file")
    return KerasNetwork(artifact.find(path))
