"""From samples, augmentation and a seed to batches."""

import keras
import numpy as np

from fer.base import Augment, Samples
from fer.task import Task


class Batches(keras.utils.PyDataset):
    """Batches of one split, as `fit` and `predict` take them.

    Order and augmentation come from (seed, epoch, batch) alone, so that the batches are the same for any number of
    workers and after a resume. Images stay uint8 until the device.

    Args:
        samples: the split.
        task: encodes the targets.
        batch_size: samples a batch; the last one may be smaller.
        seed: of order and augmentation; None keeps the samples' own order.
        augment: changes a batch.
        balance: "none", "class_weights" or "oversample" (see fer.runs.Training).
        workers: threads that prepare batches.
    """

    def __init__(
        self,
        samples: Samples,
        task: Task,
        *,
        batch_size: int,
        seed: int | None = None,
        augment: Augment | None = None,
        balance: str = "none",
        workers: int = 1,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=2 * workers + 2)
        self.samples = samples
        self.task = task
        self.batch_size = batch_size
        self.seed = seed
        self.augment = augment
        self.balance = balance
        self.weights = class_weights(samples.targets) if balance == "class_weights" else None
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Set the epoch, and with it the order."""
        self.epoch = epoch
        chosen = np.arange(len(self.samples))
        if self.seed is not None:
            random = np.random.default_rng((self.seed, epoch))
            if self.balance == "oversample":
                chosen = oversampled(self.samples.targets, random)
            random.shuffle(chosen)
        self.chosen = chosen

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.chosen) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Return (inputs, encoded targets), and a weight for each sample where classes are weighted."""
        which = self.chosen[index * self.batch_size : (index + 1) * self.batch_size]
        inputs, targets = self.samples.inputs(which), self.samples.targets[which]
        if self.augment is not None:
            seed = int(np.random.default_rng((self.seed or 0, self.epoch, index)).integers(2**31))
            inputs, targets = self.augment(inputs, targets, seed)
        encoded = self.task.encode(targets)
        if self.weights is not None:
            return inputs, encoded, self.weights[targets]
        return inputs, encoded


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Return float32 (classes,): n / (classes * n_class), so that each class weighs the same in total."""
    counts = np.bincount(labels)
    return (len(labels) / (len(counts) * np.maximum(counts, 1))).astype(np.float32)


def oversampled(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return indices in which every class comes as often as the largest: all of its samples, some of them repeated."""
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    most = max(map(len, classes))
    drawn = [np.concatenate([rows, random.choice(rows, most - len(rows))]) for rows in classes]
    return np.concatenate(drawn)
