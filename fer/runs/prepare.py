"""The settings of `python -m fer prepare`."""

from dataclasses import dataclass

from fer import check
from fer.base import Dataset


@dataclass(kw_only=True)
class PrepareRun:
    """`python -m fer prepare`: verify a dataset before training, or get a public one.

    Attributes:
        dataset: the dataset.
        download: get it from its public home first.
        output: folder of the chart, the sample pictures and summary.json.
    """

    dataset: Dataset
    download: bool
    output: str

    def __post_init__(self) -> None:
        """Check that there is room for the output."""
        check.folder(self, "output")
