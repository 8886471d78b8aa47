"""A training that is killed at random moments, again and again, ends with the weights of one that was left alone."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
KILLS = 20
WORDS = (
    *("experiment=smoke", "augmentation=light", "training.progress=none", "training.epochs=150", "training.patience=0"),
    *("model.filters=[4]", "model.kernels=[3]", "model.units=[8]", "model.dropout=0.2", "mixing.mixup=0.2"),
    *("dataset.train=512", "optimizer.ema=0.9", "training.checkpoint_minutes=0.0005"),
)


def start(folder: Path, name: str) -> subprocess.Popen:
    words = [sys.executable, str(ROOT / "train.py"), *WORDS, f"hydra.run.dir={name}"]
    with (folder / "terminal.log").open("a") as log:
        return subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)


def states(folder: Path) -> set[str]:
    return {file.name for file in (folder / "run/checkpoint").glob("last-*")}


def weights(folder: Path) -> list[np.ndarray]:
    return keras.models.load_model(folder / "model.keras", compile=False).get_weights()


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path):
    moments = random.Random(0)
    inside_an_epoch = 0
    for _ in range(KILLS):
        before = states(tmp_path)
        run = start(tmp_path, "run")
        while states(tmp_path) <= before:
            assert run.poll() is None, (tmp_path / "terminal.log").read_text()
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, "it ended before it was killed"
        newest = max(states(tmp_path), key=lambda name: name.split("-")[1:3])
        inside_an_epoch += newest.split("-")[2] != "0000000"
    assert start(tmp_path, "run").wait() == 0, (tmp_path / "terminal.log").read_text()
    assert start(tmp_path, "whole").wait() == 0
    assert inside_an_epoch > KILLS // 4
    pairs = zip(weights(tmp_path / "run"), weights(tmp_path / "whole"), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    rows = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("run", "whole")]
    assert [row.rpartition(",")[0] for row in rows[0]] == [row.rpartition(",")[0] for row in rows[1]]


@pytest.mark.slow
def test_sigterm_saves_and_says_resume_me(tmp_path):
    run = start(tmp_path, "run")
    while not (tmp_path / "run/metrics.csv").exists():
        assert run.poll() is None, (tmp_path / "terminal.log").read_text()
        time.sleep(0.05)
    run.terminate()
    assert run.wait(timeout=60) == 75
    text = (tmp_path / "terminal.log").read_text()
    assert "asked to end (SIGTERM); stopped after epoch " in text
    assert f"; `python train.py run={tmp_path / 'run'} resume=true` goes on with it" in text
    words = [sys.executable, str(ROOT / "train.py"), "run=run", "resume=true", "training.pause_after=1"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 75, done.stderr
    assert "training.pause_after=1; stopped after epoch " in done.stderr
