import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fer import artifact
from fer.artifact import RunFolder
from fer.base import DataSpec, Samples
from fer.errors import RunError


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Make finished runs below outputs/, with a few bytes as weights."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, when: int = 0) -> RunFolder:
        folder = RunFolder(Path("outputs/2026-01-01") / name)
        folder.begin()
        folder.model.write_bytes(name.encode())
        folder.finish({"name": name})
        os.utime(folder.manifest, ns=(when, when))
        return folder

    return make


def test_latest_is_the_newest_finished_run(finished):
    finished("newer", when=2_000)
    finished("older", when=1_000)
    (Path("outputs/2026-01-02/unfinished")).mkdir(parents=True)
    assert artifact.find("latest").path.name == "newer"
    assert artifact.find("outputs/2026-01-01/older").path.name == "older"


def test_no_run_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError) as caught:
        artifact.find("latest")
    assert str(caught.value) == ("run=latest: no finished run below outputs or multirun; train one, or give its folder")


def test_a_misspelt_run_is_suggested(finished):
    finished("quickstart")
    with pytest.raises(RunError) as caught:
        artifact.find("outputs/2026-01-01/quickstrat")
    assert str(caught.value) == (
        "run=outputs/2026-01-01/quickstrat: no such folder; did you mean 'outputs/2026-01-01/quickstart'?"
    )


def test_a_passport_survives_the_round_trip(finished):
    folder = finished("a")
    passport = folder.passport()
    assert passport["name"] == "a"
    assert passport["version"] == 1
    assert passport["weights_sha256"] == artifact.sha256(folder.model)


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(RunError) as caught:
        RunFolder(tmp_path).passport()
    assert str(caught.value) == (
        f"{tmp_path}: no manifest.json, so this is not a finished run; choose one, or run=latest"
    )


def test_other_weights_are_refused(finished):
    folder = finished("a")
    folder.model.write_bytes(b"other")
    with pytest.raises(RunError) as caught:
        folder.passport()
    assert str(caught.value) == (
        f"{folder.model}: missing, or not the weights that manifest.json speaks of; train again"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}'])
def test_a_damaged_manifest_is_refused(finished, text):
    folder = finished("a")
    folder.manifest.write_text(text)
    with pytest.raises(RunError, match=r"manifest\.json: not a manifest"):
        folder.passport()


def test_a_manifest_of_a_newer_version_is_refused(finished):
    folder = finished("a")
    folder.manifest.write_text(json.dumps({"version": 99, "weights_sha256": ""}))
    with pytest.raises(RunError, match="expected version 1 or less, got 99; update fer"):
        folder.passport()


def test_a_finished_folder_is_not_written_again(finished):
    folder = finished("a")
    with pytest.raises(RunError) as caught:
        folder.begin()
    assert str(caught.value) == (f"{folder.path}: holds a finished run; choose another folder with hydra.run.dir=")


def test_a_start_is_read_back(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin()
    folder.write_start("seed: 1\n", {"code": "c"})
    assert folder.start() == {"code": "c"}
    assert (folder.path / "config.yaml").read_text() == "seed: 1\n"
    assert not folder.stopped
    folder.checkpoint.mkdir()
    assert folder.stopped


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "a.txt"
    artifact.write_text(file, "old")
    with pytest.raises(KeyError), artifact.replacing(file) as partial:
        partial.write_text("half")
        raise KeyError
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_history_round_trip(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.history() == []
    folder.write_history([{"epoch": 0, "stage": "head", "loss": 1.5}, {"epoch": 1, "stage": "head", "loss": 0.25}])
    assert folder.history() == [
        {"epoch": 0.0, "stage": "head", "loss": 1.5},
        {"epoch": 1.0, "stage": "head", "loss": 0.25},
    ]


def test_the_fingerprint_sees_pixels_targets_and_order():
    source = np.arange(4 * 4, dtype=np.uint8).reshape(4, 2, 2, 1)

    def hashed(rows, targets, source=source):
        samples = Samples(source=source, rows=np.array(rows), targets=np.array(targets), names=list("abcd"))
        return artifact.fingerprint(samples)

    assert hashed([0, 1], [0, 1]) == hashed([0, 1], [0, 1])
    other = source.copy()
    other[0, 0, 0, 0] += 1
    assert (
        len({hashed([0, 1], [0, 1]), hashed([1, 0], [0, 1]), hashed([0, 1], [1, 1]), hashed([0, 1], [0, 1], other)})
        == 4
    )


def test_the_contract_says_what_goes_in_and_out():
    spec = DataSpec(name="x", kind="image", shape=(48, 48, 1), classes=("happy", "sad"))
    assert artifact.contract(spec) == {
        "input": {"kind": "image", "shape": [48, 48, 1], "colour": "grey", "range": [0, 255], "crop_margin": 0.0},
        "output": {"target": "classes", "classes": ["happy", "sad"], "points": 0},
    }


def test_git_tells_commit_and_changes(tmp_path):
    assert artifact.git(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert artifact.git(tmp_path)["dirty"] is False
    (tmp_path / "new").touch()
    state = artifact.git(tmp_path)
    assert state["dirty"] is True
    assert len(state["commit"]) == 40
