"""A network as it is trained: fed by rows of what lies on the device, or beside a teacher."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from fer.base import Samples
from fer.nn.device import changed


class Trainee(keras.Model):
    """Wraps a network for `fit`; its weights are the network's own.

    Args:
        network: what is trained.
        teacher: (network, temperature, weight): its softened outputs are learned beside the targets (Hinton et al.
            2015, arXiv:1503.02531); None for none.
        images: splits that are put on the device at once, one after the other; inputs are then rows of them, with
            what is done to them (see fer.nn.device.changed). Empty where inputs are images.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        teacher: tuple[keras.Model, float, float] | None = None,
        images: Sequence[Samples] = (),
    ) -> None:
        super().__init__(name="trainee")
        self.network = network
        self.teacher: keras.Model | None = None
        if teacher:
            self.teacher, self.temperature, self.weight = teacher
            self.teacher.trainable = False
        self.images = None
        if images:
            whole = np.concatenate([samples.inputs(slice(None)) for samples in images])
            self.images = keras.Variable(whole, trainable=False, dtype=str(whole.dtype), name="images")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the network's outputs."""
        return self.network(self._pictures(inputs), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):  # type: ignore[no-untyped-def]
        """Return the loss; in training, what the teacher says is part of it."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self.teacher is None or not training:
            return loss
        told = self.teacher(self._pictures(x), training=False)
        return (1 - self.weight) * loss + self.weight * divergence(told, y_pred, self.temperature)

    def _pictures(self, inputs: Any) -> Any:
        return inputs if self.images is None else changed(self.images, inputs)


def divergence(teacher: Any, student: Any, temperature: float) -> Any:
    """Return the mean Kullback-Leibler divergence of softened probabilities, times the squared temperature.

    Args:
        teacher: probabilities (batch, classes).
        student: the same.
        temperature: divides the logits; 1 leaves the probabilities as they are.
    """
    # log-probabilities are logits up to a constant, which softmax does not see
    theirs, ours = (ops.log_softmax(ops.log(ops.maximum(p, 1e-7)) / temperature) for p in (teacher, student))
    return temperature**2 * ops.mean(ops.sum(ops.exp(theirs) * (theirs - ours), axis=-1))
