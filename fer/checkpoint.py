"""What a stopped training goes on from: network, optimizer, metrics and progress, after each epoch and every N minutes.

checkpoint/
  last-<epoch>-<step>-<hash>.npz    the state after so many epochs and steps; the newest two are kept
  best-<epoch>-<hash>.npz           the network of the best epoch, for as long as one of those two speaks of it

The hash in the name is that of the content, so a file that was cut short or altered is never gone on from.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.artifact import replacing
from fer.errors import RunError

log = logging.getLogger(__name__)

KEPT = 2
"""States on disk: the newest, and one to fall back to."""

Arrays = dict[str, list[np.ndarray]]
"""Values of variables, by what they belong to: "network", "optimizer", "metrics"."""


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        stage: index of the current stage.
        stage_start: epochs that were finished when it began.
        epoch: finished epochs over all stages.
        step: finished steps of the epoch after those.
        best: the best monitored value so far; None before the first epoch.
        best_epoch: when it was reached; the first is 0.
        best_file: the file with its network.
        waited: epochs of this stage since the best value was first reached.
        flat: epochs since then or since the rate was last lowered.
        seconds: time spent in epochs.
        rows: metrics.csv.
    """

    stage: int = 0
    stage_start: int = 0
    epoch: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int = 0
    best_file: str = ""
    waited: int = 0
    flat: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def judge(self, score: str, mode: str) -> bool:
        """Judge the epoch of the last row by a column; return whether it is the best so far.

        Of equal values, which are common where a validation split is small, that with the lower loss is kept; patience
        is not given for it.
        """
        row = self.rows[-1]
        value = row[score]
        improved = self.best is None or (value > self.best if mode == "max" else value < self.best)
        better = improved or (value == self.best and row["val_loss"] < self.rows[self.best_epoch]["val_loss"])
        if better:
            self.best, self.best_epoch = value, row["epoch"]
        self.waited, self.flat = (0, 0) if improved else (self.waited + 1, self.flat + 1)
        return better

    def next_stage(self) -> None:
        """Go on to the next stage."""
        self.stage, self.stage_start = self.stage + 1, self.epoch
        self.waited = self.flat = 0


class Checkpoints:
    """The checkpoints of one run. Values are copied at once and written by a thread while the training goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self.pending: Future[None] | None = None
        self.best_file = ""

    def save(self, progress: Progress, state: Arrays, best: list[np.ndarray] | None = None) -> None:
        """Write a state, and the best network with it where it is a new one.

        Raises:
            OSError: this file or the one before it cannot be written.
        """
        self.wait()
        snapshot = asdict(progress)
        self.pending = self.writer.submit(self._write, snapshot, state, best)

    def wait(self) -> None:
        """Wait until everything is on disk."""
        if self.pending is not None:
            pending, self.pending = self.pending, None
            pending.result()

    def close(self) -> None:
        """Wait for the last file and end the thread."""
        self.writer.shutdown()
        self.wait()

    def _write(self, progress: dict[str, Any], state: Arrays, best: list[np.ndarray] | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if best is not None:
            self.best_file = self._write_file(f"best-{progress['best_epoch']:05}", {"network": best}).name
        progress["best_file"] = self.best_file
        name = f"last-{progress['epoch']:05}-{progress['step']:07}"
        written = self._write_file(name, state, progress=json.dumps(progress))
        self._sweep(written)

    def _write_file(self, name: str, arrays: Arrays, **texts: str) -> Path:
        named = {f"{part}{index}": value for part, values in arrays.items() for index, value in enumerate(values)}
        whole = self.folder / f"{name}.npz"
        with replacing(whole) as partial:
            np.savez(partial, **texts, **named)  # type: ignore[arg-type]  # the stubs take no text
        return whole.rename(whole.with_stem(f"{name}-{_digest(whole)}"))

    def _sweep(self, written: Path) -> None:
        """Remove what is older than the last two, and best networks that neither of them speaks of."""
        states = sorted(self.folder.glob("last-*-*-*.npz"), key=_age)
        kept = {written, *states[-KEPT:]}
        kept |= {self.folder / read(file)[0].best_file for file in kept}
        for file in self.folder.glob("*-*.npz"):
            if file not in kept:
                file.unlink()

    def latest(self) -> tuple[Progress, Arrays] | None:
        """Read the newest state that is whole; warn of those that are not. None where there is none at all.

        Raises:
            RunError: there are states, but none of them is whole.
        """
        states = sorted(self.folder.glob("last-*-*-*.npz"), key=_age, reverse=True)
        for file in states:
            try:
                progress, arrays = read(file)
                if progress.best_file:
                    read(self.folder / progress.best_file)
            except RunError as error:
                log.warning("%s; going on from the one before it", error)
                continue
            self.best_file = progress.best_file
            return progress, arrays
        if states:
            raise RunError(f"{self.folder}: no checkpoint there is whole; choose another folder with hydra.run.dir=")
        return None

    def best(self) -> list[np.ndarray]:
        """Read the network of the best epoch."""
        self.wait()
        return read(self.folder / self.best_file)[1]["network"]


def read(file: Path) -> tuple[Progress, Arrays]:
    """Read a file of either kind; a best network has no progress of its own.

    Raises:
        RunError: it is missing, cut short or altered.
    """
    if not file.exists() or _digest(file) != file.stem.rpartition("-")[2]:
        raise RunError(f"{file}: missing, cut short or altered (its hash is not the one in its name)")
    arrays: Arrays = {}
    with np.load(file) as content:
        texts = {key: str(content[key]) for key in content.files if key == "progress"}
        for part in ("network", "optimizer", "metrics"):
            count = sum(key.startswith(part) for key in content.files)
            arrays[part] = [content[f"{part}{index}"] for index in range(count)]
    return Progress(**json.loads(texts.get("progress", "{}"))), arrays


def values(variables: Iterable[keras.Variable]) -> list[np.ndarray]:
    """Copy the values of variables."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence[keras.Variable], arrays: Sequence[np.ndarray]) -> None:
    """Put values back into variables.

    Raises:
        RunError: they are not the values of these variables.
    """
    theirs, ours = [array.shape for array in arrays], [tuple(variable.shape) for variable in variables]
    if theirs != ours:
        raise RunError(f"the checkpoint is of another network: expected arrays of {ours}, got {theirs}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def _age(file: Path) -> tuple[int, int]:
    _, epoch, step, _ = file.stem.split("-")
    return int(epoch), int(step)
