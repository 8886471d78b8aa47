import pytest

from fer.errors import ConfigError, RunError
from fer.search.space import parse
from fer.search.study import StudySearch
from fer.search.trial import Goal, Outcome
from fer.tuner.optuna import Optuna

SPACE = {
    "optimizer": {"choice": ["adam", "sgd"]},
    "optimizer.momentum": {"float": [0.5, 0.9], "when": {"optimizer": "sgd"}},
    "model.dropout": {"float": [0.0, 0.5], "step": 0.1},
}
GOAL = Goal(name="val_accuracy", mode="max")


def tuner(**changes):
    search = {"trials": 12, "objectives": ["score"], "pruner": "none", "storage": "journal"}
    return Optuna(**{"space": SPACE, "parallel": 1, "time_limit": 0, "warm": False, "seed": 0, **search, **changes})


def search(folder, space=SPACE, **changes):
    folder.mkdir(exist_ok=True)
    return StudySearch(tuner(**changes), parse(space, {}), GOAL, folder, epochs=9)


def score(trial):
    return Outcome(value=trial.values["model.dropout"])


def finish(found, tell=score):
    while trial := found.ask():
        found.tell(trial, tell(trial))
    return found


def test_a_study_that_is_opened_anew_for_each_trial_tries_the_same(tmp_path):
    whole = finish(search(tmp_path / "whole")).trials()
    while trial := (again := search(tmp_path / "cut")).ask():
        again.tell(trial, score(trial))
    assert [(each.values, outcome) for each, outcome in again.trials()] == [(each.values, out) for each, out in whole]
    assert len(whole) == 12
    assert all(("optimizer.momentum" in each.values) == (each.values["optimizer"] == "sgd") for each, _ in whole)


def test_a_trial_whose_tuner_died_is_taken_up_by_the_next(tmp_path):
    first = search(tmp_path)
    left = first.ask()
    assert search(tmp_path).ask().number == "0001"
    first.locks[left.number].release()
    assert search(tmp_path).ask() == left


def test_failures_keep_their_reason_and_a_killed_trial_is_tried_again_by_the_next_command(tmp_path):
    reasons = {"0000": Outcome(reason="the loss is nan"), "0001": Outcome(reason="killed by SIGKILL", killed=True)}
    found = finish(search(tmp_path, trials=3), tell=lambda trial: reasons.get(trial.number, Outcome(value=0.5)))
    assert found.unfinished() == 0
    assert [outcome for _, outcome in found.trials()] == [*reasons.values(), Outcome(value=0.5)]
    again = search(tmp_path, trials=3)
    trial = again.ask()
    assert trial.number == "0001"
    again.tell(trial, Outcome(value=0.25))
    assert again.ask() is None
    assert again.trials()[1][1] == Outcome(value=0.25)


def test_a_trial_below_the_median_is_pruned_and_keeps_its_best_value(tmp_path):
    found = search(tmp_path, pruner="median")
    for _ in range(5):
        good = found.ask()
        assert not found.prune(good, [0.5, 0.6, 0.7])
        found.tell(good, Outcome(value=0.7))
    bad = found.ask()
    assert not found.prune(bad, [0.1])
    assert found.prune(bad, [0.1, 0.2])
    found.tell(bad, Outcome(value=0.2, reason="pruned after 2 epochs"))
    assert found.trials()[-1][1] == Outcome(value=0.2, reason="pruned after 2 epochs")


def test_several_objectives_are_measured_and_kept(tmp_path):
    found = search(tmp_path, objectives=["score", "bytes"], trials=2)
    assert found.measured
    finish(found, tell=lambda trial: Outcome(value=0.5, measures={"bytes": 100.0, "milliseconds": 2.0}))
    assert [outcome for _, outcome in found.trials()] == [Outcome(value=0.5, measures={"bytes": 100.0})] * 2


def test_a_storage_of_another_space_is_refused(tmp_path):
    search(tmp_path).ask()
    with pytest.raises(RunError) as caught:
        search(tmp_path, space={"model.dropout": {"float": [0.0, 0.3]}})
    assert str(caught.value) == (
        f"journal: holds a study {tmp_path.name} of another space or other objectives; "
        "choose another folder with sweep=, or another tuner.storage"
    )


def test_a_storage_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        search(tmp_path, storage=f"sqlite:///{tmp_path}/no/such/folder.db")
    assert str(caught.value).startswith(f"tuner.storage: cannot open sqlite:///{tmp_path}/no/such/folder.db: ")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"objectives": ["speed"]}, "objectives: expected one or more of score, bytes, milliseconds, got ['speed']"),
        ({"objectives": []}, "objectives: expected one or more of score, bytes, milliseconds, got []"),
        (
            {"objectives": ["score", "bytes"], "pruner": "median"},
            "pruner: expected none beside other objectives than the score, got 'median'",
        ),
    ],
)
def test_objectives_that_the_task_does_not_have_are_refused(changes, text):
    with pytest.raises(ConfigError) as caught:
        tuner(**changes)
    assert str(caught.value) == text
