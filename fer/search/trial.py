"""One trial: a training of `train.py` in a process and a folder of its own, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fer.artifact import RunFolder, write_text
from fer.process import RESUMABLE, Child, Lock
from fer.search.space import override

FACTS = "trial.json"
LOG = "output.log"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a search wants to be tried.

    Attributes:
        number: the trial's name in the search.
        folder: where it runs; the same as an earlier trial's where it goes on from that one.
        values: key -> value.
        epochs: train up to so many epochs in all and pause; 0 for the whole training.
    """

    number: str
    folder: Path
    values: Mapping[str, Any]
    epochs: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a trial.

    Attributes:
        value: the best monitored value; None unless it is done.
        reason: why it failed, in one line; empty where it is done.
        killed: it was killed from outside, so the same command tries it again.
    """

    value: float | None = None
    reason: str = ""
    killed: bool = False


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The value that the task of a search is judged by.

    Attributes:
        name: the column of metrics.csv, such as "val_accuracy".
        mode: whether higher or lower is better.
    """

    name: str
    mode: Literal["min", "max"]

    @property
    def worst(self) -> float:
        """What a failed trial counts as."""
        return float("inf") if self.mode == "min" else float("-inf")

    def best(self, values: Sequence[float]) -> float:
        """Return the best of some values."""
        return min(values) if self.mode == "min" else max(values)


def found(trial: Trial, goal: Goal) -> Outcome | None:
    """Return what the trial's folder already says of it; None where it has still to run."""
    folder = RunFolder(trial.folder)
    if folder.manifest.exists():
        return Outcome(value=json.loads(folder.manifest.read_text(encoding="utf-8"))["monitor"]["value"])
    rows = folder.history()
    if trial.epochs and len(rows) >= trial.epochs:
        return Outcome(value=goal.best([row[goal.name] for row in rows[: trial.epochs]]))
    return None


class Run:
    """A trial that is running."""

    def __init__(self, trial: Trial, words: Sequence[str], lock: Lock, *, limit: float, **variables: str) -> None:
        """Start it, from its checkpoint where there is one.

        Args:
            trial: the trial.
            words: what the user said about the training.
            lock: the trial's, already taken.
            limit: in seconds; 0 for none.
            variables: of the environment.
        """
        self.trial = trial
        self.lock = lock
        pause = [f"training.pause_after={trial.epochs}"] if trial.epochs else []
        if RunFolder(trial.folder).checkpoint.exists():
            line = [f"run={trial.folder}", "resume=true", *pause]
        else:
            chosen = (override(key, value) for key, value in trial.values.items())
            line = [*words, *chosen, *pause, f"hydra.run.dir={trial.folder}"]
        self.child = Child(["train.py", *line], trial.folder / LOG, limit=limit, lock=lock, environment=variables)

    def outcome(self, goal: Goal) -> Outcome | None:
        """Return what came of it; None where it was asked to stop and goes on later. Call it after its end."""
        code = self.child.wait()
        outcome = found(self.trial, goal) if code in (0, RESUMABLE) else None
        if outcome or (code == RESUMABLE and not self.child.overtime):
            return outcome
        return Outcome(reason=self.child.reason(), killed=code < 0 and not self.child.overtime)


def introduce(trial: Trial, facts: Mapping[str, Any]) -> None:
    """Write trial.json, from which the training takes over what it was chosen by."""
    trial.folder.mkdir(parents=True, exist_ok=True)
    write_text(trial.folder / FACTS, json.dumps({**facts, "trial": trial.number, "values": dict(trial.values)}) + "\n")
