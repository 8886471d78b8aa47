"""The settings of `python -m fer evaluate`."""

from dataclasses import dataclass, field
from typing import Any

from fer import check
from fer.base import SPLITS
from fer.runtime import Runtime


@dataclass(kw_only=True)
class EvaluateRun:
    """`python -m fer evaluate`: judge a finished run on any split again.

    Attributes:
        run: a run folder, or "latest".
        split: "train", "validation" or "test".
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        output: where the report goes; by default `report` (the test split) or `report_<split>` in the run folder.
        tta: test-time augmentation: "none", "flip" or "ten" (see fer.evaluation.views); the report says so.
        batch_size: samples at a time.
        other: another dataset (its name in conf/dataset/), which `dataset` then changes; "none" for the run's own.
        unmapped: what is done about classes of another dataset that the network does not know: "stop", or "drop" them.
        robustness: how many images are judged under seven corruptions at five severities too; 0 for none.
        runtime: backend and device.
    """

    run: str
    split: str
    tta: str
    dataset: dict[str, Any] = field(default_factory=dict)
    output: str | None
    batch_size: int
    other: str
    unmapped: str
    robustness: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", SPLITS)
        check.one_of(self, "tta", ("none", "flip", "ten"))
        check.at_least(self, "batch_size", 1)
        check.one_of(self, "unmapped", ("stop", "drop"))
        check.at_least(self, "robustness", 0)
        check.folder(self, "output")
