"""`python train.py`: train a model on a dataset, judge it, and leave a run folder."""

from fer.runs import TrainRun


def train(run: TrainRun) -> float:
    """Train, and return the monitored value, which a sweeper may optimise."""
    run.runtime.apply(run.seed)
    from fer import training  # imports Keras, whose backend is chosen by now

    return training.train(run).value
