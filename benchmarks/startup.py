"""How soon the command line answers: help, a typo's error, and the import of the config.

`python benchmarks/startup.py` starts each command some times in a new process, in turns.
"""

import argparse
import resource
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


def run(words: list[str], code: int, folder: str) -> tuple[float, float, str]:
    """Run one command; return how long it took, its CPU time, and what it printed."""
    start, used = time.perf_counter(), cpu()
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)
    took, used = time.perf_counter() - start, cpu() - used
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}: expected exit code {code}, got {done.returncode}\n{done.stderr}")
    return took, used, done.stdout.strip()


def cpu() -> float:
    """Return the CPU seconds of all child processes so far: nearly the same on a busy machine as on an idle one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--smoke", action="store_true", help="twice each: only to see that it runs")
    args = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2 if args.smoke else args.repeats):
            for name, (words, code, _) in COMMANDS.items():
                took, used, printed = run(words, code, folder)
                times[name].append((took, used))
                if name == "import fer.config":
                    heavy = printed
    rows = []
    for name, (_, _, goal) in COMMANDS.items():
        walls, cpus = ([each[column] for each in times[name]] for column in (0, 1))
        median = statistics.median(walls)
        rows.append([median / goal if goal else "-", name, min(walls), median, min(cpus), goal or "-"])
    show(["of goal", "command", "best s", "median s", "CPU s", "goal s"], rows)
    print(f"heavy modules that import fer.config loads: {heavy or 'none'}")
    if heavy:
        sys.exit(1)


if __name__ == "__main__":
    main()
