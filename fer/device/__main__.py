"""`python -m fer.device model.tflite face.png`: say what an exported file sees in images, a video or a camera."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer.device.faces import SEARCHED, crop, detector
from fer.device.model import Model
from fer.device.runner import open_model
from fer.device.sources import frames, is_still
from fer.device.verify import verify
from fer.errors import FerError

COLUMNS = ("source", "frame", "x", "y", "width", "height")


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    line = argparse.ArgumentParser(prog="python -m fer.device", description=__doc__)
    line.add_argument("model", type=Path, help="a .tflite file")
    line.add_argument("source", nargs="?", help="an image, a folder of images, a video, or a camera's number")
    line.add_argument(
        "--faces", help="whole (the picture is a face), haar, or the path of YuNet's .onnx; whole for images, else haar"
    )
    line.add_argument(
        "--search", type=int, help="width in pixels at which faces are looked for (images: 0, all; else 320)"
    )
    line.add_argument("--threads", type=int, default=1, help="of the network (1)")
    line.add_argument(
        "--fast", action="store_true", help="XNNPACK for integer networks: faster on a PC, other rounding"
    )
    line.add_argument("--frames", type=int, default=0, help="stop after so many (0: all)")
    line.add_argument("--verify", action="store_true", help="only prove that the file still is what was exported")
    line.add_argument("--stats", action="store_true", help="print times and memory at the end")
    other = line.add_argument_group("for a file that says nothing about itself")
    other.add_argument("--labels", help="classes in the order of the outputs: angry,happy,sad")
    other.add_argument("--colour", choices=("RGB", "BGR", "grey"), default="RGB")
    other.add_argument(
        "--range", default="0,255", help="what pixels are scaled to outside the network, such as --range=-1,1"
    )
    other.add_argument("--margin", type=float, default=0.0, help="of the face's size, around it")
    return line


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    started = time.perf_counter()
    line = parser()
    options = line.parse_args(words)
    if not options.verify and options.source is None:
        line.error("expected a source: an image, a folder, a video, or a camera's number")
    try:
        if options.verify:
            count, worst = verify(options.model)
            print(f"{options.model}: {count} golden inputs answered as at export (largest difference {worst:.2g})")
            return 0
        _answer(options, started)
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _answer(options: argparse.Namespace, started: float) -> None:
    model = Model(options.model, _given(options), threads=options.threads, kernels="xnnpack" if options.fast else "own")
    if model.contract["input"]["kind"] != "image":
        raise FerError(f"{options.model}: takes landmarks, not pixels; `python -m fer predict` finds them first")
    points = model.contract["output"]["points"]
    names = [f"{axis}{number}" for number in range(points) for axis in "xy"] or ["label", "confidence"]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*COLUMNS, *names))
    first, times = 0.0, []
    for row, seconds in _rows(model, options):
        first = first or time.perf_counter() - started
        times.append(seconds)
        writer.writerow(row)
        sys.stdout.flush()
    if options.stats:
        middle = 1000 * float(np.median(times)) if times else 0.0
        print(
            f"faces {len(times)}, first answer after {first:.2f} s, {middle:.2f} ms a face, {_memory():.0f} MB",
            file=sys.stderr,
        )


def _rows(model: Model, options: argparse.Namespace) -> Iterator[tuple[list[Any], float]]:
    """Yield a row of the table for each face, and how long its answer took."""
    still = is_still(options.source)
    search = options.search if options.search is not None else (0 if still else SEARCHED)
    faces = detector(options.faces or ("whole" if still else "haar"), search)
    margin = float(model.contract["input"].get("crop_margin", 0))
    for count, (name, number, frame) in enumerate(frames(options.source), start=1):
        for box in faces(frame):
            began = time.perf_counter()
            answer = model(crop(frame, box, margin))
            seconds = time.perf_counter() - began
            corner = np.array([box.x - margin * box.width, box.y - margin * box.height])
            flat = [f"{value:.2f}" for value in (answer.points + corner).ravel()]
            yield [name, number, *box, *(flat or [answer.label, f"{answer.confidence:.4f}"])], seconds
        if count == options.frames:
            return


def _given(options: argparse.Namespace) -> dict[str, Any] | None:
    """Return the contract that the options spell out; None where they say no labels."""
    if options.labels is None:
        return None
    try:
        low, high = (float(side) for side in options.range.split(","))
    except ValueError:
        raise FerError(f"--range: expected two numbers such as -1,1, got {options.range!r}") from None
    _, runner = open_model(options.model)
    return {
        "input": {
            "kind": "image",
            "shape": list(runner.input.shape[1:]),
            "colour": options.colour,
            "range": [low, high],
            "crop_margin": options.margin,
        },
        "output": {"target": "classes", "classes": options.labels.split(","), "points": 0},
    }


def _memory() -> float:
    """Return the largest resident size so far, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    sys.exit(main())
