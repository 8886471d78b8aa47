"""`python train.py`: train a model on a dataset, judge it, and leave a run folder."""

from fer import interruption
from fer.runs.train import TrainRun


def train(run: TrainRun) -> float:
    """Train, and return the monitored value, which a sweeper may optimise."""
    with interruption.heeded():
        run.runtime.apply(run.seed)
        if run.training.profile:
            from fer import profile

            print(profile.table(profile.measure(run)))
            return 0.0
        from fer import training  # imports Keras, whose backend is chosen by now

        return training.train(run).value
