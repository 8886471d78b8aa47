"""What a model of some data predicts, how its outputs are encoded, and which value chooses the best epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer.base import DataSpec

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Task(ABC):
    """Between raw targets (as Samples has them) and what a network is trained on."""

    spec: DataSpec

    score: ClassVar[str]
    """The metric that chooses: the best epoch is the best of "val_<score>"."""

    mode: ClassVar[Literal["min", "max"]]

    @abstractmethod
    def encode(self, targets: np.ndarray) -> np.ndarray:
        """Turn raw targets into the float32 array that the loss compares with the outputs."""

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return int labels (n,) for targets that are classes or probabilities of them."""
        return targets.argmax(axis=1) if targets.ndim == 2 else targets

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn a network's outputs into what the evaluation judges."""

    @abstractmethod
    def metrics(self) -> list[keras.metrics.Metric]:
        """Build the metrics that are shown while training."""


class Classification(Task):
    """Labels become one-hot rows, so that smoothed, mixed and soft labels need nothing else."""

    score = "accuracy"
    mode = "max"

    def encode(self, targets: np.ndarray) -> np.ndarray:
        """Turn labels (n,) into one-hot rows (n, classes); probabilities are such rows already."""
        return targets if targets.ndim == 2 else np.eye(len(self.spec.classes), dtype=np.float32)[targets]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, classes) as they are."""
        return outputs

    def metrics(self) -> list[keras.metrics.Metric]:
        """Build top-1 accuracy."""
        import keras

        return [keras.metrics.CategoricalAccuracy(name="accuracy")]


class LandmarkRegression(Task):
    """Points in pixels become x and y in [-0.5, 0.5] of the image, flattened."""

    score = "nme"
    mode = "min"

    @property
    def _size(self) -> np.ndarray:
        height, width = self.spec.shape[:2]
        return np.array([width, height], np.float32)

    def encode(self, targets: np.ndarray) -> np.ndarray:
        """Turn pixels (n, points, 2) into (n, 2 * points)."""
        return (targets / self._size - 0.5).reshape(len(targets), -1).astype(np.float32)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn (n, 2 * points) back into pixels (n, points, 2)."""
        return (outputs.reshape(len(outputs), -1, 2) + 0.5) * self._size

    def metrics(self) -> list[Any]:
        """Build the mean error normalised by the distance of the outer eye corners."""
        from fer.nn.metrics import NormalisedMeanError

        return [NormalisedMeanError(name="nme")]


def task_of(spec: DataSpec) -> Task:
    """Return the task that a dataset asks for."""
    return LandmarkRegression(spec) if spec.target == "points" else Classification(spec)
