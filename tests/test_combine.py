import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from fer import training
from fer.artifact import RunFolder
from fer.commands.combine import combine
from fer.config import compose
from fer.errors import ConfigError

TINY = (
    *("model.input_size=24", "model.filters=[4]", "model.kernels=[3]", "model.units=[8]", "dataset.size=24"),
    "training.epochs=1",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    def train(seed):
        settings = ("experiment=smoke", "augmentation=none", "training.progress=none", f"seed={seed}")
        run = replace(compose("train", *settings, *TINY), folder=str(tmp_path_factory.mktemp("runs") / "run"))
        run.runtime.apply(run.seed)
        return training.train(run).folder

    return [train(1), train(2)]


def combined(folder, runs, *words):
    run = compose("combine", f"runs=[{','.join(map(str, runs))}]", *words)
    combine(replace(run, folder=str(folder)))
    return RunFolder(folder)


def load(folder):
    return keras.models.load_model(folder / "model.keras", compile=False)


def test_an_ensemble_says_the_mean_and_is_a_run_like_any_other(runs, tmp_path):
    folder = combined(tmp_path / "both", runs)
    images = compose("train", "experiment=smoke", "dataset.size=24").dataset.load("test").inputs(slice(0, 8))
    said = [load(each).predict(images, verbose=0) for each in (*runs, folder.path)]
    np.testing.assert_allclose(said[2], (said[0] + said[1]) / 2, atol=1e-6)
    passport = folder.passport()
    assert passport["combined"]["by"] == "outputs"
    assert [each["seed"] for each in passport["combined"]["runs"]] == [1, 2]
    assert passport["metrics"]["samples"] == 32
    assert json.loads((folder.report / "metrics.json").read_text())["metrics"] == passport["metrics"]


def test_averaged_weights_are_the_mean(runs, tmp_path):
    folder = combined(tmp_path / "mean", runs, "by=weights")
    first, second, mean = (load(each).get_weights() for each in (*runs, folder.path))
    for a, b, c in zip(first, second, mean, strict=True):
        np.testing.assert_allclose(c, (a + b) / 2, atol=1e-6)


def test_runs_of_other_data_are_refused(runs, smoke, tmp_path):
    other = smoke(*TINY, "dataset.train=48", folder="other")
    other.runtime.apply(0)
    third = training.train(other).folder
    with pytest.raises(ConfigError) as caught:
        combined(tmp_path / "x", [runs[0], third])
    assert str(caught.value) == "runs: expected runs of the same data, but they differ in splits; choose others"
    with pytest.raises(ConfigError, match=r"^runs: expected two or more, got \["):
        combined(tmp_path / "x", runs[:1])
