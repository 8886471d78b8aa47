"""How much memory the data adds to a training: fer2013 against a tiny dataset, all else the same.

`python benchmarks/memory.py --path data/fer2013` runs one epoch of the real training (with validation, checkpoint and
report), each in a new process: on the dataset, and on 70 rows that are repeated to its length. Model, steps and splits
are the same, so what is left is the data. File-backed memory is the page cache of the memory-mapped store, which the
system takes back when it needs it; it counts here all the same.
"""

import argparse
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from common import fresh, show, write_fer2013

from fer.base import Samples, Split
from fer.dataset.fer2013 import Fer2013

GOAL = 200.0
FIELDS = {"peak": "VmHWM", "end": "VmRSS", "anonymous": "RssAnon", "file": "RssFile"}


@dataclass(kw_only=True)
class Repeated(Fer2013):
    """Fer2013 with its rows repeated until each split has as many samples as another dataset's."""

    lengths: dict[str, int]

    def load(self, split: Split) -> Samples:
        """Read one split and repeat it."""
        samples, length = super().load(split), self.lengths[split]
        return replace(samples, rows=np.resize(samples.rows, length), targets=np.resize(samples.targets, length))


def train(path: str, folder: str, lengths: dict[str, int] | None) -> tuple[dict[str, float], dict[str, int]]:
    """Train for an epoch; return memory in MB and the length of each split."""
    from fer.config import compose, settings

    run = compose(
        "train",
        "experiment=quickstart",
        "dataset=fer2013",
        f"dataset.path={path}",
        f"dataset.cache={folder}/cache",
        "dataset.splits={train: Training, validation: 0.1, test: PublicTest}",
        "training.epochs=1",
        "training.progress=none",
    )
    dataset = run.dataset
    if lengths:
        dataset = Repeated(**{**settings(dataset), "splits": dataset.splits}, lengths=lengths)
    run = replace(run, dataset=dataset, folder=tempfile.mkdtemp(dir=folder))
    run.runtime.apply(run.seed)
    from fer import training

    training.train(run)
    return memory(), {split: len(dataset.load(split)) for split in dataset.available()}


def memory() -> dict[str, float]:
    """Return this process's memory in MB (10^6 bytes), by the words of FIELDS."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {word: int(lines[field].split()[0]) * 1024 / 1e6 for word, field in FIELDS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", default="data/fer2013", help="as dataset.path")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="400 rows of noise, once: only to see that it runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_fer2013(folder / "fer2013.csv", 400) if args.smoke else Path(args.path).resolve()
        tiny = write_fer2013(folder / "tiny.csv", 70)
        first, lengths = fresh(train, str(path), name, None)
        found: dict[str, list[dict[str, float]]] = {"tiny": [], "full": []}
        for _ in range(1 if args.smoke else args.repeats):
            found["tiny"].append(fresh(train, str(tiny), name, lengths)[0])
            found["full"].append(first if args.smoke else fresh(train, str(path), name, None)[0])
    tiny_mb, full_mb = (
        {word: statistics.median(run[word] for run in runs) for word in FIELDS} for runs in found.values()
    )
    rows = [
        [(values["peak"] - tiny_mb["peak"]) / GOAL, label, *(values[word] for word in FIELDS)]
        for label, values in (
            ("70 rows, repeated", tiny_mb),
            (f"{sum(lengths.values()):,} rows", full_mb),
            ("the same, decoding them first", first),
        )
    ]
    show(["added, of goal", "trained on", "peak MB", "end MB", "anonymous", "file-backed"], rows)
    print(f"goal: the data adds less than {GOAL:.0f} MB to the peak")


if __name__ == "__main__":
    main()
