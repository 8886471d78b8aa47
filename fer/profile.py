"""Where the time of a training step goes: read, augment, transfer, step."""

import time
from pathlib import Path

import keras
from keras import tree

from fer.artifact import RunFolder
from fer.base import Passport
from fer.fit import Fit
from fer.runs.train import TrainRun
from fer.task import task_of
from fer.tracker.csv import Csv
from fer.training import load_splits

BATCHES = 20
WARM_UP = 3
"""Steps that are not counted: the first ones compile."""


def measure(run: TrainRun) -> dict[str, float]:
    """Time the parts of a step of the last stage one by one, with nothing running beside them.

    Returns:
        Milliseconds a batch: read (from the dataset), augment (with mixing and encoding), transfer (to the device),
        step (forward, backward, update).
    """
    task = task_of(run.dataset.spec())
    with run.runtime.scope(), Csv().track(Passport(folder=Path(run.folder), name=run.name)) as tracking:
        network = run.model.build(task.spec)
        fit = Fit(run, RunFolder(Path(run.folder)), task, network, load_splits(run), tracking)
        part, batches, _ = fit.prepare(fit.stages[-1])
        fit.checkpoints.close()
    seconds = {"transfer": 0.0, "step": 0.0}
    for number in range(WARM_UP + BATCHES):
        if number == WARM_UP:
            batches.seconds, seconds = dict.fromkeys(batches.seconds, 0.0), dict.fromkeys(seconds, 0.0)
        batch = batches[number % max(1, len(batches) - 1)]  # the last one may be smaller, which compiles anew
        started = time.perf_counter()
        batch = tree.map_structure(keras.ops.convert_to_tensor, batch)
        moved = time.perf_counter()
        part.train_on_batch(*batch)  # returns the loss as a number, so it has ended
        seconds["transfer"] += moved - started
        seconds["step"] += time.perf_counter() - moved
    return {name: 1000 * spent / BATCHES for name, spent in {**batches.seconds, **seconds}.items()}


def table(milliseconds: dict[str, float]) -> str:
    """Return the times as lines, and which is the slowest; the host's work runs beside the device's."""
    host, device = milliseconds["read"] + milliseconds["augment"], milliseconds["transfer"] + milliseconds["step"]
    lines = [f"{name:<10}{value:9.2f} ms a batch" for name, value in milliseconds.items()]
    slowest = max(milliseconds, key=lambda name: milliseconds[name])
    advice = "more pipeline.workers or pipeline.on_device=true" if host > device else "the device is the limit"
    return "\n".join([*lines, f"slowest: {slowest}; host {host:.2f} ms, device {device:.2f} ms: {advice}"])
