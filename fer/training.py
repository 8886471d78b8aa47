"""train(run) -> Result: the one way in which every model is trained."""

import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer import checkpoint
from fer.artifact import RunFolder, contract, environment, fingerprint, replacing
from fer.base import Augment, Passport, Samples, Split, Stage, Tracking
from fer.callbacks import Keeper, progress_callback
from fer.config import module_of, settings, to_yaml
from fer.errors import RunError
from fer.evaluation.judge import judge
from fer.evaluation.metrics import flat
from fer.nn.schedules import learning_rate
from fer.pipeline import Batches
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
        FerError: a mistake in settings or data, a folder that cannot be used, or a loss that is not finite.
    """
    folder = RunFolder(Path(run.folder))
    folder.begin(to_yaml(run))
    with folder.log():
        started = datetime.now(UTC)
        spec = run.dataset.spec()
        task = task_of(spec)
        splits = {split: run.dataset.load(split) for split in run.dataset.available()}
        _introduce(run, folder, splits)
        network = run.model.build(spec)
        passport = _passport(run, task, splits, network)
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
            )
            tracking.results(flat(metrics), sorted(folder.report.glob("*.png")), folder.model)
        folder.finish({**passport, "judged": judged, "metrics": metrics})
    assert progress.best is not None
    return Result(value=progress.best, metrics=metrics, folder=folder.path)


class Fit:
    """One training: its stages, one after the other, from wherever the checkpoint says.

    Attributes:
        stopped: why it ended: "epochs", "patience" or "interrupted".
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
        self.augment = run.augmentation.build(task.spec)
        self.stages = run.model.stages(run.training.epochs)
        self.progress = checkpoint.progress_in(folder.checkpoint)
        self.variables = network.variables  # taken before compiling, so without the metrics' own
        self.stopped = "epochs"

    def run(self) -> checkpoint.Progress:
        """Run all stages and leave the network with the weights of the best epoch."""
        resumed = self.progress.epoch > 0
        if resumed:
            checkpoint.load(self.folder.checkpoint, self.variables, "network")
            log.info("going on after epoch %d", self.progress.epoch)
        try:
            for stage in self.stages[self.progress.stage :]:
                self._run_stage(stage, resumed=resumed)
                checkpoint.load_best(self.folder.checkpoint, self.variables)
                self.progress.next_stage()
                resumed = False
        except KeyboardInterrupt:
            if self.progress.best is None:
                raise RunError("interrupted before the first epoch ended; nothing was kept") from None
            log.info("interrupted in epoch %d; keeping epoch %d", self.progress.epoch + 1, self.progress.best_epoch + 1)
            checkpoint.load_best(self.folder.checkpoint, self.variables)
            self.stopped = "interrupted"
        return self.progress

    def _run_stage(self, stage: Stage, *, resumed: bool) -> None:
        run = self.settings
        if run.training.patience and self.progress.waited >= run.training.patience:
            return  # stopped between the last epoch of this stage and the next stage
        run.model.thaw(self.network, stage)
        part, train, validation, augment = self._part(stage)
        batches = Batches(
            train,
            self.task,
            batch_size=run.training.batch_size,
            seed=run.seed,
            augment=augment,
            balance=run.training.balance,
            workers=run.training.workers,
        )
        rate = learning_rate(run.optimizer, factor=stage.rate, steps_per_epoch=len(batches), epochs=stage.epochs)
        optimizer = run.optimizer.build(rate)
        loss = run.loss.build(self.task.spec)
        part.compile(optimizer, loss, metrics=self.task.metrics(), jit_compile=run.runtime.jit())
        optimizer.build(part.trainable_variables)
        if resumed:
            checkpoint.load(self.folder.checkpoint, optimizer.variables, "optimizer")
        keeper = Keeper(self, stage, batches)
        part.fit(
            batches,
            validation_data=Batches(validation, self.task, batch_size=run.training.batch_size),
            initial_epoch=self.progress.epoch,
            epochs=self.progress.stage_start + stage.epochs,
            shuffle=False,  # the batches have an order of their own
            verbose=0,
            callbacks=[keeper, *progress_callback(run.training.progress, stage, run.training.epochs, len(train))],
        )
        self.stopped = "patience" if keeper.ran_out_of_patience else "epochs"

    def _part(self, stage: Stage) -> tuple[keras.Model, Samples, Samples, Augment | None]:
        """Return what is trained on what: under a fixed trunk and without augmentation, the head on its features."""
        train, validation = self.splits["train"], self.splits["validation"]
        if not stage.frozen_trunk or self.augment is not None:
            return self.network, train, validation, self.augment
        log.info("computing the features of the fixed trunk once")
        trunk = self.network.get_layer("trunk")
        size = self.settings.training.batch_size
        train, validation = (self._features(trunk, samples, size) for samples in (train, validation))
        return self.network.get_layer("head"), train, validation, None

    def _features(self, trunk: keras.Model, samples: Samples, batch_size: int) -> Samples:
        features = trunk.predict(Batches(samples, self.task, batch_size=batch_size), verbose=0)
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
    log.info("%s, %s, %s, in %s", run.runtime.backend, run.runtime.device(), run.runtime.precision, folder.path)


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
        "device": run.runtime.device(),
        **environment(),
    }
