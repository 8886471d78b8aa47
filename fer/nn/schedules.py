"""Learning rates over the steps of a training stage."""

import keras

from fer.base import Optimizer


def learning_rate(
    recipe: Optimizer, *, factor: float, steps_per_epoch: int, epochs: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the rate of a stage, as Keras optimizers take it.

    Args:
        recipe: names the schedule and the highest rate.
        factor: of the stage, on the recipe's rate.
        steps_per_epoch: optimizer steps an epoch.
        epochs: length of the stage, which a cosine spans.
    """
    peak = recipe.learning_rate * factor
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), epochs * steps_per_epoch - 1)
    if recipe.schedule != "cosine" and warmup == 0:
        return peak
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else peak,
        decay_steps=epochs * steps_per_epoch - warmup,
        alpha=recipe.final_rate if recipe.schedule == "cosine" else 1.0,  # an alpha of 1 stays at the peak
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
