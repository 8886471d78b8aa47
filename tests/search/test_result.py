import csv
import json
from dataclasses import replace
from functools import partial

from PIL import Image

from fer.config import Variants, compose, module_of, unchecked
from fer.search.oracle import OracleSearch, keras_tuner
from fer.search.result import begin, finish
from fer.search.space import parse
from fer.search.trial import Goal, Outcome


def test_the_best_trial_of_a_search_on_data_elsewhere_is_an_experiment(tmp_path, capsys):
    for label in ("happy", "sad"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (8, 8), 40 * number).save(tmp_path / f"faces/{label}/{number}.png")
    words = ("model=cnn48", "dataset=image_folder", f"dataset.path={tmp_path / 'faces'}", "training.epochs=3")
    run = compose("tune", *words, "tuner=random")
    space = parse({"optimizer": {"choice": ["adam", "sgd"]}, "model.dropout": {"float": [0.0, 0.9]}}, {})
    folder, goal = tmp_path / "search", Goal(name="val_accuracy", mode="max")
    choices = {"model": "cnn48", "dataset": "image_folder", "optimizer": "adam"}
    run = replace(run, folder=str(folder), choices=choices)
    begin(folder, run)
    oracle = partial(keras_tuner().oracles.RandomSearchOracle, max_trials=4, seed=1)
    search = OracleSearch(oracle, space, goal, folder)
    while trial := search.ask():
        (trial.folder / "manifest.json").write_text(json.dumps({"parameters": 1000}))
        (trial.folder / "metrics.csv").write_text("epoch,val_accuracy,seconds\n0,0.5,60.0\n")
        search.tell(trial, Outcome(value=1 - trial.values["model.dropout"]))

    finish(search, folder, run, Variants("train", words))

    with (folder / "trials.csv").open() as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["model.dropout"]))
    assert f"best: trial {best['trial']} in {best['folder']}" in capsys.readouterr().out
    text = (folder / "experiment/best.yaml").read_text()
    assert text.startswith(f"# @package _global_\n# Trial {best['trial']} of the search search: val_accuracy ")
    chosen = compose("train", f"--config-dir={folder}", "experiment=best")
    assert module_of(chosen.optimizer) == best["optimizer"]
    assert (chosen.model.dropout, chosen.training.epochs) == (float(best["model.dropout"]), 3)
    assert chosen.dataset.path == str(tmp_path / "faces")


def test_a_config_is_composed_without_its_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = unchecked("train", "dataset=facemesh_csv", "seed=3")
    assert (config["seed"], config["dataset"]["path"]) == (3, "data/faces.csv")
