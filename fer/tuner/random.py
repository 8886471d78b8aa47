"""Settings drawn at random."""

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
class Random(Tuner):
    """Trials drawn independently (Bergstra & Bengio 2012), by KerasTuner.

    Attributes:
        trials: how many; fewer where the space has no more.
    """

    trials: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.at_least(self, "trials", 1)

    def search(self, space: Sequence[Parameter], goal: Goal, folder: Path, epochs: int) -> Search:
        """Open the search."""
        from fer.search.oracle import OracleSearch, keras_tuner

        oracle = partial(
            keras_tuner().oracles.RandomSearchOracle, max_trials=self.trials, seed=self.seed + 1
        )  # 0 is none
        return OracleSearch(oracle, space, goal, folder)
