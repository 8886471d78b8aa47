"""From samples, augmentation and a seed to batches."""

import time
from typing import Any

import keras
import numpy as np

from fer.base import Augment, Draw, Samples
from fer.mixing import Mixing, mixed, mixed_labels
from fer.task import Task


class Batches(keras.utils.PyDataset):
    """Batches of one split, as `fit` and `predict` take them.

    Order and changes come from (seed, epoch, batch) alone, so that the batches are the same for any number of workers
    and after a resume. Images stay uint8 until the device.

    Args:
        samples: the split.
        task: encodes the targets.
        batch_size: samples a batch; the last one may be smaller.
        seed: of order and augmentation; None keeps the samples' own order.
        augment: changes a batch.
        mixing: mixes images of a batch and their labels.
        balance: "none", "class_weights", "class_balanced" or "oversample" (see fer.runs.train.Training).
        beta: of "class_balanced".
        workers: threads that prepare batches.

    Attributes:
        seconds: time spent on reading and on changing so far, for profiles.
    """

    def __init__(
        self,
        samples: Samples,
        task: Task,
        *,
        batch_size: int,
        seed: int | None = None,
        augment: Augment | None = None,
        mixing: Mixing | None = None,
        balance: str = "none",
        beta: float = 0.0,
        workers: int = 1,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=2 * workers + 2)
        self.samples = samples
        self.task = task
        self.batch_size = batch_size
        self.seed = seed
        self.augment = augment
        self.mixing = mixing if mixing and mixing.used else None
        self.balance = balance
        self.weights = self._weights(beta)
        self.seconds = {"read": 0.0, "augment": 0.0}
        self.begin(0)

    def begin(self, epoch: int, first: int = 0) -> None:
        """Set the epoch, and with it the order; leave out the `first` batches, which were trained before."""
        self.epoch, self.first = epoch, first
        chosen = np.arange(len(self.samples))
        if self.seed is not None:
            random = np.random.default_rng((self.seed, epoch))
            if self.balance == "oversample":
                chosen = oversampled(self.task.labels(self.samples.targets), random)
            random.shuffle(chosen)
        self.chosen = chosen

    @property
    def remaining(self) -> int:
        """Number of samples in the rest of the epoch."""
        return len(self.chosen) - self.first * self.batch_size

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-self.remaining // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return (inputs, encoded targets), and a weight for each sample where classes are weighted."""
        number = index + self.first
        which = self.chosen[number * self.batch_size : (number + 1) * self.batch_size]
        random = np.random.default_rng((self.seed or 0, self.epoch, number))
        inputs, encoded = self._batch(which, random)
        if self.weights is not None:
            return inputs, encoded, encoded @ self.weights
        return inputs, encoded

    def _batch(self, which: np.ndarray, random: np.random.Generator) -> tuple[Any, np.ndarray]:
        started = time.perf_counter()
        inputs, targets = self.samples.inputs(which), self.samples.targets[which]
        read = time.perf_counter()
        if self.augment is not None:
            inputs, targets = self.augment(inputs, targets, int(random.integers(2**31)))
        encoded = self.task.encode(targets)
        if self.mixing is not None:
            plan = self.mixing.draw(len(inputs), inputs.shape[1:3], random)
            grid = inputs.astype(np.float32).reshape(*inputs.shape[:3], -1)  # landmarks have no channels
            blend = mixed(grid, plan).reshape(inputs.shape)
            inputs = np.rint(blend).astype(np.uint8) if inputs.dtype == np.uint8 else blend
            encoded = mixed_labels(encoded, plan) if self.mixing.labels else encoded
        self.seconds["read"] += read - started
        self.seconds["augment"] += time.perf_counter() - read
        return inputs, encoded

    def _weights(self, beta: float) -> np.ndarray | None:
        if self.balance not in ("class_weights", "class_balanced"):
            return None
        counts = np.bincount(self.task.labels(self.samples.targets), minlength=len(self.task.spec.classes))
        return class_weights(counts, beta if self.balance == "class_balanced" else None)


class RowBatches(Batches):
    """Rows of what lies on the device, and what is done to them there.

    Args:
        samples: the split.
        task: encodes the targets.
        first: row of its first sample on the device.
        draw: (count, random) -> parameters of the augmentation (see fer.augmentation.affine).
        settings: as for Batches.
    """

    def __init__(
        self,
        samples: Samples,
        task: Task,
        *,
        first: int,
        draw: Draw | None = None,
        **settings: Any,
    ) -> None:
        self.offset = first
        self.draw = draw
        super().__init__(samples, task, **settings)

    def _batch(self, which: np.ndarray, random: np.random.Generator) -> tuple[Any, np.ndarray]:
        started = time.perf_counter()
        inputs = {"rows": (which + self.offset).astype(np.int32)}
        encoded = self.task.encode(self.samples.targets[which])
        if self.draw is not None:
            inputs |= self.draw(len(which), random)
        if self.mixing is not None:
            plan = self.mixing.draw(len(which), self.task.spec.shape[:2], random)
            encoded = mixed_labels(encoded, plan) if self.mixing.labels else encoded
            inputs |= {name: plan[name] for name in ("partner", "share", "patch", "hole")}
        self.seconds["augment"] += time.perf_counter() - started
        return inputs, encoded


def class_weights(counts: np.ndarray, beta: float | None = None) -> np.ndarray:
    """Return float32 (classes,), on average 1 over the samples.

    Args:
        counts: samples of each class; a class without any weighs 0.
        beta: None weighs each class the same in total, n / (classes * n_class). In [0, 1), the "effective number" of
            samples (1 - beta^n_class) / (1 - beta) takes the place of n_class (Cui et al. 2019, arXiv:1901.05555).
    """
    effective = counts if beta is None else (1 - np.power(beta, counts)) / (1 - beta)
    weights = np.divide(1, effective, where=counts > 0, out=np.zeros(len(counts)))
    return (weights * counts.sum() / (weights @ counts)).astype(np.float32)


def oversampled(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return indices in which every class comes as often as the largest: all of its samples, some of them repeated."""
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    most = max(map(len, classes))
    drawn = [np.concatenate([rows, random.choice(rows, most - len(rows))]) for rows in classes]
    return np.concatenate(drawn)
