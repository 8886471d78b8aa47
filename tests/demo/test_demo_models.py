"""Which models the demo finds, and which comes first."""

import os

import pytest

from fer.config import compose
from fer.demo.models import find_models, first
from fer.errors import ConfigError, RunError
from fer.network import SHIPPED


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def put(*files):
        for number, file in enumerate(files):
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, ns=(number, number))

    return put


def test_shipped_files_come_first_then_runs_from_the_newest_each_with_its_files(place):
    place(
        "outputs/a/manifest.json",
        "outputs/b/manifest.json",
        "outputs/a/export/int8.tflite",
        "outputs/a/export/fp32.tflite",
        "outputs/loose.tflite",
        "models/face.tflite",
        "outputs/unfinished/start.json",
    )
    models = find_models(["models", "outputs", "multirun"])
    assert list(models) == ["face.tflite", "loose.tflite", "b", "a", "a/export/fp32.tflite", "a/export/int8.tflite"]
    assert str(models["a/export/int8.tflite"]) == "outputs/a/export/int8.tflite"
    assert first(models) == "face.tflite"


def test_a_file_is_opened_before_a_run_and_a_run_where_there_is_no_file(place):
    place("outputs/a/manifest.json")
    assert first(find_models(["outputs"])) == "a"
    place("outputs/a/export/fp32.tflite")
    assert first(find_models(["outputs"])) == "a/export/fp32.tflite"


def test_the_page_opens_with_the_network_that_predict_uses():
    models = find_models([str(SHIPPED.parent)])
    assert (list(models), first(models)) == (["landmark_cnn.tflite", "mien.tflite", "mien_tiny.tflite"], "mien.tflite")


def test_a_run_or_a_file_may_be_named_itself_and_equal_names_are_told_apart(place):
    place("one/a/manifest.json", "two/a/manifest.json", "face.tflite")
    assert list(find_models(["one/a", "face.tflite"])) == ["a", "face.tflite"]
    assert list(find_models(["one", "two"])) == ["one/a", "two/a"]


def test_a_place_that_is_named_twice_is_listed_once(place):
    place("outputs/a/manifest.json")
    assert list(find_models(["outputs", "outputs/a"])) == ["outputs/a"]


def test_one_line_says_how_to_make_a_model_where_there_is_none(place, command):
    text = (
        "models: no finished run and no .tflite file in models, outputs; make one within two minutes with "
        "python train.py experiment=quickstart"
    )
    with pytest.raises(RunError) as error:
        find_models(["models", "outputs"])
    assert str(error.value) == text
    done = command("fer", "demo", "models=models,outputs")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {text}\n")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("port=0", "port: expected a value from 1 to 65535, got 0"),
        ("megapixels=200", "megapixels: expected a value from 0.1 to 89, got 200.0"),
        ("detector=hair", "detector: expected one of facemesh, haar, yunet, none, got 'hair'; did you mean 'haar'?"),
    ],
)
def test_settings_out_of_range_are_refused(word, text):
    with pytest.raises(ConfigError) as error:
        compose("demo", word)
    assert str(error.value) == text
