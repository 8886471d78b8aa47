"""What a stopped training goes on from: weights, optimizer and progress, after each epoch."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.artifact import replacing


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        stage: index of the current stage.
        stage_start: epochs that were finished when it began.
        epoch: finished epochs over all stages.
        best: the best monitored value so far; None before the first epoch.
        best_epoch: when it was reached; the first is 0.
        waited: epochs of this stage since then.
        flat: epochs since then or since the rate was last lowered.
        seconds: time spent in epochs.
        rows: metrics.csv.
    """

    stage: int = 0
    stage_start: int = 0
    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0
    flat: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def next_stage(self) -> None:
        """Go on to the next stage."""
        self.stage, self.stage_start = self.stage + 1, self.epoch
        self.waited = self.flat = 0


def save(folder: Path, variables: list[keras.Variable], optimizer: list[keras.Variable], progress: Progress) -> None:
    """Write last.npz: everything that the next epoch depends on."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"network{index}": keras.ops.convert_to_numpy(value) for index, value in enumerate(variables)}
    arrays |= {f"optimizer{index}": keras.ops.convert_to_numpy(value) for index, value in enumerate(optimizer)}
    with replacing(folder / "last.npz") as partial:
        np.savez(partial, progress=json.dumps(asdict(progress)), **arrays)


def save_best(folder: Path, variables: list[keras.Variable]) -> None:
    """Write best.npz: the network of the best epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "best.npz") as partial:
        np.savez(partial, *(keras.ops.convert_to_numpy(value) for value in variables))


def load_best(folder: Path, variables: list[keras.Variable]) -> None:
    """Put the best epoch's network back."""
    with np.load(folder / "best.npz") as arrays:
        for index, variable in enumerate(variables):
            variable.assign(arrays[f"arr_{index}"])


def progress_in(folder: Path) -> Progress:
    """Read how far a stopped training had come; a fresh Progress where there is none."""
    file = folder / "last.npz"
    if not file.exists():
        return Progress()
    with np.load(file) as arrays:
        return Progress(**json.loads(str(arrays["progress"])))


def load(folder: Path, variables: list[keras.Variable], prefix: str) -> None:
    """Put back the variables of the network ("network") or of the optimizer ("optimizer")."""
    with np.load(folder / "last.npz") as arrays:
        for index, variable in enumerate(variables):
            variable.assign(arrays[f"{prefix}{index}"])
