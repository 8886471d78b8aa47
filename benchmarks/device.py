"""How busy the training keeps a GPU, with augmentation on the host and on the device.

`python benchmarks/device.py` (in an environment with JAX) trains cnn48 and mobilenetv2 on noise of FER2013's size and
prints images/s, the seconds of an epoch of 28,709 images, the share of the device's time in which a kernel ran
(nvidia-smi; "-" without one), and images/s as a share of the bound: three times the operations of a forward pass, at
the rate that this device reaches on a large matrix product.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from common import fresh, show

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
TRAINING = 28_709
MODELS = {
    "cnn48": ("model=cnn48",),
    "cnn48 narrow": ("model=cnn48", "model.filters=[32,64,128]", "model.kernels=[5,3,3]"),
    "mobilenetv2": ("model=mobilenetv2", "model.weights=none", "model.input_size=48"),
}
PLACES = {"host": "pipeline.on_device=false", "device": "pipeline.on_device=true"}


class Busy(threading.Thread):
    """The GPU's utilization, sampled while it is open."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []
        self.ended = threading.Event()

    def run(self) -> None:
        ask = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while not self.ended.wait(0.2):
            try:
                self.samples.append(float(subprocess.run(ask, capture_output=True, text=True, check=True).stdout))
            except (OSError, subprocess.CalledProcessError, ValueError):
                return

    def __enter__(self) -> "Busy":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()

    def share(self) -> float | str:
        return statistics.mean(self.samples) / 100 if self.samples else "-"


def train(words: tuple[str, ...], count: int, batch: int, epochs: int) -> dict[str, Any]:
    """Train on noise and return images/s (median of the epochs after the first), busy share and bound."""
    from fer.config import compose

    settings = (
        "experiment=smoke",
        "runtime=jax",
        "augmentation=affine",
        "training.progress=none",
        "training.patience=0",
    )
    run = compose("train", *settings, *words, f"training.batch_size={batch}", f"training.epochs={epochs}")
    run.runtime.apply(0)
    import jax
    import numpy as np

    from fer.artifact import RunFolder
    from fer.base import Samples
    from fer.fit import Fit
    from fer.task import task_of

    task = task_of(run.dataset.spec())
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *task.spec.shape), dtype=np.uint8)
    labels = random.integers(0, len(task.spec.classes), count)
    samples = Samples(source=images, rows=np.arange(count), targets=labels, names=[""] * count)
    network = run.model.build(task.spec)
    with tempfile.TemporaryDirectory() as folder:
        splits: Any = {"train": samples, "validation": samples}
        fitting = Fit(run, RunFolder(Path(folder)), task, network, splits, None)  # type: ignore[arg-type]
        part, batches, _ = fitting.prepare(fitting.stages[-1])
        fitting.checkpoints.close()
    part.fit(batches, epochs=1, shuffle=False, verbose=0)
    seconds = []
    with Busy() as busy:
        for epoch in range(1, epochs):
            batches.begin(epoch)
            started = time.perf_counter()
            part.fit(batches, epochs=1, shuffle=False, verbose=0)
            seconds.append(time.perf_counter() - started)
    forward = jax.jit(lambda x: network(x, training=False)).lower(images[:batch].astype(np.float32)).compile()
    operations = 3 * forward.cost_analysis()["flops"] / batch
    return {"rate": count / statistics.median(seconds), "busy": busy.share(), "bound": _peak() / operations}


def _peak(size: int = 4096) -> float:
    """Return operations/s of a large float32 matrix product on this device."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((size, size), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    product(matrix).block_until_ready()
    started = time.perf_counter()
    for _ in range(5):
        product(matrix).block_until_ready()
    return 5 * 2 * size**3 / (time.perf_counter() - started)


def main() -> None:
    """Measure each model with each place of the augmentation and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one small model, to see that it runs")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--precision", default="mixed_bfloat16", help="runtime.precision")
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    models = {"cnn48 narrow": MODELS["cnn48 narrow"]} if options.smoke else MODELS
    count, batch, epochs = (256, 64, 2) if options.smoke else (TRAINING, options.batch, options.epochs)
    rows = []
    for name, words in models.items():
        for place, word in PLACES.items():
            each = fresh(train, (*words, word, f"runtime.precision={options.precision}"), count, batch, epochs)
            share = each["rate"] / each["bound"]
            rows.append((share, f"{name}, {place}", each["rate"], TRAINING / each["rate"], each["busy"]))
    show(("of bound", "model, augmentation on", "images/s", "s an epoch", "busy"), rows)


if __name__ == "__main__":
    main()
