"""How many faces the device's search of streams finds, and in what time, against that of images.

`python benchmarks/cascade.py --path data/ibug300w` takes 300 random photos of a folder, made to fit 320x240 pixels.
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from common import show

from fer.device.faces import SEARCHED, Detector, detector
from fer.drawing import draw_face


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, default=Path("data/ibug300w"))
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--smoke", action="store_true", help="5 drawn faces: only to see that it runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.smoke:
            args.path = draw(Path(name), 5)
        files = sorted(file for kind in ("jpg", "png") for file in args.path.rglob(f"*.{kind}"))
        chosen = np.random.default_rng(0).permutation(len(files))[: args.photos]
        photos = [fit(cv2.imread(str(files[number]))) for number in chosen]
    # a frame as narrow as SEARCHED is not made smaller, so that both search the same pixels
    (fine, spent), (coarse, less) = (measure(find, photos) for find in (detector("haar"), detector("haar", SEARCHED)))
    rows = [[1.0, "images", fine, len(photos), spent], [spent / less, "streams", coarse, len(photos), less]]
    show(["ratio", "search", "found", "photos", "ms a photo"], rows)


def measure(find: Detector, photos: list[np.ndarray]) -> tuple[int, float]:
    """Return in how many photos a face was found, and milliseconds of the CPU a photo."""
    start = time.process_time()
    found = sum(bool(find(photo)) for photo in photos)
    return found, 1000 * (time.process_time() - start) / len(photos)


def fit(photo: np.ndarray) -> np.ndarray:
    scale = min(320 / photo.shape[1], 240 / photo.shape[0])
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def draw(folder: Path, count: int) -> Path:
    for number in range(count):
        face, _ = draw_face("happy", 240, np.random.default_rng(number), colour=True)
        cv2.imwrite(str(folder / f"{number}.png"), face[..., ::-1])
    return folder


if __name__ == "__main__":
    main()
