"""A Gaussian process over the trials so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer import check
from fer.base import Tuner
from fer.search.loop import Search
from fer.search.space import Parameter
from fer.search.trial import Goal


@dataclass(kw_only=True)
class Bayesian(Tuner):
    """Trials chosen by the upper confidence bound of a Gaussian process (Srinivas et al. 2010), by KerasTuner.

    Attributes:
        trials: how many.
        initial: trials drawn at random before the process is asked; 0 for three times the number of parameters.
        beta: weight of the uncertainty; more explores more.
    """

    trials: int
    initial: int
    beta: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.at_least(self, "trials", 1)
        check.at_least(self, "initial", 0)
        check.at_least(self, "beta", 0)

    def search(self, space: Sequence[Parameter], goal: Goal, folder: Path, epochs: int) -> Search:
        """Open the search."""
        from fer.search.oracle import OracleSearch, give_gaussian_processes, keras_tuner

        give_gaussian_processes()
        oracle = partial(
            keras_tuner().oracles.BayesianOptimizationOracle,
            max_trials=self.trials,
            num_initial_points=self.initial or None,
            beta=self.beta,
            seed=self.seed + 1,  # KerasTuner takes 0 for none
        )
        return OracleSearch(oracle, space, goal, folder)
