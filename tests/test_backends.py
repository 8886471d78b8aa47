"""JAX without TensorFlow, in an environment of its own: `.ci/run` builds it and gives its Python in FER_JAX_PYTHON."""

import csv
import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from fer.config import compose

ROOT = Path(__file__).resolve().parents[1]
PYTHON = os.environ.get("FER_JAX_PYTHON", "")
PLAIN = ("experiment=smoke", "runtime=jax", "training.progress=lines")
SMALL = ("model.filters=[4]", "model.kernels=[3]", "model.units=[8]", "model.dropout=0.2")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="FER_JAX_PYTHON names no Python with JAX and without TensorFlow"),
]


def jax(folder: Path, *words: str, code: int = 0) -> None:
    """Run a command in the other environment."""
    done = subprocess.run([PYTHON, *words], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stderr


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((folder / "metrics.csv").read_text().splitlines())]


def test_tensorflow_is_not_there(tmp_path):
    jax(tmp_path, "-c", "import tensorflow", code=1)


def test_the_quickstart_trains_and_predicts_the_same_under_tensorflow(tmp_path):
    assert keras.config.backend() == "tensorflow"
    jax(tmp_path, str(ROOT / "train.py"), "experiment=quickstart", "runtime=jax", "hydra.run.dir=run")
    images = compose("train", "experiment=quickstart").dataset.load("test").inputs(slice(0, 200))
    np.save(tmp_path / "images.npy", images)
    jax(
        tmp_path,
        "-c",
        "import os; os.environ['KERAS_BACKEND'] = 'jax'; import keras, numpy as np;"
        "network = keras.models.load_model('run/model.keras', compile=False);"
        "np.save('theirs.npy', network.predict(np.load('images.npy'), verbose=0))",
    )
    ours = keras.models.load_model(tmp_path / "run/model.keras", compile=False).predict(images, verbose=0)
    theirs = np.load(tmp_path / "theirs.npy")
    assert theirs.max() > 0.9
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [("augmentation=light",), ("augmentation=affine", "pipeline.on_device=true", "optimizer.ema=0.9")]
)
def test_a_paused_run_ends_with_the_same_losses(tmp_path, settings):
    words = (str(ROOT / "train.py"), *PLAIN, *SMALL, *settings, "training.epochs=4")
    jax(tmp_path, *words, "hydra.run.dir=whole")
    jax(tmp_path, *words, "hydra.run.dir=paused", "training.pause_after=2", code=75)
    jax(tmp_path, str(ROOT / "train.py"), "run=paused", "resume=true", "training.pause_after=0")
    assert losses(tmp_path / "paused") == losses(tmp_path / "whole")


def test_two_devices_learn_as_one_does(tmp_path):
    words = (str(ROOT / "train.py"), *PLAIN, *SMALL, "model.dropout=0", "training.epochs=3", "augmentation=none")
    for count in (1, 2):
        jax(tmp_path, *words, f"runtime.devices={count}", f"hydra.run.dir={count}")
    np.testing.assert_allclose(losses(tmp_path / "1"), losses(tmp_path / "2"), rtol=1e-4)


def test_a_network_is_trained_for_integers(tmp_path):
    words = (str(ROOT / "train.py"), *PLAIN)
    jax(tmp_path, *words, *SMALL, "training.epochs=2", "hydra.run.dir=float")
    jax(tmp_path, *words, "model=compressed", "model.run=float", "training.epochs=2", "hydra.run.dir=integers")
    assert len(losses(tmp_path / "integers")) == 2
