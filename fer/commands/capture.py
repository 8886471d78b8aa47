"""`python -m fer capture`: label expressions before a camera or in a video."""

from fer.errors import DataError
from fer.runs.capture import CaptureRun


def capture(run: CaptureRun) -> None:
    """Record, and print what was recorded and what was not."""
    from fer.capture import capture as record

    done = record(run)
    counts = ", ".join(f"{name} {count}" for name, count in done.counts.items())
    print(f"{run.output}: {done.recorded} rows more, from {done.frames} frames ({counts})")
    if done.refused:
        print("not recorded: " + ", ".join(f"{reason} {count}" for reason, count in done.refused.most_common()))
    if done.lost:
        raise DataError(f"{done.lost} What was recorded is kept in {run.output}")
