"""How soon the command line answers: help, a typo's error, and the import of the config.

`python benchmarks/startup.py` starts each command some times in a new process, in turns.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import show

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("keras", "tensorflow", "jax", "cv2", "mediapipe", "wandb", "albumentations", "matplotlib")
IMPORT = f"import fer.config, sys; print(*[name for name in {HEAVY} if name in sys.modules])"

COMMANDS: dict[str, tuple[list[str], int, float | None]] = {
    "train.py --help": ([str(ROOT / "train.py"), "--help"], 0, 1.0),
    "train.py model.dropoot=1": ([str(ROOT / "train.py"), "model.dropoot=1"], 2, 2.0),
    "import fer.config": (["-c", IMPORT], 0, None),
    "the interpreter alone": (["-c", ""], 0, None),
}
"""Arguments of Python, the exit code that is right, and the goal in seconds."""


def seconds(words: list[str], code: int, folder: str) -> tuple[float, str]:
    """Run one command; return how long it took and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}: expected exit code {code}, got {done.returncode}\n{done.stderr}")
    return took, done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--smoke", action="store_true", help="twice each: only to see that it runs")
    args = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2 if args.smoke else args.repeats):
            for name, (words, code, _) in COMMANDS.items():
                took, printed = seconds(words, code, folder)
                times[name].append(took)
                if name == "import fer.config":
                    heavy = printed
    rows = []
    for name, (_, _, goal) in COMMANDS.items():
        best, median = min(times[name]), statistics.median(times[name])
        rows.append([median / goal if goal else "-", name, best, median, goal or "-"])
    show(["of goal", "command", "best s", "median s", "goal s"], rows)
    print(f"heavy modules that import fer.config loads: {heavy or 'none'}")
    if heavy:
        sys.exit(1)


if __name__ == "__main__":
    main()
