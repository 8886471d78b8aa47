"""How long fer2013 takes to read: the first time, which decodes it into the cache, and later.

`python benchmarks/reading.py --path data/fer2013` reads every split and looks at every pixel, each time in a new
process. The start of the process and its imports are not counted.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from common import fresh, show, write_fer2013


def read(path: str, cache: str) -> tuple[float, float, int]:
    """Return the seconds to open all splits, the seconds until every pixel was seen, and the number of samples."""
    from fer.base import batched
    from fer.config import compose

    dataset = compose(
        "prepare",
        "dataset=fer2013",
        f"dataset.path={path}",
        f"dataset.cache={cache}",
        "dataset.splits={train: Training, validation: 0.1, test: PublicTest}",
    ).dataset
    start = time.perf_counter()
    splits = [dataset.load(split) for split in dataset.available()]
    opened = time.perf_counter()
    total = sum(int(each.inputs(rows).sum()) for each in splits for rows in batched(len(each), 256))
    seen = time.perf_counter()
    assert total > 0
    return opened - start, seen - start, sum(map(len, splits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", default="data/fer2013", help="as dataset.path")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="2,000 rows of noise: only to see that it runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_fer2013(folder / "fer2013.csv", 2000) if args.smoke else Path(args.path).resolve()
        first: list[tuple[float, float, int]] = []
        later: list[tuple[float, float, int]] = []
        for repeat in range(1 if args.smoke else args.repeats):
            cache = str(folder / f"cache{repeat}")
            first.append(fresh(read, str(path), cache))
            later.extend(fresh(read, str(path), cache) for _ in range(2))
    rows = []
    for label, runs, goal in (("first read", first, 15.0), ("later read", later, 0.5)):
        opened, seen, samples = (statistics.median(column) for column in zip(*runs, strict=True))
        rows.append([seen / goal, label, min(run[1] for run in runs), seen, opened, goal, f"{samples:,.0f}"])
    show(["of goal", "what", "best s", "median s", "of it to open", "goal s", "samples"], rows)


if __name__ == "__main__":
    main()
