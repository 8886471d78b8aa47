"""The settings of `python -m fer benchmark`."""

from dataclasses import dataclass

from fer import check
from fer.errors import ConfigError


@dataclass(kw_only=True)
class BenchmarkRun:
    """`python -m fer benchmark`: time and memory of exported files.

    Attributes:
        run: a run folder, or "latest".
        file: one .tflite instead of a run's.
        threads: numbers of threads to measure with.
        repeats: how often each thing is timed.
        frame: an image with a face, for the way from the frame to the label; null for the networks alone.
        faces: what finds the face (see fer.device.faces.detector).
        output: the folder of the results.
    """

    run: str
    file: str | None
    threads: list[int]
    repeats: int
    frame: str | None
    faces: str
    output: str | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "repeats", 5, 100_000)
        check.folder(self, "output")
        if not self.threads or min(self.threads) < 1:
            raise ConfigError(f"threads: expected numbers of 1 or more, got {self.threads}")
        for field_name in ("file", "frame"):
            if getattr(self, field_name) is not None:
                check.exists(self, field_name)
