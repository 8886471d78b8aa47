"""The settings of `python -m fer combine`."""

from dataclasses import dataclass, field
from typing import Any

from fer import check
from fer.errors import ConfigError
from fer.runtime import Runtime


@dataclass(kw_only=True)
class CombineRun:
    """`python -m fer combine`: several finished runs as one.

    Attributes:
        runs: their folders, two or more.
        by: "outputs" (an ensemble) or "weights" (their mean).
        name: of the new run.
        batch_size: samples at a time.
        runtime: backend and device.
        folder: where the new run is written; Hydra sets it.
        choices: set with it, and
        overrides: the words of the command line.
    """

    runs: list[str]
    by: str
    name: str
    batch_size: int
    runtime: Runtime
    folder: str = ""
    choices: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if len(self.runs) < 2:
            raise ConfigError(f"runs: expected two or more, got {self.runs}; give them as runs=[outputs/a,outputs/b]")
        check.one_of(self, "by", ("outputs", "weights"))
        check.at_least(self, "batch_size", 1)
