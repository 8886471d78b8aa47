"""One trial: a training of `train.py` in a process and a folder of its own, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fer.artifact import RunFolder, write_text
from fer.interruption import RESUME_ME
from fer.process import Child
from fer.search.space import override

FACTS = "trial.json"
LOG = "output.log"
MEASURES = "measures.json"


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
        value: the best monitored value; None unless it is done or pruned.
        reason: why it failed, in one line; empty where it is done.
        killed: it was killed from outside, so the same command tries it again.
        measures: what else was asked of it: "bytes" and "milliseconds" of its .tflite file.
    """

    value: float | None = None
    reason: str = ""
    killed: bool = False
    measures: Mapping[str, float] = field(default_factory=dict)


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


def found(trial: Trial, goal: Goal, *, measured: bool = False) -> Outcome | None:
    """Return what the trial's folder already says of it; None where it has still to run, or to be measured."""
    folder = RunFolder(trial.folder)
    if folder.manifest.exists():
        value = json.loads(folder.manifest.read_text(encoding="utf-8"))["monitor"]["value"]
        if not measured:
            return Outcome(value=value)
        file = trial.folder / MEASURES
        return Outcome(value=value, measures=json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None
    rows = folder.history()
    if trial.epochs and len(rows) >= trial.epochs:
        return Outcome(value=goal.best([row[goal.name] for row in rows[: trial.epochs]]))
    return None


class Run:
    """A trial that is running: its training and, where the search asks for it, the measuring of its result.

    Attributes:
        pruned: the search has stopped it, since it does not look good.
    """

    def __init__(
        self, trial: Trial, words: Sequence[str], goal: Goal, start: Callable[..., Child], *, measured: bool
    ) -> None:
        """Start it, from its checkpoint where there is one.

        Args:
            trial: the trial; its lock is taken.
            words: what the user said about the training.
            goal: what is sought.
            start: a Child, but for its words and its log.
            measured: size and latency are asked for as well.
        """
        self.trial = trial
        self.goal = goal
        self.measured = measured
        self.pruned = False
        self.started = time.monotonic()
        self._start = partial(start, log=trial.folder / LOG)
        if RunFolder(trial.folder).manifest.exists():  # killed before it was measured
            self.child = self._measure()
        else:
            self.child = self._start(["train.py", *_line(trial, words)])

    def _measure(self) -> Child:
        return self._start(["-m", "fer.search.measure", str(self.trial.folder)])

    def ended(self) -> bool:
        """Tell whether it has ended; start its next step where there is one."""
        code = self.child.poll()
        if code == 0 and self.measured and self.child.words[0] == "train.py":
            self.child = self._measure()
            return False
        return code is not None

    def history(self) -> list[float]:
        """Return the monitored value after each epoch so far."""
        return [row[self.goal.name] for row in RunFolder(self.trial.folder).history()]

    def outcome(self) -> Outcome | None:
        """Return what came of it; None where it was asked to stop and goes on later. Call it after its end."""
        code = self.child.wait()
        if self.pruned:
            values = self.history()
            return Outcome(value=self.goal.best(values), reason=f"pruned after {len(values)} epochs")
        outcome = found(self.trial, self.goal, measured=self.measured) if code in (0, RESUME_ME) else None
        if outcome or (self.child.asked and not self.child.overtime) or code == RESUME_ME:
            return outcome
        return Outcome(reason=self.child.reason(), killed=code < 0 and not self.child.overtime)


def _line(trial: Trial, words: Sequence[str]) -> list[str]:
    pause = [f"training.pause_after={trial.epochs}"] if trial.epochs else []
    chosen = (override(key, value) for key, value in trial.values.items())
    return [*words, *chosen, *pause, f"hydra.run.dir={trial.folder}"]


def introduce(trial: Trial, facts: Mapping[str, Any]) -> None:
    """Write trial.json, from which the training takes over what it was chosen by."""
    trial.folder.mkdir(parents=True, exist_ok=True)
    write_text(trial.folder / FACTS, json.dumps({**facts, "trial": trial.number, "values": dict(trial.values)}) + "\n")
