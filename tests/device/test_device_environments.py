"""The runner in two environments that hold nothing but NumPy, OpenCV and a TFLite runtime; made by uv, so marked."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = {
    "tflite-runtime": ["tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless<4.12"],
    "ai-edge-litert": ["ai-edge-litert>=2.3,<2.4", "numpy>=2", "opencv-python-headless>=4.13,<5"],
}

pytestmark = pytest.mark.device


@pytest.fixture(scope="module")
def pythons(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("environments")  # not in the repository, whose settings leave OpenCV out
    for name, packages in ENVIRONMENTS.items():
        subprocess.run(["uv", "venv", "-q", "--python", "3.11", folder / name], check=True, cwd=folder)
        python = folder / name / "bin/python"
        subprocess.run(["uv", "pip", "install", "-q", "--python", python, *packages], check=True, cwd=folder)
    return {name: folder / name / "bin/python" for name in ENVIRONMENTS}


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    from fer.drawing import EXPRESSIONS, draw_face

    folder = tmp_path_factory.mktemp("faces")
    for number, name in enumerate(EXPRESSIONS * 3):
        pixels, _ = draw_face(name, 24, np.random.default_rng(100 + number), colour=True)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def run(python: Path, *words: object) -> str:
    done = subprocess.run([python, "-m", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_environments_hold_nothing_else(pythons):
    heavy = ("tensorflow", "keras", "hydra", "omegaconf", "mediapipe", "PIL")
    code = f"import importlib.util as u; print([n for n in {heavy} if u.find_spec(n)])"
    for python in pythons.values():
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"


def test_an_integer_file_gives_the_same_bits_in_both(pythons, exported, faces):
    tables = {run(python, "fer.device", exported / "export/int8.tflite", faces) for python in pythons.values()}
    assert len(tables) == 1
    [table] = tables
    assert len(table.splitlines()) == 1 + 21
    for python in pythons.values():
        said = run(python, "fer.device", exported / "export/int8.tflite", "--verify")
        assert said.endswith("4 golden inputs answered as at export (largest difference 0)\n")


def test_a_float_file_answers_alike_in_both(pythons, exported, faces):
    def answers(python):
        rows = run(python, "fer.device", exported / "export/fp32.tflite", faces).splitlines()[1:]
        return [row.split(",")[-2] for row in rows], np.array([float(row.split(",")[-1]) for row in rows])

    (labels, shares), (other_labels, other_shares) = map(answers, pythons.values())
    assert labels == other_labels
    assert np.abs(shares - other_shares).max() < 1e-3
