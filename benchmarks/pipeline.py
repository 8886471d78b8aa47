"""How much of the machine the pipeline leaves to the training, and how fast it is with augmentation.

`python benchmarks/pipeline.py` compares, in turns in one process, on arrays of noise:

- an epoch of `fit` on our Batches (from a memory map) with one of bare `fit` on the arrays (in memory),
- epochs of a whole training (checkpoints, metrics.csv, watch of the loss) with those of bare `fit` on the same Batches,
- images/s of Batches with augmentation=light, iterated as `fit` does, with those of tf.data and `numpy_function`
  around the same albumentations transforms, called for each image as is usual.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import show

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import keras
import tensorflow as tf
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from fer.base import DataSpec, Samples
from fer.config import compose
from fer.pipeline import Batches
from fer.task import Classification

CLASSES = tuple("abcdefg")
BATCH = 64
NARROW = ["model.filters=[16,32,64]", "model.kernels=[5,3,3]", "model.units=[64]"]
LOOP = "the transforms alone"
Arrays = tuple[np.ndarray, np.ndarray]
Row = tuple[str, float, float, int, float | str]
"""What, seconds of ours, seconds of the other, images, goal of the ratio."""


def noise(count: int, shape: tuple[int, ...]) -> tuple[Arrays, Samples, Classification]:
    """Return uint8 images and one-hot targets, the same as Samples of a memory map, and their task."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = rng.integers(0, len(CLASSES), count)
    task = Classification(DataSpec(name="noise", kind="image", shape=shape, classes=CLASSES))
    with tempfile.TemporaryDirectory() as folder:  # a map stays readable when its file is gone
        file = Path(folder) / "images.npy"
        np.save(file, images)
        source = np.load(file, mmap_mode="r")
    samples = Samples(source=source, rows=np.arange(count), targets=labels, names=[""] * count)
    return (images, task.encode(labels)), samples, task


