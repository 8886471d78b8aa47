"""The settings of `python tune.py`."""

from dataclasses import dataclass

from fer.base import Tuner
from fer.runs.train import TrainRun


@dataclass(kw_only=True)
class TuneRun(TrainRun):
    """`python tune.py`: search for better settings of a training.

    Attributes:
        tuner: how.
    """

    tuner: Tuner
