"""The scripts as a user types them: real subprocesses, real trainings."""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("experiment=smoke", "augmentation=none", "training.progress=lines")


def test_train_evaluate_and_export_a_run(command, tmp_path):
    done = command("train.py", *QUICK)
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "outputs").glob("*/*-smoke")
    passport = json.loads((folder / "manifest.json").read_text())
    assert passport["metrics"]["samples"] == 32

    done = command("fer", "evaluate", "run=latest", "split=validation")
    assert done.returncode == 0, done.stderr
    judged = json.loads((folder / "report_validation/metrics.json").read_text())["metrics"]
    assert judged["accuracy"] == pytest.approx(passport["monitor"]["value"])

    done = command("fer", "evaluate", "dataset.test=16", "output=elsewhere")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "elsewhere/metrics.json").read_text())["metrics"]["samples"] == 16

    done = command("export.py")
    assert done.returncode == 0, done.stderr
    assert (folder / "export/fp32.tflite").stat().st_size > 10_000


def test_mistakes_about_runs_are_one_line(command, tmp_path):
    def error(*words):
        done = command(*words)
        assert done.returncode == 2
        return done.stderr

    none = "error: run=latest: no finished run below outputs or multirun; train one, or give its folder\n"
    assert error("fer", "evaluate") == none
    assert error("export.py") == none
    assert error("fer", "evaluate", "split=tst") == (
        "error: split: expected one of train, validation, test, got 'tst'; did you mean 'test'?\n"
    )


@pytest.mark.slow
def test_imagenet_weights_that_cannot_be_had_are_answered_in_one_line(command, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    words = ("model=mobilenetv2", "model.weights=imagenet", "model.input_size=96", "training.epochs=6")
    done = command("train.py", *QUICK, *words)
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: model.weights=imagenet: Keras cannot download the weights (")
    assert line.endswith(
        "give a file with model.weights=<path of .h5 or .keras>, or start from nothing with model.weights=none"
    )


@pytest.mark.slow
def test_any_model_smokes(command):
    for settings in (
        ["model=mobilenetv2", "model.alpha=0.35", "model.input_size=48"],
        ["model=cnn48", "tracker=tensorboard"],
        ["model=cnn48", "tracker=wandb", "tracker.mode=offline"],
        ["model=cnn48", "dataset.target=points", "loss=mse"],
    ):
        done = command("train.py", *QUICK, *settings)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_grid_runs_every_combination_in_its_own_folder(command, tmp_path):
    done = command("train.py", "-m", *QUICK, "seed=1,2", "optimizer=adam,sgd")
    assert done.returncode == 0, done.stderr
    passports = [json.loads(path.read_text()) for path in (tmp_path / "multirun").glob("*/*/*/manifest.json")]
    found = {(passport["seed"], passport["choices"]["optimizer"]) for passport in passports}
    assert found == {(1, "adam"), (1, "sgd"), (2, "adam"), (2, "sgd")}


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same_numbers(command, tmp_path):
    for name in ("a/run", "b/run"):  # runs of one folder count each other's looks at the test split
        settings = ("training.epochs=2", "augmentation=strong", f"hydra.run.dir={name}")
        assert command("train.py", "experiment=smoke", *settings).returncode == 0

    def numbers(name):
        rows = table(tmp_path / name)
        history = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
        return history, json.loads((tmp_path / name / "report/metrics.json").read_text())

    assert numbers("a/run") == numbers("b/run")


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_epoch(tmp_path):
    run = start(tmp_path, "training.epochs=1000", "training.patience=0")
    wait_for(run, tmp_path / "run", "metrics.csv")
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=120) == 0, (tmp_path / "terminal.log").read_text()
    passport = json.loads((tmp_path / "run/manifest.json").read_text())
    assert passport["stopped"] == "interrupted"
    assert passport["epochs"] >= 1
    assert (tmp_path / "run/report/report.html").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_and_looks_unfinished_until_then(tmp_path):
    small = ("model.filters=[4]", "model.kernels=[3]", "model.units=[8]")
    settings = (*small, "training.epochs=40", "training.patience=0", "augmentation=light", "dataset.train=512")
    killed = start(tmp_path, *settings)
    wait_for(killed, tmp_path / "run/checkpoint", "last-*.npz")  # a thread writes it, later than metrics.csv
    killed.kill()
    killed.wait()
    assert not (tmp_path / "run/manifest.json").exists()
    again = start(tmp_path, *settings)
    assert again.wait(timeout=300) == 0, (tmp_path / "terminal.log").read_text()
    whole = start(tmp_path, *settings, folder="whole")
    assert whole.wait(timeout=300) == 0
    assert re.search(r"going on after epoch \d+", (tmp_path / "run/run.log").read_text())
    last = [table(tmp_path / name)[-1] for name in ("run", "whole")]
    assert [row["loss"] for row in last] == [last[0]["loss"]] * 2
    assert (
        len(
            {
                json.loads((tmp_path / name / "manifest.json").read_text())["metrics"]["loss"]
                for name in ("run", "whole")
            }
        )
        == 1
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files through the Linux shell")
def test_a_full_disk_is_named_and_leaves_nothing_finished(tmp_path):
    """A limit on file size stands in for a full disk: the write fails in the same way."""
    words = [sys.executable, str(ROOT / "train.py"), *QUICK, "hydra.run.dir=run"]
    limited = ["bash", "-c", 'ulimit -f 200; exec "$@"', "bash", *words]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert re.search(
        r"error: cannot write .*run/checkpoint/\.best-00000\.partial\.npz: File too large; "
        r"free some space, or choose another folder with hydra\.run\.dir=\n$",
        done.stderr,
    ), done.stderr
    assert not (tmp_path / "run/manifest.json").exists()
    assert not list((tmp_path / "run").rglob("*partial*"))


def test_a_folder_that_cannot_be_made_is_named(command, tmp_path):
    (tmp_path / "file").touch()
    done = command("train.py", *QUICK, "hydra.run.dir=file/run")
    assert done.returncode == 2
    assert done.stderr == (
        "error: cannot write file/run: Not a directory; free some space, or choose another folder with hydra.run.dir=\n"
    )


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def start(tmp_path: Path, *settings: str, folder: str = "run") -> subprocess.Popen:
    words = [sys.executable, str(ROOT / "train.py"), *QUICK, *settings, f"hydra.run.dir={folder}"]
    with (tmp_path / "terminal.log").open("a") as log:
        return subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log)


def wait_for(run: subprocess.Popen, folder: Path, pattern: str) -> None:
    """Wait until a training has written a file."""
    for _ in range(2400):
        if any(folder.glob(pattern)):
            return
        assert run.poll() is None, "the training ended"
        time.sleep(0.05)
    raise AssertionError(f"{folder / pattern} did not appear")


@pytest.mark.slow
def test_two_devices_learn_as_one_does(command, tmp_path):
    words = (*QUICK, "model.dropout=0", "training.epochs=3")
    for count in (1, 2):
        done = command("train.py", *words, f"runtime.devices={count}", f"hydra.run.dir={count}")
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "2/manifest.json").read_text())["device"] == "2 CPU"
    losses = [[float(row["loss"]) for row in table(tmp_path / name)] for name in ("1", "2")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
