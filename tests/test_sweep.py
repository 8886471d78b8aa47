import json

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fer import sweep
from fer.search import review


def overrides(*words):
    return OverridesParser.create().parse_overrides(list(words))


def finish(folder, number, value, name="val_accuracy", seconds=2.0):
    """Write what a finished job leaves, as far as the table reads it."""
    run = folder / f"{number:04d}-cnn48"
    run.mkdir(parents=True)
    (run / "model.keras").write_bytes(b"0" * 1000)
    passport = {"monitor": {"name": name, "value": value}, "seconds": seconds, "parameters": 50}
    (run / "manifest.json").write_text(json.dumps(passport))


def test_a_grid_is_every_combination():
    assert list(sweep.grid(overrides("model=a,b", "seed=1,2", "x=3"))) == [
        ["model=a", "seed=1", "x=3"],
        ["model=a", "seed=2", "x=3"],
        ["model=b", "seed=1", "x=3"],
        ["model=b", "seed=2", "x=3"],
    ]


def test_jobs_are_drawn_at_random_from_choices_and_intervals_and_the_same_for_a_seed():
    words = overrides("model=a,b", "rate=tag(log,interval(1e-4,1e-2))", "dropout=interval(0,0.5)", "x=3")
    jobs = list(sweep.drawn(words, 200, seed=1))
    assert jobs == list(sweep.drawn(words, 200, seed=1)) != list(sweep.drawn(words, 200, seed=2))
    values = [dict(word.split("=") for word in job) for job in jobs]
    assert {each["model"] for each in values} == {"a", "b"}
    assert all(1e-4 <= float(each["rate"]) <= 1e-2 and 0 <= float(each["dropout"]) <= 0.5 for each in values)
    assert 60 < sum(float(each["rate"]) < 1e-3 for each in values) < 140, "half of them below the geometric mean"


def test_an_interval_without_a_number_of_samples_is_refused():
    with pytest.raises(HydraException):
        sweep.grid(overrides("rate=interval(1,2)"))


def test_jobs_keep_their_numbers_when_a_sweep_grows(tmp_path):
    assert sweep.enlist(tmp_path, [["seed=1"], ["seed=2"]]) == [0, 1]
    assert sweep.enlist(tmp_path, [["seed=0"], ["seed=1"], ["seed=2"], ["seed=2"]]) == [2, 0, 1]
    assert sweep.listed(tmp_path) == [["seed=1"], ["seed=2"], ["seed=0"]]


def test_only_what_is_missing_is_launched(tmp_path, capsys):
    finish(tmp_path, 1, 0.5)
    launched = []
    sweep.sweep(overrides("seed=1,2,3"), sweep.SweeperConfig(), tmp_path, launched.extend)
    assert launched == [
        ["seed=1", "hydra.sweep.subdir=0000-${name}"],
        ["seed=3", "hydra.sweep.subdir=0002-${name}"],
    ]
    assert capsys.readouterr().out.startswith(f"sweep {tmp_path}: 3 jobs, 1 of them done\n")


def test_a_row_has_mean_and_deviation_over_the_seeds_and_the_best_is_marked(tmp_path, capsys):
    sweep.enlist(tmp_path, [[f"dropout={dropout}", f"seed={seed}"] for dropout in (0.1, 0.3) for seed in (1, 2)])
    for number, value in enumerate((0.5, 0.7, 0.9)):
        finish(tmp_path, number, value)
    (tmp_path / "0003-cnn48").mkdir()
    (tmp_path / "0003-cnn48/failure.json").write_text('{"reason": "exit code 2: the loss is nan"}')
    review.sweep(tmp_path)
    lines = (tmp_path / "sweep.csv").read_text().splitlines()
    assert lines[0] == "dropout,val_accuracy,deviation,done,seconds,parameters,bytes,folder"
    assert lines[1].startswith("0.1,0.6,0.14142135")
    assert lines[1].endswith(f",2 of 2,2.0,50,1000,{tmp_path}/0001-cnn48")
    assert lines[2].startswith("0.3,0.9,,1 of 2")
    printed = capsys.readouterr().out
    assert "job 3 is not done: exit code 2: the loss is nan" in printed
    assert f"best: {tmp_path}/0002-cnn48" in printed
    assert printed.splitlines()[2].startswith("*")


def test_lower_is_better_for_points(tmp_path, capsys):
    sweep.enlist(tmp_path, [["model=a"], ["model=b"]])
    finish(tmp_path, 0, 0.08, name="val_nme")
    finish(tmp_path, 1, 0.05, name="val_nme")
    review.sweep(tmp_path)
    assert f"best: {tmp_path}/0001-cnn48" in capsys.readouterr().out


@pytest.mark.slow
def test_a_job_that_fails_is_recorded_and_the_others_go_on(command, tmp_path):
    words = [
        "-m",
        "experiment=smoke",
        "augmentation=none",
        "model.filters=[8,8,8]",
        "model.dropout=3,0.2",
        "sweep=mine",
    ]
    done = command("train.py", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine/0001-smoke/manifest.json").exists()
    reason = json.loads((tmp_path / "mine/0000-smoke/failure.json").read_text())["reason"]
    assert reason == "exit code 2: model.dropout: expected a value from 0 to 0.99, got 3.0"
    again = command("train.py", *words)
    assert again.stdout.startswith("sweep mine: 2 jobs, 1 of them done\njob 0  experiment=smoke")
    assert "job 1 " not in again.stdout
