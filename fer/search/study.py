"""A search that Optuna steers: its storage is the memory, and may be shared by several machines."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from fer.errors import ConfigError, RunError
from fer.process import Lock
from fer.search.space import Parameter, rounded
from fer.search.trial import Goal, Outcome, Trial

if TYPE_CHECKING:
    from fer.tuner.optuna import Optuna

KILLED = "killed"
REASON = "reason"


class StudySearch:
    """A study of Optuna; see fer.search.loop.Search."""

    def __init__(self, tuner: Optuna, space: Sequence[Parameter], goal: Goal, folder: Path, epochs: int) -> None:
        """Open the study, or create it.

        Raises:
            ConfigError: the storage cannot be opened.
            RunError: it holds a study of another space or other objectives.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.tuner = tuner
        self.space = space
        self.goal = goal
        self.measured = tuner.objectives != ["score"]
        self.folder = folder
        self.locks: dict[str, Lock] = {}
        with Lock(folder / ".lock"):
            self.study = self._open(epochs)
            self._check_space()
        self.again = [trial.number for trial in self.study.trials if KILLED in trial.user_attrs]

    def _open(self, epochs: int) -> optuna.Study:
        score = "maximize" if self.goal.mode == "max" else "minimize"
        pruners: dict[str, optuna.pruners.BasePruner] = {
            "none": optuna.pruners.NopPruner(),
            "median": optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
            "hyperband": optuna.pruners.HyperbandPruner(max_resource=epochs),
        }
        try:
            return optuna.create_study(
                storage=self._storage(),
                study_name=self.folder.name,
                directions=[score if each == "score" else "minimize" for each in self.tuner.objectives],
                pruner=pruners[self.tuner.pruner],
                load_if_exists=True,
            )
        except Exception as error:  # each database has its own
            text = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"tuner.storage: cannot open {self.tuner.storage}: {text}") from error

    def _storage(self) -> optuna.storages.BaseStorage | str:
        if self.tuner.storage != "journal":
            return self.tuner.storage
        file = optuna.storages.journal.JournalFileBackend(str(self.folder / "study.journal"))
        return optuna.storages.JournalStorage(file)

    def _check_space(self) -> None:
        wanted = json.dumps([self.tuner.objectives, [vars(each) for each in self.space]], sort_keys=True)
        if self.study.user_attrs.setdefault("space", wanted) != wanted:
            raise RunError(
                f"{self.tuner.storage}: holds a study {self.folder.name} of another space or other objectives; "
                "choose another folder with sweep=, or another tuner.storage"
            )
        self.study.set_user_attr("space", wanted)

    def ask(self) -> Trial | None:
        """Return a trial to run now, with its lock taken; None where none can start yet, or any more."""
        with Lock(self.folder / ".lock"):
            trials = self.study.trials
            trial = self._left_behind(trials) or (self._new(trials) if len(trials) < self.tuner.trials else None)
            if trial is None:
                return None
            wanted = self._trial(trial.number, self._suggested(trial))
            self.locks[wanted.number] = Lock(wanted.folder / ".lock")
            self.locks[wanted.number].take(wait=True)
            return wanted

    def _left_behind(self, trials: Sequence[FrozenTrial]) -> optuna.Trial | None:
        """Return a trial that was killed, or whose tuner and process are gone."""
        for trial in trials:
            wanted = self._trial(trial.number, {})
            if trial.state != TrialState.RUNNING or wanted.number in self.locks:
                continue
            if KILLED in trial.user_attrs and trial.number not in self.again:
                continue  # killed while this command ran
            lock = Lock(wanted.folder / ".lock")
            if lock.take():
                lock.release()
                live = optuna.Trial(self.study, trial._trial_id)
                if trial.number in self.again:
                    self.again.remove(trial.number)
                return live
        return None

    def _new(self, trials: Sequence[FrozenTrial]) -> optuna.Trial:
        # A sampler's random state is not stored: one for each trial gives the same trials after a stop.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.sampler = optuna.samplers.TPESampler(
                seed=self.tuner.seed + len(trials), constant_liar=self.tuner.parallel > 1
            )
        return self.study.ask()

    def _suggested(self, trial: optuna.Trial) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for each in self.space:
            if each.active(values):
                values[each.key] = _suggest(trial, each)
        return values

    def _trial(self, number: int, values: dict[str, Any]) -> Trial:
        name = f"{number:04d}"
        return Trial(number=name, folder=self.folder / "trials" / name, values=values)

    def tell(self, trial: Trial, outcome: Outcome | None) -> None:
        """Record what came of a trial; None, or a killed one, leaves it to be taken up again."""
        with Lock(self.folder / ".lock"):
            if outcome:
                self._end(int(trial.number), outcome)
        self.locks.pop(trial.number).release()

    def _end(self, number: int, outcome: Outcome) -> None:
        live = optuna.Trial(self.study, self.study.trials[number]._trial_id)
        if outcome.reason:
            live.set_user_attr(KILLED if outcome.killed else REASON, outcome.reason)
        if outcome.killed:
            return
        if outcome.reason:
            state = TrialState.FAIL if outcome.value is None else TrialState.PRUNED
            self.study.tell(number, state=state)
            return
        reached = {"score": outcome.value, **outcome.measures}
        self.study.tell(number, [float(reached[each] or 0.0) for each in self.tuner.objectives])

    def prune(self, trial: Trial, values: Sequence[float]) -> bool:
        """Tell, from its monitored value after each epoch so far, whether a trial is to be stopped."""
        if self.tuner.pruner == "none":
            return False
        number = int(trial.number)
        seen = self.study.trials[number].intermediate_values
        if len(values) == len(seen):
            return False
        live = optuna.Trial(self.study, self.study.trials[number]._trial_id)
        for epoch in range(len(seen), len(values)):
            live.report(values[epoch], epoch)
        return live.should_prune()

    def unfinished(self) -> int:
        """Return how many trials have started and not ended, here or elsewhere."""
        return sum(trial.state == TrialState.RUNNING and KILLED not in trial.user_attrs for trial in self.study.trials)

    def trials(self) -> list[tuple[Trial, Outcome | None]]:
        """Return all trials in the order of their start; those that have not ended without an outcome."""
        return [(self._trial(each.number, self._values(each)), self._outcome(each)) for each in self.study.trials]

    def _values(self, trial: FrozenTrial) -> dict[str, Any]:
        texts = {each.key for each in self.space if each.kind == "choice"}
        return {key: json.loads(value) if key in texts else rounded(value) for key, value in trial.params.items()}

    def _outcome(self, trial: FrozenTrial) -> Outcome | None:
        if KILLED in trial.user_attrs and trial.state == TrialState.RUNNING:
            return Outcome(reason=trial.user_attrs[KILLED], killed=True)
        if trial.state == TrialState.RUNNING:
            return None
        if trial.values is None or REASON in trial.user_attrs:
            best = self.goal.best(list(trial.intermediate_values.values())) if trial.intermediate_values else None
            return Outcome(value=best, reason=trial.user_attrs.get(REASON, trial.state.name.lower()))
        reached = dict(zip(self.tuner.objectives, trial.values, strict=True))
        return Outcome(value=reached.pop("score", None), measures=reached)


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Any:
    if parameter.kind == "choice":
        return json.loads(trial.suggest_categorical(parameter.key, parameter.texts))
    low, high = parameter.values
    if parameter.kind == "int":
        return trial.suggest_int(parameter.key, low, high, step=int(parameter.step or 1), log=parameter.log)
    return rounded(trial.suggest_float(parameter.key, low, high, step=parameter.step, log=parameter.log))
