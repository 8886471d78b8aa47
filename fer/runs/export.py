"""The settings of `python export.py`."""

from dataclasses import dataclass, field
from typing import Any

from fer import check
from fer.base import Exporter, Tracker
from fer.errors import ConfigError
from fer.runtime import Runtime


@dataclass(kw_only=True)
class Gate:
    """What an exported file must keep of the network's score.

    Attributes:
        split: what it is judged on: "validation", "test", or "judged", which is what the run itself was judged on.
        accuracy_drop: percentage points of accuracy that may be lost.
        nme_rise: percentage points that the normalised mean error of points may rise.
        resamples: of the paired bootstrap.
        seed: of the bootstrap.
    """

    split: str
    accuracy_drop: float
    nme_rise: float
    resamples: int
    seed: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", ("judged", "validation", "test"))
        check.at_least(self, "accuracy_drop", 0)
        check.at_least(self, "nme_rise", 0)
        check.at_least(self, "resamples", 100)
        check.at_least(self, "seed", 0)


@dataclass(kw_only=True)
class ExportRun:
    """`python export.py`: write a finished run in formats for devices, and prove what they are worth.

    Attributes:
        run: a run folder, or "latest".
        export: the format, or all of them.
        gate: what a file must keep of the score.
        licence: of the weights, as the file will say it.
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        tracker: where the results are reviewed.
        runtime: backend and device; TFLite needs TensorFlow.
    """

    run: str
    export: Exporter
    gate: Gate
    licence: str
    dataset: dict[str, Any] = field(default_factory=dict)
    tracker: Tracker
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check that the converter can run."""
        if self.runtime.backend != "tensorflow":
            raise ConfigError(
                f"runtime: expected tensorflow, whose converter writes the files, got {self.runtime.backend}; "
                "a network that was trained on JAX is exported with runtime=tensorflow, too"
            )
