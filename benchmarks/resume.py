"""What checkpoints cost, and whether memory grows with the epochs.

`python benchmarks/resume.py` trains small CNNs in fresh processes and prints: the time of an epoch that keeps the state
every 25 steps beside one that does not, of reading the state back as a share of an epoch, and the resident memory after
epochs 3 and 20.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from common import fresh, show

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
SETTINGS = ("experiment=smoke", "augmentation=none", "training.progress=none", "training.patience=0", "tracker=csv")


def compose(*words: str):  # type: ignore[no-untyped-def]
    """Compose a run of the smoke experiment."""
    from fer.config import compose

    return compose("train", *SETTINGS, *words)


def checkpoints(samples: int, every: int) -> dict[str, float]:
    """Time steps of cnn48 with and without keeping the state every so many steps, in turns, and reading it back."""
    run = compose("model.filters=[32,64,128]", "model.kernels=[5,3,3]", f"dataset.train={samples}")
    run.runtime.apply(0)
    from fer import checkpoint
    from fer.pipeline import Batches
    from fer.task import task_of

    task = task_of(run.dataset.spec())
    network = run.model.build(task.spec)
    network.compile("adam", "categorical_crossentropy")
    batches = Batches(run.dataset.load("train"), task, batch_size=64, seed=0)
    content = [batches[index] for index in range(len(batches))]
    network.train_on_batch(*content[0])
    with tempfile.TemporaryDirectory() as folder:
        kept, progress = checkpoint.Checkpoints(Path(folder)), checkpoint.Progress()

        def epoch(save: bool) -> float:
            started = time.perf_counter()
            for step, batch in enumerate(content):
                network.train_on_batch(*batch)
                if save and step % every == every - 1:
                    progress.step += 1
                    values = [checkpoint.values(each) for each in (network.variables, network.optimizer.variables)]
                    kept.save(progress, {"network": values[0], "optimizer": values[1], "metrics": []})
            return time.perf_counter() - started

        rounds = [(epoch(False), epoch(True)) for _ in range(5)]
        kept.wait()
        started = time.perf_counter()
        found = kept.latest()
        assert found is not None
        checkpoint.assign(network.variables, found[1]["network"])
        checkpoint.assign(network.optimizer.variables, found[1]["optimizer"])
        reading = time.perf_counter() - started
        kept.close()
    plain, keeping = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {"plain": plain, "keeping": keeping, "saves": len(content) // every, "reading": reading}


def memory(epochs: int) -> dict[int, float]:
    """Train a small network and return the resident MB after each epoch."""
    words = ("model.filters=[8]", "model.kernels=[3]", "model.units=[16]", "dataset.train=512")
    with tempfile.TemporaryDirectory() as folder:
        run = compose(*words, f"training.epochs={epochs}")
        run.folder = folder
        run.runtime.apply(0)
        from fer import fit, training

        seen: dict[int, float] = {}
        original = fit.Keeper.on_epoch_end

        def on_epoch_end(self, epoch, logs=None):  # type: ignore[no-untyped-def]
            original(self, epoch, logs)
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen[epoch + 1] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20

        fit.Keeper.on_epoch_end = on_epoch_end
        training.train(run)
        return seen


def main() -> None:
    """Run both and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds, to see that it runs; the numbers mean nothing")
    smoke = parser.parse_args().smoke
    cost = fresh(checkpoints, 256 if smoke else 6400, 2 if smoke else 25)
    sizes = fresh(memory, 4 if smoke else 20)
    last = max(sizes)
    # one epoch of FER2013's training split, at the rate that was measured
    share = cost["reading"] / cost["plain"] * (256 if smoke else 6400) / 28_709
    rows = [
        ("an epoch that keeps the state every 25 steps / one that does not", cost["keeping"] / cost["plain"], 1.05),
        ("reading the state back / an epoch of 28,709 images", share, 0.02),
        (f"resident memory after epoch {last} / after epoch 3 ({sizes[3]:.0f} MB)", sizes[last] / sizes[3], 1.03),
    ]
    show(("of goal", "what", "measured", "goal"), [(value / goal, what, value, goal) for what, value, goal in rows])


if __name__ == "__main__":
    main()
