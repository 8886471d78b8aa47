"""What happens before and after each step and each epoch of a training."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fer import checkpoint, interruption
from fer.base import Stage
from fer.errors import Paused, RunError
from fer.pipeline import Batches

if TYPE_CHECKING:
    from fer.fit import Fit

log = logging.getLogger(__name__)


class Watch(keras.callbacks.Callback):
    """Finds the first loss that is not finite. Keras calls it from a thread, so that no step waits for its loss."""

    async_safe = True

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.bad: dict[int, float] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the mean loss of the epoch so far."""
        if logs and not math.isfinite(logs["loss"]):
            with self.lock:
                self.bad[batch] = logs["loss"]


class Keeper(keras.callbacks.Callback):
    """Keeps what a stopped training needs, writes down each epoch, and says when to stop or to lower the rate.

    It acts before each step in place of after it: Keras would wait for the device otherwise.
    """

    def __init__(self, fit: Fit, stage: Stage, batches: Batches, watch: Watch) -> None:
        super().__init__()
        self.fit = fit
        self.stage = stage
        self.batches = batches
        self.watch = watch
        self.ran_out_of_patience = False
        self.metrics: list[Any] = []  # of the part of the epoch that an earlier process trained
        self.saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the order and the augmentation of the epoch; go on with the metrics of one that was stopped."""
        self.first = self.fit.progress.step
        self.batches.begin(epoch, self.first)
        if self.first:
            checkpoint.assign(self.model.metrics_variables, self.metrics)
        self.started = time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop at a loss that is not finite; keep the state where it is time to, or where the process has to end."""
        self._check_loss()
        minutes = self.fit.settings.training.checkpoint_minutes
        asked = interruption.asked()
        if not (asked or (minutes and time.monotonic() - self.saved >= 60 * minutes)) or not batch:
            return
        self.fit.progress.step = self.first + batch
        self._save()
        if asked:
            self._pause("asked to end (SIGTERM)")

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Validate the averaged weights, where there are some; they stay in place until the epoch's end."""
        self._check_loss()
        self.fit.swap_average(self.model.optimizer)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch and keep it if it is the best."""
        progress, score = self.fit.progress, f"val_{self.fit.task.score}"
        seconds = time.monotonic() - self.started
        values = {key: float(value) for key, value in (logs or {}).items()}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        progress.rows.append(
            {"epoch": epoch, "stage": self.stage.name, **values, "learning_rate": rate, "seconds": round(seconds, 3)}
        )
        progress.epoch, progress.step, progress.seconds = epoch + 1, 0, progress.seconds + seconds
        better = progress.judge(score, self.fit.task.mode)
        if progress.waited:
            self._lower_rate_or_stop(rate)
        best = checkpoint.values(self.fit.variables) if better else None
        self.fit.swap_average(self.model.optimizer)
        self._save(best)
        self.fit.folder.write_history(progress.rows)
        self.fit.tracking.epoch(epoch, {**values, "learning_rate": rate, "seconds": seconds})
        self._report(epoch, values, rate, seconds, better)
        self._pause_between_epochs()

    def _check_loss(self) -> None:
        if self.watch.bad:
            step, loss = min(self.watch.bad.items())
            raise RunError(
                f"the loss is {loss} in epoch {self.batches.epoch + 1}, step {self.first + step + 1}; "
                "lower optimizer.learning_rate, set optimizer.clip_norm, or use runtime.precision=float32"
            )

    def _save(self, best: list[Any] | None = None) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # under JAX the variables are behind while an epoch lasts
        self.fit.checkpoints.save(
            self.fit.progress,
            {
                "network": checkpoint.values(self.fit.variables),
                "optimizer": checkpoint.values(self.model.optimizer.variables),
                "metrics": checkpoint.values(self.model.metrics_variables),
            },
            best,
        )
        self.saved = time.monotonic()

    def _pause_between_epochs(self) -> None:
        training, epoch = self.fit.settings.training, self.fit.progress.epoch
        ends = self.model.stop_training or epoch == training.epochs
        if interruption.asked():
            self._pause("asked to end (SIGTERM)")
        if training.pause_after and epoch >= training.pause_after and not ends:
            self._pause(f"training.pause_after={training.pause_after}")

    def _pause(self, reason: str) -> None:
        self.fit.checkpoints.wait()
        epoch, step = self.fit.progress.epoch, self.fit.progress.step
        raise Paused(
            f"{reason}; stopped after epoch {epoch}, step {step}; "
            f"`python train.py run={self.fit.folder.path} resume=true` goes on with it"
        )

    def _lower_rate_or_stop(self, rate: float) -> None:
        progress, optimizer, training = self.fit.progress, self.fit.settings.optimizer, self.fit.settings.training
        if optimizer.schedule == "plateau" and progress.flat >= optimizer.plateau_patience:
            self.model.optimizer.learning_rate = rate * optimizer.plateau_factor
            progress.flat = 0
        if training.patience and progress.waited >= training.patience:
            self.model.stop_training = self.ran_out_of_patience = True

    def _report(self, epoch: int, values: dict[str, float], rate: float, seconds: float, better: bool) -> None:
        shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
        speed = self.batches.remaining / seconds
        text = f"epoch {epoch + 1:>3} {self.stage.name:<9}  {shown}  rate {rate:.2g}  {seconds:.1f} s  {speed:,.0f}/s"
        log.info(text + ("  best" if better else ""))


class Bar(keras.callbacks.Callback):
    """A progress bar with the rate, the time left in the epoch and the metrics so far."""

    async_safe = True

    def __init__(self, stage: Stage, epochs: int, samples: int) -> None:
        super().__init__()
        self.stage = stage
        self.epochs = epochs
        self.samples = samples
        self.bar: Progress | None = None

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
        assert self.bar is not None
        self.bar.update(self.row, completed=batch + 1, speed=speed, values=values)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take it away; the epoch's line follows."""
        self.stop()

    def stop(self) -> None:
        """Take it away, also in the middle of an epoch."""
        if self.bar is not None:
            self.bar.stop()


def progress_callback(kind: str, stage: Stage, epochs: int, samples: int) -> list[Bar]:
    """Return the bar, where one is asked for ("auto": on a terminal)."""
    wanted = kind == "bar" or (kind == "auto" and sys.stderr.isatty())
    return [Bar(stage, epochs, samples)] if wanted else []
