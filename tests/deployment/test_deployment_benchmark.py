import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fer.config import compose
from fer.deployment.benchmark import benchmark
from fer.drawing import draw_face
from fer.errors import ConfigError, ModelError


def measured(*words):
    return benchmark(compose("benchmark", *words, "repeats=5", "threads=[1]"))


def test_every_file_of_a_run_is_measured(exported, tmp_path):
    folder = measured(f"run={exported}", f"output={tmp_path / 'out'}")
    rows = json.loads((folder / "benchmark.json").read_text())["rows"]
    kinds = [(row["file"], row["fast"], row["threads"]) for row in rows]
    assert kinds == [("fp32.tflite", True, 1), ("int8.tflite", False, 1), ("int8.tflite", True, 1)]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["p50_ms"] < row["cold_start_ms"]
        assert row["per_second"] > 0
        assert row["bytes"] == (exported / "export" / row["file"]).stat().st_size
        assert row["peak_mb"] > 20
    header, *lines = (folder / "benchmark.txt").read_text().splitlines()
    assert header.split()[:4] == ["file", "runtime", "kernels", "threads"] and len(lines) == 3
    assert [line.split()[2] for line in lines] == ["XNNPACK", "own", "XNNPACK"]
    with Image.open(folder / "benchmark.png") as plot:
        assert min(plot.size) > 300


def test_the_way_from_a_frame_to_a_label_is_measured(exported, tmp_path):
    canvas = np.full((480, 640, 3), 128, np.uint8)
    canvas[40:440, 120:520] = draw_face("happy", 400, np.random.default_rng(0), True)[0]
    Image.fromarray(canvas).save(tmp_path / "frame.png")
    words = (f"file={exported / 'export/fp32.tflite'}", f"frame={tmp_path / 'frame.png'}")
    folder = measured(*words, f"output={tmp_path / 'out'}")
    (row,) = json.loads((folder / "benchmark.json").read_text())["rows"]
    way = row["whole_way"]
    assert way["frame"] == [640, 480]
    assert min(way[part] for part in ("detect_ms", "crop_ms", "answer_ms")) > 0
    assert max(way[part] for part in ("detect_ms", "crop_ms", "answer_ms")) < way["p50_ms"] <= way["p95_ms"]


def test_what_cannot_be_measured_is_said(exported, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(exported, run, ignore=shutil.ignore_patterns("export"))
    with pytest.raises(ConfigError) as caught:
        measured(f"run={run}")
    expected = f"run={run}: {run}/export holds no .tflite; `python export.py run={run} export=all` first"
    assert str(caught.value) == expected
    broken = tmp_path / "broken.tflite"
    broken.write_bytes((exported / "export/fp32.tflite").read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"broken\.tflite"):
        measured(f"file={broken}")
    empty = Image.new("RGB", (64, 64))
    empty.save(tmp_path / "empty.png")
    with pytest.raises(ModelError, match="no face"):
        measured(f"file={exported / 'export/fp32.tflite'}", f"frame={tmp_path / 'empty.png'}", f"output={tmp_path}")
