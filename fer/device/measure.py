"""`python -m fer.device.measure model.tflite`: time and memory of a file in a process of its own, as JSON.

Cold start counts from the start of the process, imports included, so each file and setting needs a new one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fer.device.faces import SEARCHED, crop, detector
from fer.device.model import Model
from fer.device.runner import runtime
from fer.device.sources import frames
from fer.errors import FerError

WARM = 3  # rounds that are not counted


def main() -> int:
    """Run the command line; print JSON, or one line that says what is wrong."""
    line = argparse.ArgumentParser(prog="python -m fer.device.measure", description=__doc__)
    line.add_argument("model", type=Path)
    line.add_argument("--threads", type=int, default=1)
    line.add_argument("--fast", action="store_true")
    line.add_argument("--repeats", type=int, default=50)
    line.add_argument("--frame", help="an image of a scene: also measure the way from the frame to the label")
    line.add_argument("--faces", default="haar")
    options = line.parse_args()
    try:
        print(json.dumps(measure(options)))
    except FerError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure one file: times in milliseconds, memory in MB."""
    started = time.perf_counter()
    model = Model(options.model, threads=options.threads, kernels="xnnpack" if options.fast else "own")
    loaded = time.perf_counter() - started
    shape = model.contract["input"]["shape"]
    given = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    model.runner(given)
    found: dict[str, Any] = {
        "runtime": runtime().__name__.partition(".")[0],
        "threads": options.threads,
        "fast": options.fast,
        "bytes": options.model.stat().st_size,
        "load_ms": 1000 * loaded,
        "cold_start_ms": since_process_started(),
        **_times(lambda: model.runner(given), options.repeats),
    }
    if options.frame is not None:
        [(_, _, frame)] = frames(options.frame)
        found["whole_way"] = _whole_way(model, frame, options)
    return {**found, "peak_mb": peak()}


def _whole_way(model: Model, frame: np.ndarray, options: argparse.Namespace) -> dict[str, Any]:
    """Measure detect, crop and answer on one frame; the parts and the whole are taken from the same rounds."""
    detect = detector(options.faces, SEARCHED)
    margin = float(model.contract["input"].get("crop_margin", 0))

    def once() -> list[float]:
        marks = [time.perf_counter()]
        box = next(iter(detect(frame)), None)
        if box is None:
            raise FerError(f"{options.frame}: no face found; give a frame with one")
        marks.append(time.perf_counter())
        face = crop(frame, box, margin)
        marks.append(time.perf_counter())
        model(face)
        return [*marks, time.perf_counter()]

    laps = np.diff([once() for _ in range(WARM + options.repeats)][WARM:])
    each = zip(("detect_ms", "crop_ms", "answer_ms"), 1000 * np.median(laps, axis=0).astype(float), strict=True)
    return {**dict(each), **_summary(laps.sum(axis=1)), "frame": list(frame.shape[1::-1]), "faces": options.faces}


def _times(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    marks = [time.perf_counter()]
    for _ in range(WARM + repeats):
        work()
        marks.append(time.perf_counter())
    return _summary(np.diff(marks)[WARM:])


def _summary(seconds: np.ndarray) -> dict[str, float]:
    p50, p95 = np.percentile(seconds, (50, 95))
    return {"p50_ms": 1000 * float(p50), "p95_ms": 1000 * float(p95), "per_second": len(seconds) / float(seconds.sum())}


def since_process_started() -> float | None:
    """Return milliseconds since the process started; None where the system does not say."""
    import os

    try:
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return 1000 * (uptime - ticks / os.sysconf("SC_CLK_TCK"))


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    import resource

    with suppress(OSError):  # Linux; its ru_maxrss is that of whoever started this process, if larger
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()):
            return int(found[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())