def in_turns(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each way; the first round, in which TensorFlow traces, is not counted."""
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats + 1)]
    return {name: statistics.median(each[name] for each in rounds[1:]) for name in ways}


class Clock(keras.callbacks.Callback):
    """Seconds of the last epoch, and the order of the next as in a training."""

    def __init__(self, batches: Batches | None = None) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()
        if self.batches is not None:
            self.batches.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self.start


def training(overrides: list[str], count: int, workers: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of an epoch of a cnn48 by our batches and by bare fit."""
    (images, targets), samples, task = noise(count, (48, 48, 1))
    network = compose("train", "model=cnn48", "augmentation=none", *overrides).model.build(task.spec)
    network.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    batches = Batches(samples, task, batch_size=BATCH, seed=0, workers=workers)

    def ours() -> float:
        clock = Clock(batches)
        network.fit(batches, shuffle=False, verbose=0, callbacks=[clock])
        return clock.seconds

    def bare() -> float:
        clock = Clock()
        network.fit(images, targets, batch_size=BATCH, verbose=0, callbacks=[clock])
        return clock.seconds

    return in_turns({"ours": ours, "other": bare}, repeats)


def looped(count: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of an epoch, validation included, by a training's own loop and by bare fit."""
    words = ("training.patience=0", "training.progress=none", f"dataset.train={count}")
    run = compose("train", "experiment=quickstart", *words, f"dataset.validation={count // 8}")
    run.runtime.apply(run.seed)
    from fer.artifact import RunFolder
    from fer.base import Passport, Stage
    from fer.callbacks import Keeper, Watch
    from fer.fit import Fit

    task = Classification(run.dataset.spec())
    splits = {split: run.dataset.load(split) for split in ("train", "validation")}
    with tempfile.TemporaryDirectory() as name, run.tracker.track(Passport(folder=Path(name), name="loop")) as tracking:
        fit = Fit(run, RunFolder(Path(name)), task, run.model.build(task.spec), splits, tracking)
        stage = Stage(name="all", epochs=run.training.epochs)
        part, batches, validation = fit.prepare(stage)
        keeper = Keeper(fit, stage, batches, Watch())

        def ours() -> float:
            start = time.perf_counter()
            fit._fit(part, batches, validation, keeper, end=fit.progress.epoch + 1)
            return time.perf_counter() - start

        def bare() -> float:
            start = time.perf_counter()
            part.fit(batches, validation_data=validation, shuffle=False, verbose=0)
            return time.perf_counter() - start

        times = in_turns({"ours": ours, "other": bare}, repeats)
        fit.checkpoints.close()
    return times


def augmented(recipe: str, shape: tuple[int, ...], count: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of an epoch of augmented images in several ways, without a model."""
    (images, targets), samples, task = noise(count, shape)
    augmentation = compose("train", f"augmentation={recipe}").augmentation
    augment = augmentation.build(task.spec)
    chain = albumentations.Compose(augmentation._transforms())

    def ours(workers: int) -> Callable[[], float]:
        adapter = PyDatasetAdapter(Batches(samples, task, batch_size=BATCH, seed=0, augment=augment, workers=workers))
        dataset = adapter.get_tf_dataset()

        def epoch() -> float:
            start = time.perf_counter()
            adapter.on_epoch_begin()
            assert sum(len(batch) for batch, _ in dataset) == count
            adapter.on_epoch_end()
            return time.perf_counter() - start

        return epoch

    def one(image: np.ndarray) -> np.ndarray:
        return chain(image=image)["image"]

    def mapped(image: Any, target: Any) -> tuple[Any, Any]:
        return tf.ensure_shape(tf.numpy_function(one, [image], tf.uint8), shape), target

    arrays = tf.data.Dataset.from_tensor_slices((images, targets))
    dataset = arrays.map(mapped, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)

    def other() -> float:
        start = time.perf_counter()
        assert sum(len(batch) for batch, _ in dataset) == count
        return time.perf_counter() - start

    def loop() -> float:
        start = time.perf_counter()
        for image in images:
            one(image)
        return time.perf_counter() - start

    return in_turns({"other": other, "workers=1": ours(1), "workers=2": ours(2), LOOP: loop}, repeats)


def training_rows(repeats: int, smoke: bool) -> Iterator[Row]:
    sizes = [("narrow", NARROW, 1, 3200), ("narrow", NARROW, 2, 3200), ("wide", [], 1, 320)]
    for name, overrides, workers, count in [("narrow", NARROW, 1, 2 * BATCH)] if smoke else sizes:
        times = training(overrides, count, workers, repeats)
        yield f"fit, cnn48 {name}, workers={workers}", times["ours"], times["other"], count, 0.95
    count = 4 * BATCH if smoke else 3200
    times = looped(count, repeats)
    yield "the loop of a training, cnn48 narrow", times["ours"], times["other"], count, 0.95


def augmentation_rows(repeats: int, smoke: bool) -> Iterator[Row]:
    sizes = [
        ("light", (48, 48, 1), 3200),
        ("light", (96, 96, 3), 1600),
        ("strong", (48, 48, 1), 1600),
        ("strong", (224, 224, 3), 320),
    ]
    for recipe, shape, count in [("light", (48, 48, 1), 2 * BATCH)] if smoke else sizes:
        times = augmented(recipe, shape, count, repeats)
        other = times.pop("other")
        for way, seconds in times.items():
            name = f"{recipe}, {'x'.join(map(str, shape))}, {way}"
            yield name, seconds, other, count, 1.5 if recipe == "light" and way != LOOP else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--part", choices=("training", "augmentation"), help="one half alone")
    parser.add_argument("--smoke", action="store_true", help="two batches, once: only to see that it runs")
    args = parser.parse_args()
    repeats = 1 if args.smoke else args.repeats
    parts = {"training": training_rows, "augmentation": augmentation_rows}
    rows = [row for name, part in parts.items() if args.part in (None, name) for row in part(repeats, args.smoke)]
    table = [[other / ours, name, count / ours, count / other, goal] for name, ours, other, count, goal in rows]
    show(["ratio", "what", "ours images/s", "other images/s", "goal"], table)
    print("other: bare fit on arrays (for the loop: on the same batches); tf.data with numpy_function for augmentation")


if __name__ == "__main__":
    main()
