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

from fer import checkpoint, resume
from fer.artifact import RunFolder, contract, environment, fingerprint, replacing
from fer.base import Passport, Samples, Split, Stage, Tracking
from fer.callbacks import Keeper, Watch, progress_callback
from fer.config import module_of, settings, to_yaml
from fer.errors import RunError
from fer.evaluation.judge import judge
from fer.evaluation.metrics import flat
from fer.evaluation.protocol import demand_apart, demand_independence
from fer.nn.averages import swap
from fer.nn.layerwise import rates
from fer.nn.schedules import learning_rate
from fer.nn.trainee import Trainee
from fer.pipeline import Batches, RowBatches
from fer.runs import TrainRun
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


class Fit:
    """One training: its stages, one after the other, from wherever the checkpoint says.

    Attributes:
        settings: the run.
        folder: where it is written.
        task: what is learned.
        network: the whole network.
        splits: the data.
        tracking: the open record.
        variables: of the network, as checkpoints hold them.
        stopped: why the training ended: "epochs", "patience" or "interrupted".
    """

    def __init__(
        self,
        run: TrainRun,
        folder: RunFolder,
        task: Task,
        network: keras.Model,
        splits: dict[Split, Samples],
        tracking: Tracking,
    ) -> None:
        self.settings = run
        self.folder = folder
        self.task = task
        self.network = network
        self.splits = splits
        self.tracking = tracking
        self.teacher = run.distill.load()
        self.stages = run.model.stages(run.training.epochs)
        self.variables = network.variables  # taken before compiling, so without the metrics' own
        self.checkpoints = checkpoint.Checkpoints(folder.checkpoint)
        self.progress, self.state = self.checkpoints.latest() or (checkpoint.Progress(), {})
        self.stopped = "epochs"

    def run(self) -> checkpoint.Progress:
        """Run all stages and leave the network with the weights of the best epoch."""
        if self.state:
            checkpoint.assign(self.variables, self.state["network"])
            log.info("going on after epoch %d, step %d", self.progress.epoch, self.progress.step)
        try:
            for stage in self.stages[self.progress.stage :]:
                self._run_stage(stage)
                checkpoint.assign(self.variables, self.checkpoints.best())
                self.progress.next_stage()
                self.state = {}
        except KeyboardInterrupt:
            if self.progress.best is None:
                raise RunError("interrupted before the first epoch ended; nothing was kept") from None
            log.info("interrupted in epoch %d; keeping epoch %d", self.progress.epoch + 1, self.progress.best_epoch + 1)
            checkpoint.assign(self.variables, self.checkpoints.best())
            self.stopped = "interrupted"
        finally:
            self.checkpoints.close()
        return self.progress

    def swap_average(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Exchange the trained weights with their moving average, where the optimizer keeps one."""
        if self.settings.optimizer.ema:
            swap(optimizer)

    def _run_stage(self, stage: Stage) -> None:
        run = self.settings
        if run.training.patience and self.progress.waited >= run.training.patience:
            return  # stopped between the last epoch of this stage and the next stage
        part, batches, validation = self.prepare(stage)
        watch = Watch()
        keeper = Keeper(self, stage, batches, watch)
        if self.state:
            checkpoint.assign(part.optimizer.variables, self.state["optimizer"])
            keeper.metrics = self.state["metrics"]
        end = self.progress.stage_start + stage.epochs
        if self.progress.step:  # the rest of an epoch is a shorter one, which Keras has to be told of anew
            part.test_on_batch(*batches[0])  # creates the metrics' variables, so that the epoch's can be put back
            self._fit(part, batches, validation, keeper, end=self.progress.epoch + 1)
        if not keeper.ran_out_of_patience:
            self._fit(part, batches, validation, keeper, end=end)
        self.stopped = "patience" if keeper.ran_out_of_patience else "epochs"

    def _fit(self, part: keras.Model, batches: Batches, validation: Batches, keeper: Keeper, *, end: int) -> None:
        training = self.settings.training
        batches.begin(self.progress.epoch, self.progress.step)
        bars = progress_callback(training.progress, keeper.stage, training.epochs, batches.remaining)
        try:
            part.fit(
                batches,
                validation_data=validation,
                initial_epoch=self.progress.epoch,
                epochs=end,
                shuffle=False,  # the batches have an order of their own
                verbose=0,
                callbacks=[keeper, keeper.watch, *bars],
            )
        finally:
            for bar in bars:
                bar.stop()

    def prepare(self, stage: Stage) -> tuple[keras.Model, Batches, Batches]:
        """Return what a stage trains, compiled, with its batches and those of the validation."""
        run = self.settings
        run.model.thaw(self.network, stage)
        network, train, validation = self._part(stage)
        part, batches, judged = self._feed(network, train, validation)
        rate = learning_rate(run.optimizer, factor=stage.rate, steps_per_epoch=len(batches), epochs=stage.epochs)
        trained = part.trainable_variables
        optimizer = run.optimizer.build(rate, rates(network, trained, run.optimizer.layer_decay))
        loss = run.loss.build(self.task.spec)
        part.compile(optimizer, loss, metrics=self.task.metrics(), jit_compile=run.runtime.jit())
        optimizer.build(trained)
        return part, batches, judged

    def _feed(self, network: keras.Model, train: Samples, validation: Samples) -> tuple[keras.Model, Batches, Batches]:
        """Connect a network to its batches: whole images from the host, or rows of what lies on the device."""
        run, whole = self.settings, network is self.network
        common: dict[str, Any] = {"task": self.task, "batch_size": run.training.batch_size}
        changes: dict[str, Any] = {
            "seed": run.seed,
            "balance": run.training.balance,
            "beta": run.training.beta,
            "mixing": run.mixing if whole else None,
            "workers": run.pipeline.workers,
        }
        teacher = self.teacher if whole else None
        if not (whole and run.pipeline.on_device):
            augment = run.augmentation.build(self.task.spec) if whole else None
            part = Trainee(network, teacher=teacher) if teacher else network
            return part, Batches(train, augment=augment, **changes, **common), Batches(validation, **common)
        part = Trainee(network, teacher=teacher, images=[train, validation])
        draw = run.augmentation.on_device(self.task.spec)
        return (
            part,
            RowBatches(train, first=0, draw=draw, **changes, **common),
            RowBatches(validation, first=len(train), **common),
        )

    def _part(self, stage: Stage) -> tuple[keras.Model, Samples, Samples]:
        """Return what is trained on what: under a fixed trunk and on unchanged images, the head on its features."""
        run, (train, validation) = self.settings, (self.splits["train"], self.splits["validation"])
        changed = run.augmentation.build(self.task.spec) is not None or run.mixing.used or run.distill.teacher
        if not stage.frozen_trunk or changed:
            return self.network, train, validation
        log.info("computing the features of the fixed trunk once")
        trunk = self.network.get_layer("trunk")
        return self.network.get_layer("head"), self._features(trunk, train), self._features(trunk, validation)

    def _features(self, trunk: keras.Model, samples: Samples) -> Samples:
        batches = Batches(samples, self.task, batch_size=self.settings.training.batch_size)
        features = trunk.predict(batches, verbose=0)
        return Samples(source=features, rows=np.arange(len(samples)), targets=samples.targets, names=samples.names)


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
