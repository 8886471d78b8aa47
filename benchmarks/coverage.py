"""In how many small faces the mesh is found, by enlargement and border.

`python benchmarks/coverage.py --path data/fer2013` takes 500 random faces of FER2013's Training part.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from common import show, write_fer2013

from fer.config import compose

SETTINGS = ((0, 0), (96, 0), (192, 0), (0, 8), (96, 16), (192, 16), (192, 32), (192, 64), (256, 48))
"""Pixels to which the shorter side is enlarged, and pixels of border."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", default="data/fer2013", help="as dataset.path")
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--smoke", action="store_true", help="10 images of noise: only to see that it runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = write_fer2013(Path(name) / "fer2013.csv", 70) if args.smoke else Path(args.path).resolve()
        cache = [f"dataset.cache={name}"] if args.smoke else []
        words = ("dataset=fer2013", f"dataset.path={path}", "dataset.splits.test=none", *cache)
        samples = compose("extract", *words).dataset.load("train")
        count = 10 if args.smoke else args.faces
        images = samples.inputs(np.sort(np.random.default_rng(0).choice(len(samples), count, replace=False)))
        rows = [measure(images, enlarge, border) for enlarge, border in SETTINGS]
    show(["of goal", "setting", "found", "images", "ms an image"], rows)
    print("goal: a face in 94% of the images")


def measure(images: np.ndarray, enlarge: int, border: int) -> list:
    mesh = compose("extract", f"mesh.enlarge={enlarge}", f"mesh.border={border}").mesh
    with mesh.open("image") as finder:
        start = time.perf_counter()
        found = sum(bool(finder.find(image)) for image in images)
        seconds = time.perf_counter() - start
    label = f"mesh.enlarge={enlarge} mesh.border={border}"
    return [found / len(images) / 0.94, label, found, len(images), 1000 * seconds / len(images)]


if __name__ == "__main__":
    main()
