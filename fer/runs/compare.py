"""The settings of `python -m fer compare`."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class CompareRun:
    """`python -m fer compare`: two finished runs or more beside each other.

    Attributes:
        runs: folders of runs, of sweeps and of searches; of the latter, all finished runs.
        output: folder of compare.html, its tables and pictures.
    """

    runs: list[str]
    output: str
