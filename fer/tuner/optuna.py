"""Optuna: tree-structured Parzen estimators, pruning, and several objectives at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fer import check
from fer.base import Tuner
from fer.errors import ConfigError
from fer.search.loop import Search
from fer.search.space import Parameter
from fer.search.trial import Goal

OBJECTIVES = ("score", "bytes", "milliseconds")


@dataclass(kw_only=True)
class Optuna(Tuner):
    """Trials chosen by TPE (Bergstra et al. 2011; for several objectives Ozaki et al. 2022), by Optuna.

    Attributes:
        trials: how many.
        objectives: "score" (the monitored value), "bytes" (of the fp32 .tflite file) and "milliseconds" (its median
            time for one input on one CPU thread); with several, the result is a Pareto front.
        pruner: "none"; "median" (stops a trial that is worse than the median of the earlier ones at the same epoch);
            or "hyperband" (Li et al. 2018). For one objective.
        storage: "journal" for a file in the search's folder, or the address of a database.
    """

    trials: int
    objectives: list[str]
    pruner: str
    storage: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.at_least(self, "trials", 1)
        if (
            not self.objectives
            or set(self.objectives) - set(OBJECTIVES)
            or len({*self.objectives}) < len(self.objectives)
        ):
            raise ConfigError(f"objectives: expected one or more of {', '.join(OBJECTIVES)}, got {self.objectives}")
        check.one_of(self, "pruner", ("none", "median", "hyperband"))
        if self.pruner != "none" and list(self.objectives) != ["score"]:
            raise ConfigError(f"pruner: expected none beside other objectives than the score, got {self.pruner!r}")

    def search(self, space: Sequence[Parameter], goal: Goal, folder: Path, epochs: int) -> Search:
        """Open the search."""
        try:
            from fer.search.study import StudySearch
        except ModuleNotFoundError as error:
            raise ConfigError(
                "tuner=optuna: the package optuna is not installed; install it with `uv sync --extra optuna`, "
                "or choose tuner=bayesian"
            ) from error
        return StudySearch(self, space, goal, folder, epochs)
