"""The settings of `python -m fer boxes`."""

from dataclasses import dataclass, field
from typing import Any

from fer import check
from fer.base import SPLITS
from fer.errors import ConfigError
from fer.runtime import Runtime


@dataclass(kw_only=True)
class BoxesRun:
    """`python -m fer boxes`: judge a run's facial points with face boxes that are moved and scaled.

    Attributes:
        run: a run folder, or "latest".
        split: "train", "validation" or "test".
        shares: of the box's side, 0 to 0.5: boxes are shifted, scaled, and both, at random by up to each.
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        batch_size: samples at a time.
        runtime: backend and device.
    """

    run: str
    split: str
    shares: list[float]
    dataset: dict[str, Any] = field(default_factory=dict)
    batch_size: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", SPLITS)
        check.at_least(self, "batch_size", 1)
        if not all(0 <= share <= 0.5 for share in self.shares):
            raise ConfigError(f"shares: expected values from 0 to 0.5, got {self.shares}")
