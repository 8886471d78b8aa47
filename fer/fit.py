"""Fit: the stages of one training, one after the other, from wherever a checkpoint says."""

import logging
from typing import Any

import keras
import numpy as np

from fer import checkpoint
from fer.artifact import RunFolder
from fer.base import Samples, Split, Stage, Tracking
from fer.callbacks import Keeper, Watch, progress_callback
from fer.errors import RunError
from fer.nn.averages import swap
from fer.nn.layerwise import rates
from fer.nn.schedules import learning_rate
from fer.nn.trainee import Trainee
from fer.pipeline import Batches, RowBatches
from fer.runs.train import TrainRun
from fer.task import Task

log = logging.getLogger(__name__)


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
