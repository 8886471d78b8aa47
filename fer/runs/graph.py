"""The settings of `python -m fer graph`."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class GraphRun:
    """`python -m fer graph`: draw a run's network.

    Attributes:
        run: a run folder, or "latest".
        output: the files' path without suffix.
    """

    run: str
    output: str | None
