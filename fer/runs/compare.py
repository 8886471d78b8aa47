"""The settings of `python -m fer compare`."""

from dataclasses import dataclass

from fer import check


@dataclass(kw_only=True)
class CompareRun:
    """`python -m fer compare`: two finished runs or more beside each other.

    Attributes:
        runs: folders of runs, of sweeps and of searches; of the latter, all finished runs.
        output: folder of compare.html, its tables and pictures.
    """

    runs: list[str]
    output: str

    def __post_init__(self) -> None:
        """Check that there is room for the output."""
        check.folder(self, "output")
