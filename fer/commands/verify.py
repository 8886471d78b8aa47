"""`python -m fer verify model.tflite`: prove that a file still is what was exported."""

from pathlib import Path

from fer.device.verify import verify as check
from fer.runs.verify import VerifyRun


def verify(run: VerifyRun) -> None:
    """Ask the file its golden questions and print how it did."""
    count, worst = check(Path(run.file))
    print(f"{run.file}: {count} golden inputs answered as at export (largest difference {worst:.2g})")
