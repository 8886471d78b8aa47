"""train(run) -> Result: the one way in which every model is trained."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer import resume
from fer.artifact import RunFolder, contract, environment, fingerprint, replacing
from fer.base import Passport, Samples, Split
from fer.config import module_of, settings, to_yaml
from fer.errors import RunError
from fer.evaluation.judge import judge
from fer.evaluation.metrics import flat
from fer.evaluation.protocol import demand_apart, demand_independence
from fer.fit import Fit
from fer.runs.train import TrainRun
from fer.task import Task, task_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a training reached.

    Attributes:
        value: the best monitored value (on the validation split).
        metrics: the judgement of the test split (see fer.evaluation.metrics).
        folder: the run folder.
    """

    value: float
    metrics: dict[str, Any]
    folder: Path


def train(run: TrainRun) -> Result:
    """Train a model, judge its best epoch on the test split, and leave a finished run folder.

    `run.runtime.apply` comes before the import of this module, which imports Keras.

    Raises:
        Paused: the training was asked to end, or to pause, and left a checkpoint.
        FerError: a mistake in settings or data, a folder that cannot be used, or a loss that is not finite.
    """
    folder = RunFolder(Path(run.folder))
    folder.begin()
    with folder.log(), run.runtime.scope(), _memory_explained(run):
        started = datetime.now(UTC)
        task, splits = task_of(run.dataset.spec()), load_splits(run)
        if run.pipeline.take == "all":
            demand_apart(splits, task.spec.name)
        _introduce(run, folder, splits)
        network = run.model.build(task.spec)
        demand_independence(network, splits["train"])
        passport = _passport(run, task, splits, network)
        _begin_or_go_on(run, folder, passport)
        tracked = Passport(folder=folder.path, name=run.name, config=passport["config"], environment=passport)
        with run.tracker.track(tracked) as tracking:
            training = Fit(run, folder, task, network, splits, tracking)
            progress = training.run()
            save_network(network, folder)
            judged: Split = "test" if "test" in splits else "validation"
            passport |= {
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(progress.seconds, 1),
                "epochs": progress.epoch,
                "best_epoch": progress.best_epoch,
                "monitor": {"name": f"val_{task.score}", "value": progress.best},
                "stopped": training.stopped,
            }
            metrics = judge(
                network,
                task,
                splits[judged],
                split=judged,
                output=folder.report,
                history=progress.rows,
                facts=passport,
                batch_size=run.training.batch_size,
                others=splits,
                folder=folder.path,
            )
            tracking.results(flat(metrics), sorted(folder.report.glob("*.png")), folder.model)
        folder.finish({**passport, "judged": judged, "metrics": metrics})
    assert progress.best is not None
    return Result(value=progress.best, metrics=metrics, folder=folder.path)


def load_splits(run: TrainRun) -> dict[Split, Samples]:
    """Load every split that there is, or what `pipeline.take` asks for of each."""
    splits = {split: run.dataset.load(split) for split in run.dataset.available()}
    if run.pipeline.take == "all":
        return splits
    batches = {split: _one_batch(samples, run) for split, samples in splits.items()}
    return batches if run.pipeline.take == "one_batch" else dict.fromkeys(splits, batches["train"])


def _one_batch(samples: Samples, run: TrainRun) -> Samples:
    chosen = np.random.default_rng(run.seed).permutation(len(samples))[: run.training.batch_size]
    return replace(samples, rows=samples.rows[chosen], targets=samples.targets[chosen])


def _begin_or_go_on(run: TrainRun, folder: RunFolder, passport: dict[str, Any]) -> None:
    if folder.stopped:
        resume.check(folder, passport, force=run.force)
    elif run.resume:
        raise RunError(f"{folder.path}: resume=true, but there is no checkpoint to go on from; leave it out to begin")
    else:
        folder.write_start(to_yaml(run), {**passport, "overrides": run.overrides})


@contextmanager
def _memory_explained(run: TrainRun) -> Iterator[None]:
    """Say what to try where the memory is not enough; each backend has an error of its own for that."""
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__} {error}"
        if not isinstance(error, MemoryError) and not re.search(
            "RESOURCE_EXHAUSTED|ResourceExhausted|out of memory", text
        ):
            raise
        size = run.training.batch_size
        raise RunError(
            f"out of memory with training.batch_size={size}; try training.batch_size={max(1, size // 2)} "
            "optimizer.accumulate=2, runtime.precision=mixed_bfloat16, a smaller input or model"
            + (", or pipeline.on_device=false" if run.pipeline.on_device else "")
        ) from error


def save_network(network: keras.Model, folder: RunFolder) -> None:
    """Write model.keras, without optimizer or loss: whoever runs it needs neither."""
    bare = network.__class__.from_config(network.get_config())
    bare.set_weights(network.get_weights())
    with replacing(folder.model) as partial:
        bare.save(partial)


def _introduce(run: TrainRun, folder: RunFolder, splits: dict[Split, Samples]) -> None:
    counts = ", ".join(f"{len(samples):,} {split}" for split, samples in splits.items())
    log.info("%s on %s (%s)", module_of(run.model), module_of(run.dataset), counts)
    log.info("%s, %s, %s, in %s", run.runtime.backend, run.runtime.hardware(), run.runtime.precision, folder.path)


def _passport(run: TrainRun, task: Task, splits: dict[Split, Samples], network: keras.Model) -> dict[str, Any]:
    groups = ("dataset", "model", "loss", "augmentation", "optimizer", "tracker")
    return {
        "name": run.name,
        "command": " ".join(sys.argv),
        "seed": run.seed,
        "choices": {key: value for key, value in run.choices.items() if not key.startswith("hydra/")},
        "recipes": {group: module_of(getattr(run, group)) for group in groups},
        "config": settings(run),
        "contract": contract(task.spec),
        "splits": {split: {"samples": len(each), "fingerprint": fingerprint(each)} for split, each in splits.items()},
        "parameters": network.count_params(),
        "backend": run.runtime.backend,
        "device": run.runtime.hardware(),
        "search": RunFolder(Path(run.folder)).search(),
        **environment(),
    }
