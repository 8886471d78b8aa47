"""How long landmarks take to read and to learn, and AffectNet's folders to list.

`python benchmarks/landmarks.py` writes what it needs: a CSV of 28,000 meshes, one of 5,000 for `landmark_cnn` to learn
in 100 epochs, and 290,000 links to 24 small images with a label each. Reading counts from a new process's first use of
the dataset, whose cache is there; training counts the epochs, with validation and checkpoints.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from common import fresh, show

LABELS = ("happy", "sad", "angry", "surprise")


def read(overrides: list[str]) -> tuple[float, int]:
    """Return the seconds to open every split and look at every value, and the number of samples."""
    from fer.base import batched
    from fer.config import compose

    dataset = compose("prepare", *overrides).dataset
    start = time.perf_counter()
    splits = [dataset.load(split) for split in dataset.available()]
    for each in splits:
        for rows in batched(len(each), 256):
            each.inputs(rows).sum()
    return time.perf_counter() - start, sum(map(len, splits))


def listed(overrides: list[str]) -> tuple[float, int]:
    """Return the seconds until every entry is known, and their number; no image is read."""
    from fer.config import compose

    start = time.perf_counter()
    dataset = compose("prepare", *overrides).dataset
    samples = sum(len(dataset.load(split)) for split in dataset.available())
    return time.perf_counter() - start, samples


def learnt(overrides: list[str], folder: str) -> tuple[float, int]:
    """Return the seconds of all epochs, and the number of rows that an epoch learns from."""
    from dataclasses import replace

    from fer.config import compose

    run = replace(compose("train", *overrides), folder=folder)
    run.runtime.apply(run.seed)
    from fer import training

    training.train(run)
    with Path(folder, "metrics.csv").open() as file:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
    return seconds, len(run.dataset.load("train"))


def meshes(file: Path, count: int) -> str:
    """Write that many rows: one shape that moves a little from row to row, with an expression of its own a label."""
    from fer.landmarks import POINTS, Face
    from fer.mesh_csv import header
    from fer.mesh_csv import row as line

    rng = np.random.default_rng(0)
    base = rng.normal((200, 150, 0), 30, (POINTS, 3))
    shapes = [base + rng.normal(0, 3, base.shape) for _ in LABELS]
    with file.open("w") as out:
        out.write(header())
        for number in range(count):
            label = number % len(LABELS)
            points = (shapes[label] + rng.normal(0, 1, base.shape)).astype(np.float32)
            face = Face(points=points, blendshapes=np.zeros(52, np.float32), pose=(0.0, 0.0, 0.0))
            out.write(line(face, label=LABELS[label], source=str(number), size=(640, 480)))
    return str(file)


def entries(folder: Path, count: int) -> str:
    """Write AffectNet's layout with that many images, all but 24 of them links."""
    from PIL import Image

    for part, total in (("train_set", count), ("val_set", 8)):
        images, annotations = folder / part / "images", folder / part / "annotations"
        images.mkdir(parents=True)
        annotations.mkdir()
        for number in range(total):
            image, label = images / f"{number}.jpg", annotations / f"{number}_exp.npy"
            if number < 24:
                Image.new("RGB", (30, 40), (20 * (number % 8), 90, 7 * number)).save(image)
                np.save(label, np.array(str(number % 8)))
            else:
                image.symlink_to(images / f"{number % 24}.jpg")
                label.symlink_to(annotations / f"{number % 24}_exp.npy")
    return str(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a hundredth of everything: only to see that it runs")
    args = parser.parse_args()
    share = 100 if args.smoke else 1
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name), f"dataset.cache={name}/cache"
        mesh = ["dataset=facemesh_csv", cache, "dataset.split_by=random"]
        many = [*mesh, "dataset.shape.subset=all", f"dataset.path={meshes(folder / 'many.csv', 28_000 // share)}"]
        few = [*mesh, f"dataset.path={meshes(folder / 'few.csv', 6250 // share)}"]  # a tenth each for two splits
        network = ["model=landmark_cnn", "augmentation=none", "training.progress=none", "training.patience=0"]

        def learning(size: int) -> tuple[list[str], str]:
            return [*few, *network, "training.epochs=100", f"training.batch_size={size}"], f"{name}/{size}"

        links = ["dataset=affectnet", cache, f"dataset.path={entries(folder / 'affectnet', 290_000 // share)}"]
        fresh(read, many)
        runs = [
            ("landmark rows from the cache", 0.5, fresh(read, many)),
            *(
                (f"landmark_cnn, 100 epochs, batches of {size}", 60.0, fresh(learnt, *learning(size)))
                for size in (64, 256)
            ),
            ("AffectNet's entries, first", 10.0, fresh(listed, links)),
            ("AffectNet's entries, later", 10.0, fresh(listed, links)),
        ]
    rows = [[seconds / goal, what, seconds, goal, f"{samples:,}"] for what, goal, (seconds, samples) in runs]
    show(["of goal", "what", "seconds", "goal s", "rows"], rows)


if __name__ == "__main__":
    main()
