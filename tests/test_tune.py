"""`tune.py` as a user runs it: real trials in real processes, killed at random."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from fer.config import compose
from fer.search.oracle import OracleSearch, keras_tuner
from fer.search.space import parse
from fer.search.trial import Goal

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("experiment=smoke", "augmentation=none", "model.filters=[4,4,4]")
KILLS, TRIALS = 10, 30


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["tuner=hyperbnad"], "tuner=hyperbnad: no such choice; did you mean 'hyperband'?"),
        (["tuner.trials=0"], "tuner.trials: expected 1 or more, got 0"),
        (["tuner/space=no"], "tuner/space=no: no such choice"),
        (["model.dropoot=1"], "model.dropoot: unknown key in the command line; did you mean 'dropout'?"),
        (
            ["+tuner.space.seed={int: [-1, 3]}"],
            "tuner.space: seed: expected a value",
        ),
        (
            ["tuner.warm=true", "runtime.backend=jax"],
            "tuner.warm: expected false for runtime.backend=jax; a warm trial is forked with TensorFlow imported",
        ),
        (
            ["tuner.warm=true", "+tuner.space={runtime.threads: {choice: [1, 2]}}"],
            "tuner.warm: expected false for the space with runtime.threads; ",
        ),
        (["+tuner.space.modle={choice: [1]}"], "tuner.space: modle: unknown key in the space; did you mean 'model'?"),
    ],
)
def test_a_mistake_is_answered_in_one_line_before_any_trial(command, tmp_path, words, text):
    done = command("tune.py", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {text}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_search_is_refused(command, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.yaml").write_text("seed: 7\n")
    done = command("tune.py", *QUICK, "sweep=mine")
    assert done.returncode == 2
    assert done.stderr.startswith("error: mine: holds a search with seed=7, not 0 and ")
    assert done.stderr.endswith("give the same settings to go on with it, or choose another folder with sweep=\n")


@pytest.mark.slow
def test_a_search_that_is_killed_at_random_tries_exactly_what_was_planned(tmp_path):
    """The tuner alone, its trials alone, or all of them are killed at ten random moments."""
    words = [*QUICK, "tuner=random", f"tuner.trials={TRIALS}", "tuner.parallel=2", "sweep=search"]
    dice = random.Random(int(os.environ.get("FER_TEST_SEED", "0")))
    for _ in range(KILLS):
        tuner = start(tmp_path, words)
        begun = dice.random() < 0.2  # else wait for its first trial
        while not begun and tuner.poll() is None:
            begun = bool(trials(tuner.pid))
            time.sleep(0.1)
        time.sleep(dice.uniform(0, 10))
        assert tuner.poll() is None, "it ended before it was killed: more trials are needed"
        for victim in dice.choice((lambda each: [each], trials, lambda each: [each, *trials(each)]))(tuner.pid):
            kill(victim)
        time.sleep(0.5)  # a tuner may write down that its trial was killed
        kill(tuner.pid)
        tuner.wait()
    for _ in range(3):  # a trial that was killed alone waits for the next command
        assert start(tmp_path, words).wait(timeout=900) == 0, (tmp_path / "terminal.log").read_text()

    memory = json.loads((tmp_path / "search/search.json").read_text())["trials"]
    assert [(status, message) for _, status, _, message in memory.values()] == [("COMPLETED", "")] * TRIALS
    assert [values for values, *_ in memory.values()] == planned(tmp_path / "reference")
    for number in memory:
        folder = tmp_path / "search/trials" / number
        passport = json.loads((folder / "manifest.json").read_text())
        assert passport["search"]["trial"] == number
        assert (folder / "output.log").read_text().count("test accuracy") == 1, "finished once"
    assert len(list((tmp_path / "search/trials").iterdir())) == TRIALS


@pytest.mark.slow
def test_a_warm_search_that_is_asked_to_stop_leaves_nothing_behind_and_goes_on(tmp_path):
    words = [*QUICK, "training.epochs=60", "tuner=random", "tuner.trials=2", "tuner.warm=true", "sweep=search"]
    tuner = start(tmp_path, words)
    while not list(tmp_path.glob("search/trials/*/metrics.csv")):
        assert tuner.poll() is None, (tmp_path / "terminal.log").read_text()
        time.sleep(0.05)
    assert "libtensorflow" not in Path(f"/proc/{tuner.pid}/maps").read_text(), "the parent has loaded TensorFlow"
    processes = trials(tuner.pid)
    assert len(processes) == 2, "the nursery and the trial"
    tuner.terminate()
    assert tuner.wait(timeout=120) == 75
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    assert start(tmp_path, words).wait(timeout=900) == 0, (tmp_path / "terminal.log").read_text()
    memory = json.loads((tmp_path / "search/search.json").read_text())["trials"]
    assert [(status, message) for _, status, _, message in memory.values()] == [("COMPLETED", "")] * 2
    for log in tmp_path.glob("search/trials/*/output.log"):
        assert log.read_text().count("test accuracy") == 1, "finished once"


def planned(folder: Path) -> list[dict]:
    """Return the values that the search tries when nobody disturbs it: random ones do not depend on results."""
    folder.mkdir()
    run = compose("tune", *QUICK, "tuner=random")
    oracle = partial(keras_tuner().oracles.RandomSearchOracle, max_trials=TRIALS, seed=run.tuner.seed + 1)
    space = parse(run.tuner.space, {"optimizer": "adam"})
    search = OracleSearch(oracle, space, Goal(name="val_accuracy", mode="max"), folder)
    while search.ask():
        pass
    return [values for values, *_ in json.loads((folder / "search.json").read_text())["trials"].values()]


def start(folder: Path, words: list[str]) -> subprocess.Popen:
    with (folder / "terminal.log").open("a") as log:
        line = [sys.executable, str(ROOT / "tune.py"), *words]
        return subprocess.Popen(line, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def trials(tuner: int) -> list[int]:
    """Return the processes that a tuner has started."""
    file = Path(f"/proc/{tuner}/task/{tuner}/children")
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
