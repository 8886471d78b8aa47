"""An extraction writes the same file however many processes and stops there were, and says how many faces it found."""

import csv
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fer.commands.extract import extract as extract_command
from fer.config import compose
from fer.coverage import coverage, describe
from fer.dataset.fer2013 import CLASSES, Fer2013
from fer.errors import ConfigError, RunError

WORDS = ("dataset=synthetic", "dataset.size=96", "dataset.train=140", "dataset.validation=14", "dataset.test=7")
TALLY = {"Training": {"happy": [9, 10], "sad": [1, 2]}, "PublicTest": {"happy": [3, 3]}}


def read(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as lines:
        return list(csv.DictReader(lines))


def test_coverage_is_counted_by_part_and_class():
    facts = coverage(TALLY)
    assert facts["Training"]["classes"]["sad"] == {"images": 2, "faces": 1, "coverage": 0.5}
    assert {key: facts["all"][key] for key in ("images", "faces", "coverage")} == {
        "images": 15,
        "faces": 13,
        "coverage": 0.8667,
    }
    assert describe(TALLY) == (
        "images with a face          Training      PublicTest             all\n"
        "happy                    90.0% of 10     100.0% of 3     92.3% of 13\n"
        "sad                       50.0% of 2               -      50.0% of 2\n"
        "all classes              83.3% of 12     100.0% of 3     86.7% of 15"
    )


def test_rows_join_with_the_rows_of_the_dataset(tmp_path, drawn):
    """A CSV in FER2013's format: a face of each class, a blank image, and a mirrored face to choose on."""
    import cv2

    face = cv2.cvtColor(cv2.resize(drawn[0], (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    parts = [(label, face, "Training") for label in range(7)]  # the data set asks for every class
    images = [*parts, (4, np.zeros((48, 48), int), "Training"), (3, face[:, ::-1], "PublicTest")]
    rows = [f"{label},{' '.join(map(str, pixels.ravel()))},{part}\n" for label, pixels, part in images]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(rows))
    output = tmp_path / "faces.csv"
    words = ("dataset=fer2013", f"dataset.path={tmp_path}", "dataset.splits.test=none", f"output={output}", "workers=1")
    run = compose("extract", *words)
    assert isinstance(run.dataset, Fer2013)
    extract_command(run)
    seen = [[row[key] for key in ("label", "part", "source", "frame", "width", "height")] for row in read(output)]
    assert seen == [
        *([name, "Training", f"fer2013.csv row {row}", "0", "48", "48"] for row, name in enumerate(CLASSES, start=1)),
        ["happy", "PublicTest", "fer2013.csv row 9", "0", "48", "48"],
    ]
    assert 0 < float(read(output)[0]["x1"]) < 48
    facts = json.loads((tmp_path / "faces.csv.coverage.json").read_text())
    assert facts["Training"]["classes"]["sad"]["coverage"] == 0.5 and facts["all"]["faces"] == 8


@pytest.mark.slow
def test_a_stopped_and_a_killed_run_end_with_the_same_file(tmp_path):
    whole, stopped = tmp_path / "whole.csv", tmp_path / "stopped.csv"
    run = compose("extract", *WORDS, f"output={whole}", "workers=2")
    extract_command(run)
    command = [sys.executable, "-m", "fer", "extract", *WORDS, f"output={stopped}", "workers=1"]
    for kill, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -9)):
        process = subprocess.Popen(command)
        note, before = tmp_path / ".stopped.csv.progress.json", batches(tmp_path)
        deadline = time.monotonic() + 120
        while batches(tmp_path) <= before:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(kill)
        assert process.wait(60) == code
        assert note.exists() and not stopped.exists()
    with (tmp_path / ".stopped.csv.partial").open("ab") as file:
        file.write(b"half a row")  # of a batch that was being written
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "going on after " in done.stderr
    assert stopped.read_bytes() == whole.read_bytes()
    texts = [(tmp_path / f"{path.name}.coverage.json").read_text() for path in (whole, stopped)]
    assert texts[0] == texts[1]
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def batches(folder: Path) -> int:
    note = folder / ".stopped.csv.progress.json"
    return json.loads(note.read_text())["batches"] if note.exists() else 0


@pytest.mark.slow
def test_no_process_outlives_a_killed_command(tmp_path):
    command = [sys.executable, "-m", "fer", "extract", *WORDS, f"output={tmp_path / 'stopped.csv'}", "workers=2"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while batches(tmp_path) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.wait()
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_an_output_that_is_there_is_left_alone(tmp_path):
    output = tmp_path / "faces.csv"
    output.write_text("mine")
    text = f"output: {output} is there already; remove it, or choose another with output="
    with pytest.raises(RunError, match=f"^{re.escape(text)}$"):
        extract_command(compose("extract", *WORDS, f"output={output}"))
    assert output.read_text() == "mine"


def test_an_output_that_was_begun_with_other_settings_is_refused(tmp_path):
    (tmp_path / ".faces.csv.partial").touch()
    (tmp_path / ".faces.csv.progress.json").write_text('{"key": "of something else"}')
    with pytest.raises(RunError, match=r"^output: .*/\.faces\.csv\.partial was begun with other settings or data; "):
        extract_command(compose("extract", *WORDS, f"output={tmp_path / 'faces.csv'}"))


def test_points_are_no_classes():
    with pytest.raises(ConfigError, match=r"^dataset: expected images with classes, got synthetic$"):
        extract_command(compose("extract", "dataset.target=points"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["output=faces.txt"], "output: expected a name that ends in .csv or .csv.gz, got faces.txt"),
        (["crops=true", "output=faces.csv"], "output: expected a folder for the crops, got faces.csv"),
        (["workers=0"], "workers: expected 1 or more, got 0"),
        (["crop.size=8"], "crop.size: expected a value from 16 to 1024, got 8"),
    ],
)
def test_settings_that_do_not_fit_are_refused(words, text):
    with pytest.raises(ConfigError) as error:
        compose("extract", *words)
    assert str(error.value) == text
