"""Many short trials, of which the better ones go on."""

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
class Hyperband(Tuner):
    """Brackets of successive halving (Li et al. 2018), by KerasTuner; a trial that goes on does so from its checkpoint.

    How many trials there are follows from `training.epochs`, `factor` and `iterations`.

    Attributes:
        factor: one of so many trials stays in each round, with so many times the epochs.
        iterations: how often the whole algorithm runs.
    """

    factor: int
    iterations: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.at_least(self, "factor", 2)
        check.at_least(self, "iterations", 1)

    def search(self, space: Sequence[Parameter], goal: Goal, folder: Path, epochs: int) -> Search:
        """Open the search."""
        from fer.search.oracle import OracleSearch, keras_tuner

        oracle = partial(
            keras_tuner().oracles.HyperbandOracle,
            max_epochs=epochs,
            factor=self.factor,
            hyperband_iterations=self.iterations,
            seed=self.seed + 1,  # KerasTuner takes 0 for none
        )
        return OracleSearch(oracle, space, goal, folder)
