"""The settings of `python -m fer noise`."""

from dataclasses import dataclass

from fer import check
from fer.base import Dataset
from fer.errors import ConfigError
from fer.runtime import Runtime


@dataclass(kw_only=True)
class NoiseRun:
    """`python -m fer noise`: find labels that are probably wrong, and review them.

    Either networks tell that did not train on them, or rules on the face (see fer.evaluation.label_rules).

    Attributes:
        runs: a run folder, "latest", or a folder of runs that are folds of one another
            (dataset.splits.validation=1/5,2/5,...).
        dataset: landmark rows whose training labels are held against the rules, without a run; null for `runs`.
        shown: how many of the worst are put on the page.
        output: folder of suspects.json and review.html.
        batch_size: samples at a time.
        runtime: backend and device.
    """

    runs: str
    dataset: Dataset | None
    shown: int
    output: str
    batch_size: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "shown", 1, 2000)
        check.folder(self, "output")
        check.at_least(self, "batch_size", 1)
        if self.dataset and self.runs != "latest":
            raise ConfigError("runs: is for networks, and dataset= for rules on the face; give one of the two")
