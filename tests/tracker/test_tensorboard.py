import json
import subprocess
import sys
from pathlib import Path

import pytest

from fer.base import Passport
from fer.tracker.tensorboard import TensorBoard

READ = """
import json, sys
sys.modules["tensorflow"] = None  # tensorboard would import it to read a file, which takes long
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
tags = events.Tags()
print(json.dumps({
    "scalars": {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]},
    "images": {tag: [(image.step, image.width, image.height, image.encoded_image_string.hex())
                     for image in events.Images(tag)] for tag in tags["images"]},
    "texts": {tag: [text.tensor_proto.string_val[0].decode() for text in events.Tensors(tag)]
              for tag in tags["tensors"]},
    "plugins": {tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags["tensors"]},
}))
"""

WRITE_WITHOUT_TENSORFLOW = """
import sys
from pathlib import Path
from fer.base import Passport
from fer.tracker.tensorboard import TensorBoard
with TensorBoard().track(Passport(folder=Path(sys.argv[1]), name="run")) as tracking:
    tracking.epoch(0, {"loss": 1.0})
    tracking.results({"accuracy": 0.5}, [Path(sys.argv[1]) / "curves.png"], Path("model.keras"))
heavy = {"tensorflow", "keras", "jax", "torch"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


def python(program: str, *arguments: object) -> str:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def figure(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "curves.png"
    Image.new("RGB", (6, 4)).save(path)
    return path


def test_a_run_reads_back(tmp_path: Path, figure: Path) -> None:
    passport = Passport(folder=tmp_path, name="run", config={"model": {"dropout": 0.5}}, environment={"keras": "3.15"})
    with TensorBoard().track(passport) as tracking:
        tracking.epoch(0, {"loss": 2.0, "val_loss": float("nan")})
        tracking.epoch(1, {"loss": 1.5})
        tracking.results({"accuracy": 0.75}, [figure], tmp_path / "model.keras")

    (file,) = (tmp_path / "tensorboard").iterdir()
    seen = json.loads(python(READ, file))
    assert seen["scalars"]["loss"] == [[0, 2.0], [1, 1.5]]
    assert seen["scalars"]["val_loss"][0][1] != seen["scalars"]["val_loss"][0][1]  # not a number
    assert seen["scalars"]["results/accuracy"] == [[1, 0.75]]
    assert seen["images"] == {"figures/curves": [[1, 6, 4, figure.read_bytes().hex()]]}
    assert seen["texts"]["config"] == ['```json\n{\n  "model": {\n    "dropout": 0.5\n  }\n}\n```']
    assert '"keras": "3.15"' in seen["texts"]["environment"][0]
    assert seen["plugins"] == {"config": "text", "environment": "text"}


def test_finished_epochs_are_on_disk_while_the_run_goes_on(tmp_path: Path) -> None:
    with TensorBoard().track(Passport(folder=tmp_path, name="run")) as tracking:
        tracking.epoch(0, {"loss": 2.0})
        (file,) = (tmp_path / "tensorboard").iterdir()
        assert json.loads(python(READ, file))["scalars"] == {"loss": [[0, 2.0]]}


def test_an_exception_passes_and_leaves_a_readable_file(tmp_path: Path) -> None:
    def fail() -> None:
        with TensorBoard().track(Passport(folder=tmp_path, name="run")) as tracking:
            tracking.epoch(0, {"loss": 2.0})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert json.loads(python(READ, file))["scalars"] == {"loss": [[0, 2.0]]}


def test_tensorflow_is_not_imported(tmp_path: Path, figure: Path) -> None:
    python(WRITE_WITHOUT_TENSORFLOW, tmp_path)
