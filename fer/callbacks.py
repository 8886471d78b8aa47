"""What happens after each epoch and each step of a training."""

from __future__ import annotations

import logging
import math
import sys
import time
from typing import TYPE_CHECKING, Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fer import checkpoint
from fer.base import Stage
from fer.errors import RunError
from fer.pipeline import Batches

if TYPE_CHECKING:
    from fer.training import Fit

log = logging.getLogger(__name__)


class Keeper(keras.callbacks.Callback):
    """After each epoch: metrics.csv, tracker, checkpoints, and whether it is time to stop or to lower the rate."""

    def __init__(self, fit: Fit, stage: Stage, batches: Batches) -> None:
        super().__init__()
        self.fit = fit
        self.stage = stage
        self.batches = batches
        self.ran_out_of_patience = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the order and the augmentation of the epoch."""
        self.batches.begin(epoch)
        self.started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop at a loss that is not finite."""
        if logs and not math.isfinite(logs["loss"]):
            raise RunError(
                f"the loss is {logs['loss']} in epoch {self.batches.epoch + 1}, step {batch + 1}; "
                "lower optimizer.learning_rate, set optimizer.clip_norm, or use runtime.precision=float32"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch and keep it if it is the best."""
        progress, score = self.fit.progress, f"val_{self.fit.task.score}"
        seconds = time.monotonic() - self.started
        values = {key: float(value) for key, value in (logs or {}).items()}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        progress.rows.append(
            {"epoch": epoch, "stage": self.stage.name, **values, "learning_rate": rate, "seconds": round(seconds, 3)}
        )
        progress.epoch, progress.seconds = epoch + 1, progress.seconds + seconds
        better = self._better(values[score])
        if better:
            progress.best, progress.best_epoch, progress.waited, progress.flat = values[score], epoch, 0, 0
            checkpoint.save_best(self.fit.folder.checkpoint, self.fit.variables)
        else:
            progress.waited, progress.flat = progress.waited + 1, progress.flat + 1
            self._lower_rate_or_stop(rate)
        self.fit.folder.write_history(progress.rows)
        checkpoint.save(self.fit.folder.checkpoint, self.fit.variables, self.model.optimizer.variables, progress)
        self.fit.tracking.epoch(epoch, {**values, "learning_rate": rate, "seconds": seconds})
        self._report(epoch, values, rate, seconds, better)

    def _better(self, value: float) -> bool:
        best = self.fit.progress.best
        if best is None:
            return True
        return value > best if self.fit.task.mode == "max" else value < best

    def _lower_rate_or_stop(self, rate: float) -> None:
        progress, optimizer, training = self.fit.progress, self.fit.settings.optimizer, self.fit.settings.training
        if optimizer.schedule == "plateau" and progress.flat >= optimizer.plateau_patience:
            self.model.optimizer.learning_rate = rate * optimizer.plateau_factor
            progress.flat = 0
        if training.patience and progress.waited >= training.patience:
            self.model.stop_training = self.ran_out_of_patience = True

    def _report(self, epoch: int, values: dict[str, float], rate: float, seconds: float, better: bool) -> None:
        shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
        speed = len(self.batches.chosen) / seconds
        text = f"epoch {epoch + 1:>3} {self.stage.name:<9}  {shown}  rate {rate:.2g}  {seconds:.1f} s  {speed:,.0f}/s"
        log.info(text + ("  best" if better else ""))


class Bar(keras.callbacks.Callback):
    """A progress bar with the rate, the time left in the epoch and the metrics so far."""

    def __init__(self, stage: Stage, epochs: int, samples: int) -> None:
        super().__init__()
        self.stage = stage
        self.epochs = epochs
        self.samples = samples

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start a bar."""
        self.bar = Progress(
            TextColumn(f"epoch {epoch + 1}/{self.epochs} {self.stage.name}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
            transient=True,
        )
        self.row = self.bar.add_task("", total=self.params["steps"], speed="", values="")
        self.started = time.monotonic()
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move it on."""
        share = (batch + 1) / self.params["steps"]
        speed = f"{share * self.samples / (time.monotonic() - self.started):,.0f}/s"
        values = "  ".join(f"{key} {value:.4f}" for key, value in (logs or {}).items())
        self.bar.update(self.row, completed=batch + 1, speed=speed, values=values)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take it away; the epoch's line follows."""
        self.bar.stop()


def progress_callback(kind: str, stage: Stage, epochs: int, samples: int) -> list[keras.callbacks.Callback]:
    """Return the bar, where one is asked for ("auto": on a terminal)."""
    wanted = kind == "bar" or (kind == "auto" and sys.stderr.isatty())
    return [Bar(stage, epochs, samples)] if wanted else []
