"""The loop of a search: ask for trials, run them side by side, tell what came of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from fer.process import Child, Lock, Stop, devices
from fer.search.trial import Goal, Outcome, Run, Trial, found, introduce

if TYPE_CHECKING:
    from fer.search.nursery import Nursery

log = logging.getLogger(__name__)


class Search(Protocol):
    """What chooses the trials and remembers them.

    Attributes:
        goal: what is sought.
        measured: size and latency of the finished trials are sought too.
        locks: of the trials that were asked for and not told yet.
    """

    goal: Goal
    measured: bool
    locks: dict[str, Lock]

    def ask(self) -> Trial | None:
        """Return a trial to run now, with its lock taken; None where none can start yet, or any more."""

    def tell(self, trial: Trial, outcome: Outcome | None) -> None:
        """Record what came of a trial and release its lock; None leaves it to be taken up again."""

    def prune(self, trial: Trial, values: Sequence[float]) -> bool:
        """Tell, from its monitored value after each epoch so far, whether a trial is to be stopped."""

    def unfinished(self) -> int:
        """Return how many trials have started and not ended, here or elsewhere."""

    def trials(self) -> list[tuple[Trial, Outcome | None]]:
        """Return all trials in the order of their start; those that have not ended without an outcome."""


def run(
    search: Search,
    words: Sequence[str],
    *,
    parallel: int,
    limit: float,
    facts: Mapping[str, Any],
    nursery: Nursery | None = None,
) -> int:
    """Run a search to its end.

    Args:
        search: what chooses the trials.
        words: what the user said about the training.
        parallel: trials at a time.
        limit: seconds a trial; 0 for none.
        facts: about the search, for each trial's trial.json.
        nursery: what forks the trials; None for a new interpreter each.

    Returns:
        0, or the exit code of a stop that was asked for; the same command goes on then.
    """
    free = list(range(parallel))
    running: dict[int, Run] = {}
    gpus = devices()
    with Stop() as stop:
        while True:
            for slot in [slot for slot, each in running.items() if each.ended()]:
                _tell(search, running.pop(slot))
                free.append(slot)
            while free and not stop.code and (trial := _ask(search, facts)):
                free.sort()
                slot = free.pop(0)
                variables = _variables(facts, gpus[slot % len(gpus)] if gpus else None)
                start = partial(
                    Child, limit=limit, lock=search.locks[trial.number], environment=variables, nursery=nursery
                )
                running[slot] = Run(trial, words, search.goal, start, measured=search.measured)
            if not running and (stop.code or not search.unfinished()):
                return stop.code
            for each in running.values():
                if not each.pruned and not stop.code:
                    each.pruned = search.prune(each.trial, each.history())
                if each.pruned or stop.code:
                    each.child.stop()
            time.sleep(1.0 if free else 0.1)  # a free slot waits for others, here or elsewhere


def _ask(search: Search, facts: Mapping[str, Any]) -> Trial | None:
    """Return the next trial that has to run: what a folder already says of a trial is only recorded."""
    while trial := search.ask():
        outcome = found(trial, search.goal, measured=search.measured)
        if outcome is None:
            introduce(trial, facts)
            values = "  ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
            log.info("trial %s  %s", trial.number, values + (f"  to epoch {trial.epochs}" if trial.epochs else ""))
            return trial
        search.tell(trial, outcome)
    return None


def _tell(search: Search, ended: Run) -> None:
    outcome = ended.outcome()
    search.tell(ended.trial, outcome)
    number, seconds = ended.trial.number, time.monotonic() - ended.started
    if outcome is None:
        log.info("trial %s  stopped; the same command goes on with it", number)
    elif outcome.reason:
        failed = "" if ended.pruned else "failed: "
        log.info("trial %s  %s%s (%s)", number, failed, outcome.reason, ended.child.log)
    else:
        log.info("trial %s  %s %.4f  %.1f s", number, search.goal.name, outcome.value, seconds)


def _variables(facts: Mapping[str, Any], gpu: str | None) -> dict[str, str]:
    """Return the environment of a trial: a GPU of its own, and the search as its group in W&B."""
    group = {"WANDB_RUN_GROUP": str(facts["search"])}
    return group if gpu is None else {**group, "CUDA_VISIBLE_DEVICES": gpu}


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
