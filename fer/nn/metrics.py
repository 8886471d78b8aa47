"""Metrics that Keras does not have."""

import keras
from keras import ops

from fer.ibug68 import OUTER_EYE_CORNERS


@keras.saving.register_keras_serializable("fer")
class NormalisedMeanError(keras.metrics.Mean):
    """NME: mean distance between points, divided by the inter-ocular distance of the true face; 0.05 is 5%.

    Takes coordinates (batch, 136) of a square image in any unit.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[no-untyped-def]
        """Add a batch."""
        truth, predicted = (ops.reshape(values, (-1, 68, 2)) for values in (y_true, y_pred))
        errors = ops.mean(ops.norm(predicted - truth, axis=-1), axis=-1)
        left, right = (truth[:, corner] for corner in OUTER_EYE_CORNERS)
        return super().update_state(errors / ops.norm(left - right, axis=-1), sample_weight)
