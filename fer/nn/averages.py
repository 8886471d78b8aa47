"""The moving average of the weights that a Keras optimizer keeps."""

import keras

from fer.checkpoint import assign, values


def swap(optimizer: keras.optimizers.Optimizer) -> None:
    """Exchange the trained weights with their moving average (Polyak & Juditsky 1992); twice is none.

    Args:
        optimizer: built with `use_ema`.
    """
    # as keras.callbacks.SwapEMAWeights does, which acts at other moments than validation and the end of an epoch
    trained, averaged = optimizer._trainable_variables, optimizer._model_variables_moving_average
    before = values(trained)
    assign(trained, values(averaged))
    assign(averaged, before)
