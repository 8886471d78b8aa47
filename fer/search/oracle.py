"""KerasTuner's oracles, which choose the trials of a search, with a memory that survives being killed.

KerasTuner writes its memory in several steps, and as if an ended trial still ran; here one file takes the place of the
one before in one step, so that a search killed at any point goes on with the same trials. The file is shared: several
tuners, on one machine or on several that see the folder, work on one search.
"""

from __future__ import annotations

import copy
import importlib
import json
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from fer.artifact import write_text
from fer.process import Lock
from fer.search.space import Parameter, rounded
from fer.search.trial import Goal, Outcome, Trial

MEMORY = "search.json"
RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"


class OracleSearch:
    """A search that an oracle of KerasTuner steers; see fer.search.loop.Search."""

    def __init__(self, build: Callable[..., Any], space: Sequence[Parameter], goal: Goal, folder: Path) -> None:
        """Open it.

        Args:
            build: called with objective, hyperparameters and max_consecutive_failed_trials; returns a new oracle.
            space: what is searched.
            goal: what is sought.
            folder: where it is remembered; the trials' folders are below it.
        """
        self.goal = goal
        self.measured = False
        self.folder = folder
        self.build = build
        self.space = space
        self.locks: dict[str, Lock] = {}
        self._seen: tuple[int, int] | None = None
        self._oracle = self._new()
        with self._shared(changes=False) as oracle:
            self.again = [number for number, trial in oracle.trials.items() if _killed(trial)]

    def _new(self) -> Any:
        tuner = keras_tuner()
        objective = tuner.Objective(self.goal.name, self.goal.mode)
        oracle = self.build(
            objective=objective, hyperparameters=_hyperparameters(self.space), max_consecutive_failed_trials=sys.maxsize
        )
        oracle.verbose = 0
        # The oracle calls these where its memory changes; all of it is written at the end of each `_shared`.
        oracle.save = oracle._save_trial = lambda *_: None
        oracle.score_trial = lambda trial: None  # `tell` has set the score
        return oracle

    def ask(self) -> Trial | None:
        """Return a trial to run now, with its lock taken; None where none can start yet, or any more."""
        with self._shared() as oracle:
            trial = self._left_behind(oracle) or self._next(oracle)
            return self._claimed(oracle, trial)

    def _left_behind(self, oracle: Any) -> Any:
        """Return a trial that was killed, or whose tuner and process are gone."""
        if self.again:
            trial = oracle.trials[self.again.pop()]
            trial.status, trial.message = RUNNING, None
            oracle.ongoing_trials[trial.trial_id] = trial
            return trial
        for number, trial in oracle.ongoing_trials.items():
            lock = Lock(self._trial(trial).folder / ".lock")
            if number not in self.locks and lock.take():
                lock.release()
                return trial
        return None

    def _next(self, oracle: Any) -> Any:
        owner = f"new{len(oracle.trials)}"
        if hasattr(oracle, "_random_state"):  # else it would start over with each process
            oracle._random_state.seed(oracle.seed + len(oracle.trials))
        trial = oracle.create_trial(owner)
        if trial.status != RUNNING:
            return None
        oracle.ongoing_trials[trial.trial_id] = oracle.ongoing_trials.pop(owner)
        return trial

    def _claimed(self, oracle: Any, trial: Any) -> Trial | None:
        if trial is None:
            return None
        wanted = self._trial(trial)
        lock = Lock(wanted.folder / ".lock")
        lock.take(wait=True)
        self.locks[trial.trial_id] = lock
        return wanted

    def tell(self, trial: Trial, outcome: Outcome | None) -> None:
        """Record what came of a trial; None leaves it to be taken up again."""
        with self._shared() as oracle:
            if outcome:
                self._end(oracle, oracle.trials[trial.number], outcome)
        self.locks.pop(trial.number).release()

    def _end(self, oracle: Any, ended: Any, outcome: Outcome) -> None:
        # Hyperband waits for a round to be complete, and would wait for ever for one with a failed trial.
        blocks = hasattr(oracle, "_brackets")
        ended.status = FAILED if outcome.reason and not blocks else COMPLETED
        ended.score = self.goal.worst if outcome.value is None else outcome.value
        ended.message = outcome.reason
        oracle.end_trial(ended)

    def prune(self, trial: Trial, values: Sequence[float]) -> bool:
        """Leave every trial: Hyperband's rounds are its pruning."""
        return False

    def unfinished(self) -> int:
        """Return how many trials have started and not ended, here or elsewhere."""
        with self._shared(changes=False) as oracle:
            return len(oracle.ongoing_trials)

    def trials(self) -> list[tuple[Trial, Outcome | None]]:
        """Return all trials in the order of their start; those that have not ended without an outcome."""
        with self._shared(changes=False) as oracle:
            return [(self._trial(trial), _outcome(trial)) for trial in oracle.trials.values()]

    def _trial(self, trial: Any) -> Trial:
        values = trial.hyperparameters.values
        texts = {parameter.key for parameter in self.space if parameter.kind == "choice"}
        epochs = values.get("tuner/epochs", 0)
        return Trial(
            number=trial.trial_id,
            folder=self.folder / "trials" / self._first(trial),
            values={
                key: json.loads(value) if key in texts else rounded(value)
                for key, value in values.items()
                if not key.startswith("tuner/")
            },
            epochs=0 if epochs == getattr(self._oracle, "max_epochs", 0) else epochs,
        )

    def _first(self, trial: Any) -> str:
        """Return the trial in whose folder this one goes on: Hyperband's rounds are one training."""
        while earlier := trial.hyperparameters.values.get("tuner/trial_id"):
            trial = self._oracle.trials[earlier]
        return str(trial.trial_id)

    @contextmanager
    def _shared(self, *, changes: bool = True) -> Iterator[Any]:
        """Give the oracle as the file has it, and write what is changed, while no other tuner can."""
        file = self.folder / MEMORY
        with Lock(self.folder / ".lock"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # KerasTuner asks for threads by an old name
            if file.exists() and _version(file) != self._seen:
                self._oracle = self._restored(json.loads(file.read_text(encoding="utf-8")))
            yield self._oracle
            if changes:
                write_text(file, self._text())
            self._seen = _version(file) if file.exists() else None

    def _text(self) -> str:
        oracle = self._oracle
        trials = {
            number: [trial.hyperparameters.values, trial.status, trial.score, trial.message]
            for number, trial in oracle.trials.items()
        }
        state = oracle.get_state()
        del state["hyperparameters"], state["display"]
        return json.dumps({"trials": trials, "oracle": state}, separators=(",", ":"))

    def _restored(self, memory: dict[str, Any]) -> Any:
        oracle = self._new()
        for number, (values, status, score, message) in memory["trials"].items():
            space = copy.copy(oracle.hyperparameters)  # one space for all of them
            space.values = values
            trial = keras_tuner().engine.trial.Trial(space, number, status, message)
            trial.score = score
            oracle.trials[number] = trial
        fresh = oracle.get_state()
        kept = {key: fresh[key] for key in ("hyperparameters", "display")}
        oracle.set_state({**memory["oracle"], **kept})
        return oracle


def _version(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns


def _killed(trial: Any) -> bool:
    return bool(trial.message) and trial.message.startswith("killed by ")


def _outcome(trial: Any) -> Outcome | None:
    if trial.status == RUNNING:
        return None
    if trial.message:
        return Outcome(reason=trial.message, killed=_killed(trial))
    return Outcome(value=trial.score)


def _hyperparameters(space: Sequence[Parameter]) -> Any:
    hyperparameters = keras_tuner().HyperParameters()
    for parameter in space:
        _add(hyperparameters, parameter, list(parameter.when.items()))
    return hyperparameters


def _add(hyperparameters: Any, parameter: Parameter, when: list[tuple[str, tuple[Any, ...]]]) -> None:
    if when:
        (parent, allowed), *rest = when
        with hyperparameters.conditional_scope(parent, [json.dumps(value) for value in allowed]):
            _add(hyperparameters, parameter, rest)
    elif parameter.kind == "choice":
        hyperparameters.Choice(parameter.key, parameter.texts)
    else:
        add = hyperparameters.Int if parameter.kind == "int" else hyperparameters.Float
        step = parameter.step or (1 if parameter.kind == "int" and not parameter.log else None)
        low, high = parameter.values
        add(parameter.key, low, high, step=step, sampling="log" if parameter.log else "linear")


def keras_tuner() -> Any:
    """Import KerasTuner without Keras, scikit-learn and SciPy.

    Its oracles are NumPy alone, but its package imports Keras for other parts, and so TensorFlow: 640 MB and ten
    seconds for nothing; the other two are for the Bayesian oracle alone (see `give_gaussian_processes`). Where Keras is
    not loaded yet, empty modules stand in for them during the import.
    """
    if "keras_tuner" not in sys.modules:
        stand_in = _StandIn()
        needed = "keras" not in sys.modules
        if needed:
            sys.meta_path.insert(0, stand_in)
        try:
            importlib.import_module("keras_tuner.oracles")
        finally:
            if needed:
                sys.meta_path.remove(stand_in)
                for name in [name for name, module in sys.modules.items() if isinstance(module, _Empty)]:
                    del sys.modules[name]
        if needed:  # parameters are copied through Keras's own two functions, in this form
            from keras_tuner.src import utils

            utils.serialize_keras_object = lambda each: {"class_name": type(each).__name__, "config": each.get_config()}
            utils.deserialize_keras_object = lambda config, module_objects: module_objects[
                config["class_name"]
            ].from_config(config["config"])
    return sys.modules["keras_tuner"]


def give_gaussian_processes() -> None:
    """Give KerasTuner's Bayesian oracle what it computes with."""
    import scipy.optimize
    import sklearn.exceptions
    import sklearn.gaussian_process

    keras_tuner()
    vars(sys.modules["keras_tuner.src.tuners.bayesian"]).update(scipy=scipy, sklearn=sklearn)


class _StandIn(MetaPathFinder, Loader):
    """Finds an empty module for what the oracles do without, and everything below it."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        absent = fullname.partition(".")[0] in ("keras", "scipy", "sklearn")
        return ModuleSpec(fullname, self, is_package=True) if absent else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave it empty."""


class _Empty(types.ModuleType):
    """A module in which every name is there: a class where it starts like one, else another such module."""

    __all__ = ("Model", "applications", "backend", "callbacks", "config", "layers", "ops", "saving", "utils")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "version":
            return lambda: "3."
        return type(name, (), {}) if name[0].isupper() else _Empty(f"{self.__name__}.{name}")

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self
