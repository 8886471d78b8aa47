"""Run an exported file on a whole split and compare it with the network that it came from."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer.base import Samples
from fer.device.runner import Kernels, open_model
from fer.evaluation.points import nme
from fer.runs.export import Gate
from fer.task import Task

Session = Callable[[np.ndarray], np.ndarray]
"""One input (without the batch) -> float32 (outputs,)."""


@dataclass(kw_only=True)
class Verdict:
    """What a file is worth.

    Attributes:
        name: of the format.
        file: where it is; its name says so when it was rejected.
        bytes: its size.
        score: accuracy, or NME of points, as a fraction.
        drop: what it lost against the network, in percentage points; negative where it is better.
        interval: 95% interval of the drop (paired bootstrap).
        allowed: the drop that is allowed.
        agreement: share of samples with the network's top-1 class; None for points.
        largest: largest difference of an output: of a probability, or in pixels.
        milliseconds: median time of one input on one thread.
        layers: signal-to-quantization-noise of each layer, worst first; filled where the file was rejected.
        notes: lines for people: runtimes that do not take the file, what a compiler said.
    """

    name: str
    file: Path
    bytes: int
    score: float
    drop: float
    interval: tuple[float, float]
    allowed: float
    agreement: float | None
    largest: float
    milliseconds: float = float("nan")
    layers: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the drop is allowed."""
        return self.drop <= self.allowed


def judge(name: str, file: Path, task: Task, samples: Samples, reference: np.ndarray, gate: Gate) -> Verdict:
    """Run a file on all samples.

    Args:
        name: of the format.
        file: .tflite or .onnx.
        task: decodes the outputs and says what the score is.
        samples: the split.
        reference: the network's decoded outputs for them.
        gate: the allowed drop and the bootstrap's settings.
    """
    outputs = task.decode(run(file, samples))
    theirs, ours = (scores(each, samples.targets) for each in (reference, outputs))
    losses = theirs - ours if task.mode == "max" else ours - theirs
    classes = task.spec.target == "classes"
    return Verdict(
        name=name,
        file=file,
        bytes=file.stat().st_size,
        score=float(ours.mean()),
        drop=100 * float(losses.mean()),
        interval=interval(100 * losses, gate.resamples, gate.seed),
        allowed=gate.accuracy_drop if classes else gate.nme_rise,
        agreement=float((reference.argmax(axis=1) == outputs.argmax(axis=1)).mean()) if classes else None,
        largest=float(np.abs(reference - outputs).max()),
    )


def scores(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return float64 (samples,) whose mean is the score: 1 where top-1 is right, or the NME of a face."""
    if outputs.ndim == 3:
        return nme(outputs, targets)
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return (outputs.argmax(axis=1) == labels).astype(np.float64)


def interval(differences: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """Return the 95% interval of a mean of paired differences (percentile bootstrap; Efron & Tibshirani, 1993)."""
    random = np.random.default_rng(seed)
    count = len(differences)
    means = [differences[random.integers(count, size=count)].mean() for _ in range(resamples)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def run(file: Path, samples: Samples) -> np.ndarray:
    """Return float32 (samples, outputs), on all cores: a session each, with one thread."""
    workers = min(os.cpu_count() or 1, len(samples))

    def work(part: np.ndarray) -> np.ndarray:
        session = open_session(file)
        return np.stack([session(samples.inputs(int(row))) for row in part])

    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(work, np.array_split(np.arange(len(samples)), workers))))


def open_session(file: Path, *, threads: int = 1, kernels: Kernels = "own") -> Session:
    """Open an exported file with the runtime of its kind; `kernels` as in fer.device.runner.open_model."""
    if file.suffix != ".onnx":
        return open_model(file, threads=threads, kernels=kernels)[1]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda values: session.run(None, {name: values[None].astype(np.float32)})[0][0]


def milliseconds(files: Mapping[str, Path], given: np.ndarray, rounds: int = 5, repeats: int = 10) -> dict[str, float]:
    """Return each file's median time for one input on one thread; they take turns, so a busy machine hits all."""
    sessions = {name: open_session(file, kernels="xnnpack") for name, file in files.items()}
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, session in sessions.items():
            for _ in range(repeats):
                started = time.perf_counter()
                session(given)
                times[name].append(time.perf_counter() - started)
    return {name: 1000 * float(np.median(each)) for name, each in times.items()}
