import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer.config import compose
from fer.landmarks import FaceFinder, FaceMesh
from fer.runs.train import TrainRun

ROOT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # the suite is a shell's background job: what it starts would not hear Ctrl-C either
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded data goes into one folder of the test session, not into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run a script of the repository as a user would, in an empty folder."""

    def run(*words: str, timeout: float = 300) -> subprocess.CompletedProcess:
        script = ["-m", "fer"] if words[0] == "fer" else [str(ROOT / words[0])]
        here = {**os.environ, "PYTHONPATH": str(ROOT)}  # this checkout, whichever one is installed
        return subprocess.run(
            [sys.executable, *script, *words[1:]],
            cwd=tmp_path,
            env=here,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def smoke(tmp_path: Path) -> Callable[..., TrainRun]:
    """Compose a training of seconds into a folder of its own."""

    def build(*overrides: str, folder: str = "run") -> TrainRun:
        run = compose("train", "experiment=smoke", "augmentation=none", "training.progress=none", *overrides)
        return replace(run, folder=str(tmp_path / folder))

    return build


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run on colour faces with its files for devices, in `<run>/export`."""
    from fer.commands.export import export
    from fer.training import train

    folder = tmp_path_factory.mktemp("exported") / "run"
    sizes = (
        "model.filters=[8,16]",
        "model.kernels=[3,3]",
        "model.units=[16]",
        "model.input_size=24",
        "model.dropout=0",
    )
    data = ("dataset.size=24", "dataset.colour=true", "dataset.train=700", "dataset.test=140")
    quiet = ("augmentation=none", "training.progress=none", "training.epochs=12", "optimizer.learning_rate=3e-3")
    run = replace(compose("train", "experiment=smoke", *sizes, *data, *quiet), folder=str(folder))
    run.runtime.apply(run.seed)
    train(run)
    for name in ("fp32", "int8"):
        export(compose("export", f"run={folder}", f"export={name}", "gate.accuracy_drop=100"))
    return folder


@pytest.fixture(scope="session")
def face_mesh() -> Callable[..., FaceMesh]:
    """The face mesh with the settings of conf/mesh/facemesh.yaml, some of them changed."""
    settings = compose("extract").mesh
    return lambda **changes: replace(settings, **changes)


@pytest.fixture(scope="session")
def finder(face_mesh: Callable[..., FaceMesh]) -> Iterator[FaceFinder]:
    """An open face mesh for images, of at most two faces."""
    with face_mesh(faces=2).open("image") as opened:
        yield opened


@pytest.fixture(scope="session")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """A drawn face, uint8 (256, 256, 3), with its 68 points."""
    from fer.drawing import draw_face

    return draw_face("happy", 256, np.random.default_rng(1), True)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, drawn: tuple[np.ndarray, np.ndarray]) -> Callable[..., Path]:
    """Write a clip of the drawn face, moving a little, of 20 frames a second."""

    def write(name: str = "clip.mp4", frames: int = 30, image: Any = None) -> Path:
        import cv2

        path = tmp_path_factory.mktemp("clip") / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (320, 256))
        canvas = np.full((256, 320, 3), 128, np.uint8)
        for number in range(frames):
            shift = 20 + number % 20
            canvas[:, shift : shift + 256] = drawn[0] if image is None else image
            writer.write(canvas[..., ::-1])
        writer.release()
        return path

    return write
