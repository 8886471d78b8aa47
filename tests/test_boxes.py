import importlib.util
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fer.commands.boxes import boxes, changes
from fer.config import compose
from fer.errors import ConfigError
from fer.training import train

SMALL = ("model.entry=[4,8]", "model.residual=[8]", "model.middle_blocks=1", "model.exit=[8,8,8]")
QUICK = ("augmentation=none", "training.epochs=1", "training.batch_size=16", "training.progress=none")


def tree(folder: Path) -> Path:
    """The drawn 300-W of the dataset's own tests."""
    file = Path(__file__).parent / "dataset/test_ibug300w.py"
    spec = importlib.util.spec_from_file_location("ibug_tree", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.tree(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    words = ("dataset=ibug300w", f"dataset.path={tree(folder / 'data')}", "dataset.size=32", "loss=wing")
    settings = compose("train", "model=residual_regressor_small", *SMALL, *QUICK, *words)
    train(replace(settings, folder=str(folder / "run")))
    return folder / "run"


def test_a_report_of_points_has_groups_and_regions(run):
    metrics = json.loads((run / "report/metrics.json").read_text())["metrics"]
    assert {name: scores["samples"] for name, scores in metrics["groups"].items()} == {"helen/testset": 3, "ibug": 1}
    page = (run / "report/report.html").read_text()
    for text in ("<h2>Groups</h2>", "helen/testset", "<h2>Regions</h2>", "mouth", "ced.png", "by inter-pupil distance"):
        assert text in page


def test_points_are_judged_on_moved_and_scaled_boxes(run, caplog):
    with caplog.at_level(logging.INFO, "fer"):
        boxes(compose("boxes", f"run={run}", "shares=[0.2]"))
    record = json.loads((run / "boxes.json").read_text())
    rows = {(row["box_shift"], row["box_scale"]): row for row in record["rows"]}
    assert list(rows) == [(0, 0), (0.2, 0), (0, 0.2), (0.2, 0.2)]
    judged = json.loads((run / "report/metrics.json").read_text())["metrics"]
    assert rows[0, 0]["nme"] == pytest.approx(judged["nme"], rel=1e-4)
    assert rows[0.2, 0]["nme"] > rows[0, 0]["nme"], "an untrained network does not follow the box"
    assert caplog.messages[0].startswith("boxes shifted by up to   0%, scaled by up to   0%: NME ")


def test_each_share_is_a_shift_a_scale_and_both():
    assert list(changes([0.05, 0.1])) == [(0, 0), (0.05, 0), (0, 0.05), (0.05, 0.05), (0.1, 0), (0, 0.1), (0.1, 0.1)]


def test_mistakes(run, tmp_path):
    with pytest.raises(ConfigError, match=r"^shares: expected values from 0 to 0\.5, got \[0\.7\]$"):
        compose("boxes", "shares=[0.7]")
    shutil.copytree(run, tmp_path / "run")
    manifest = tmp_path / "run/manifest.json"
    passport = json.loads(manifest.read_text())
    passport["recipes"]["dataset"], passport["config"]["dataset"] = "synthetic", {"size": 48}
    manifest.write_text(json.dumps(passport))
    with pytest.raises(ConfigError) as caught:
        boxes(compose("boxes", f"run={tmp_path}/run"))
    assert str(caught.value) == (
        f"run: expected a run on a dataset with face boxes, such as ibug300w; {tmp_path}/run is on synthetic"
    )
