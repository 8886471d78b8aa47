import json

import pytest

from fer.artifact import RunFolder
from fer.errors import ConfigError, RunError
from fer.resume import check, command_line, differences


def start(folder, **changes):
    passport = {
        "config": {"seed": 1, "training": {"epochs": 3, "progress": "bar"}},
        "splits": {"train": {"samples": 4, "fingerprint": "a"}},
        "code": "c",
        "versions": {"keras": "3"},
        "overrides": ["model=cnn48", "training.epochs=3", "+model.x=1"],
    } | changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint").mkdir(exist_ok=True)
    (folder / "start.json").write_text(json.dumps(passport))
    return passport


def test_another_command_line_stays_as_it_is():
    assert command_line(["model=cnn48", "-m"]) == ["model=cnn48", "-m"]


def test_a_runs_own_words_come_first_and_new_ones_win(tmp_path):
    start(tmp_path)
    words = command_line([f"run={tmp_path}", "resume=true", "training.epochs=5", "model.x=2"])
    assert words == ["model=cnn48", "resume=true", "training.epochs=5", "model.x=2", f"hydra.run.dir={tmp_path}"]


def test_latest_is_the_newest_unfinished_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start(tmp_path / "outputs/a")
    start(tmp_path / "outputs/b")
    (tmp_path / "outputs/b/manifest.json").write_text("{}")
    assert command_line(["run=latest", "resume=true"])[-1] == "hydra.run.dir=outputs/a"


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        (["run=x"], ConfigError, "run=x: train.py takes a run only to go on with it; add resume=true"),
        (["run=x", "resume=true"], RunError, "run=x: no such folder"),
        (
            ["run=latest", "resume=true"],
            RunError,
            "run=latest: no stopped run below outputs or multirun; give its folder",
        ),
        (["run=done", "resume=true"], RunError, "run=done: is finished; there is nothing to go on with"),
        (
            ["run=empty", "resume=true"],
            RunError,
            "empty: no readable start.json, so there is no stopped run to go on with",
        ),
    ],
)
def test_mistakes(words, kind, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "done").mkdir()
    (tmp_path / "done/manifest.json").write_text("{}")
    with pytest.raises(kind) as caught:
        command_line(words)
    assert str(caught.value) == text


def test_differences_are_named_and_free_settings_are_not(tmp_path):
    then = start(tmp_path)
    now = json.loads(json.dumps(then))
    now["config"]["training"] |= {"epochs": 4, "progress": "none"}
    now["code"] = "d"
    assert list(differences(then, now)) == ["training.epochs was 3, is 4", "code was c, is d"]
    with pytest.raises(RunError, match="; undo them, choose another folder"):
        check(RunFolder(tmp_path), now, force=False)
    check(RunFolder(tmp_path), now, force=True)
