import json
import subprocess
import sys
from functools import partial

import pytest

from fer.search.oracle import OracleSearch, give_gaussian_processes, keras_tuner
from fer.search.space import parse
from fer.search.trial import Goal, Outcome

SPACE = parse(
    {
        "optimizer": {"choice": ["adam", "sgd"]},
        "optimizer.momentum": {"float": [0.5, 0.9], "when": {"optimizer": "sgd"}},
        "model.dropout": {"float": [0.0, 0.5]},
        "training.batch_size": {"int": [16, 256], "log": True},
    },
    {},
)
GOAL = Goal(name="val_accuracy", mode="max")


def search(folder, kind="random", trials=12):
    oracles = keras_tuner().oracles
    if kind == "bayesian":
        give_gaussian_processes()
    builds = {
        "random": partial(oracles.RandomSearchOracle, max_trials=trials, seed=1),
        "bayesian": partial(oracles.BayesianOptimizationOracle, max_trials=trials, num_initial_points=4, seed=1),
        "hyperband": partial(oracles.HyperbandOracle, max_epochs=4, factor=2, seed=1),
    }
    folder.mkdir(exist_ok=True)
    return OracleSearch(builds[kind], SPACE, GOAL, folder)


def score(trial):
    return Outcome(value=trial.values["model.dropout"])


def values(found):
    return [(trial.number, trial.values, trial.epochs, outcome) for trial, outcome in found.trials()]


def finish(found, *, tell=score):
    while trial := found.ask():
        found.tell(trial, tell(trial))
    return found


@pytest.mark.parametrize("kind", ["random", "bayesian", "hyperband"])
def test_a_search_that_is_opened_anew_for_each_trial_tries_the_same(tmp_path, kind):
    whole = values(finish(search(tmp_path / "whole", kind, trials=6)))
    while trial := (again := search(tmp_path / "cut", kind, trials=6)).ask():
        again.tell(trial, score(trial))
    assert values(again) == whole
    assert len(whole) == {"random": 6, "bayesian": 6, "hyperband": 15}[kind]
    assert all(("optimizer.momentum" in each[1]) == (each[1]["optimizer"] == "sgd") for each in whole)


def test_a_trial_whose_tuner_died_is_taken_up_by_the_next_and_by_one_only(tmp_path):
    first = search(tmp_path)
    left = first.ask()
    second = search(tmp_path)
    assert second.ask().number != left.number, "it still runs"
    for lock in first.locks.values():
        lock.release()  # as the end of its process does
    third = search(tmp_path)
    assert third.ask() == left
    assert search(tmp_path).ask().number not in (left.number, "01")


def test_an_ended_trial_is_not_tried_again(tmp_path):
    found = search(tmp_path)
    trial = found.ask()
    found.tell(trial, Outcome(value=0.5))
    assert search(tmp_path).ask().number != trial.number
    assert found.unfinished() == 1


def test_a_failed_trial_keeps_its_reason_and_a_killed_one_is_tried_again_by_the_next_command(tmp_path):
    found = search(tmp_path, trials=3)
    reasons = {"0": Outcome(reason="the loss is nan"), "1": Outcome(reason="killed by SIGKILL", killed=True)}
    finish(found, tell=lambda trial: reasons.get(trial.number, Outcome(value=0.5)))
    assert [outcome for _, outcome in found.trials()] == [*reasons.values(), Outcome(value=0.5)]
    again = search(tmp_path, trials=3)
    assert [trial.number for trial in iter(again.ask, None)] == ["1"]
    again.tell(again.trials()[1][0], Outcome(value=0.25))
    assert search(tmp_path, trials=3).ask() is None
    assert search(tmp_path, trials=3).trials()[1][1] == Outcome(value=0.25)


def test_hyperband_goes_on_in_the_same_folder_for_more_epochs(tmp_path):
    found = finish(search(tmp_path, "hyperband"))
    folders = {}
    for trial, _ in found.trials():
        folders.setdefault(trial.folder, []).append(trial.epochs)
    assert all(epochs == sorted(epochs, key=lambda each: each or 99) for epochs in folders.values())
    assert [1, 2, 0] in folders.values()


def test_hyperband_ends_although_trials_fail(tmp_path):
    outcomes = iter([Outcome(reason="out of memory"), *[Outcome(value=0.5)] * 100])
    found = finish(search(tmp_path, "hyperband"), tell=lambda trial: next(outcomes))
    assert found.unfinished() == 0
    assert len(found.trials()) == 15
    assert found.trials()[0][1] == Outcome(reason="out of memory")


def test_the_memory_is_whole_at_any_time(tmp_path):
    found = search(tmp_path)
    trial = found.ask()
    memory = json.loads((tmp_path / "search.json").read_text())
    assert memory["trials"][trial.number][1] == "RUNNING"
    assert not list(tmp_path.glob("*partial*"))


def test_kerastuner_is_imported_without_keras():
    code = (
        "import sys; from fer.search.oracle import keras_tuner; keras_tuner();"
        "print([name for name in ('keras', 'tensorflow', 'jax', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
