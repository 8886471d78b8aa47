"""What a search costs beside its trainings: a trial's start and end, a thousand finished trials, the parent's memory.

`python benchmarks/search.py`; the trials are trainings of seconds, and the thousand finished ones are written down as a
search and a sweep leave them.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from common import show

from fer.config import compose
from fer.search.oracle import OracleSearch, keras_tuner
from fer.search.result import begin
from fer.search.space import parse
from fer.search.trial import Goal, Outcome
from fer.sweep import enlist

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["experiment=smoke", "augmentation=none", "model.filters=[8,8,8]"]


def run(words: list[str], folder: Path) -> tuple[float, float]:
    """Run a script; return its seconds, and the largest resident size in MB of it alone, without its trials."""
    start, largest = time.perf_counter(), 0.0
    with (folder / "printed.log").open("w+") as log:
        command = [sys.executable, str(ROOT / words[0]), *words[1:]]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            largest = max(largest, peak(process.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        log.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(words)}\n{log.read()}")
    return seconds, largest


def peak(pid: int) -> float:
    """Return the largest resident size that a process has had so far, in MB; 0 where it is about to end."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1e3 if found else 0.0


def finished(folder: Path, value: float) -> None:
    """Write what a finished run leaves, as far as a search or a sweep reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.keras").write_bytes(b"0" * 1000)
    passport = {"monitor": {"name": "val_accuracy", "value": value}, "seconds": 60.0, "parameters": 1000}
    (folder / "manifest.json").write_text(json.dumps(passport))
    (folder / "metrics.csv").write_text("epoch,val_accuracy,seconds\n" + f"0,{value},60.0\n" * 20)


def thousand_trials(folder: Path, trials: int) -> list[str]:
    """Write a search of finished trials; return the command that goes on with it."""
    words = [*QUICK, "tuner=random", f"tuner.trials={trials}"]
    tuned = compose("tune", *words)
    begin(folder / "search", tuned)
    oracle = partial(keras_tuner().oracles.RandomSearchOracle, max_trials=trials, seed=1)
    space = parse(tuned.tuner.space, {"optimizer": "adam"})
    search = OracleSearch(oracle, space, Goal(name="val_accuracy", mode="max"), folder / "search")
    while trial := search.ask():
        finished(folder / "search/trials" / trial.number, 0.5)
        search.tell(trial, Outcome(value=0.5))
    return ["tune.py", *words, "sweep=search"]


def thousand_jobs(folder: Path, jobs: int) -> list[str]:
    """Write a sweep of finished jobs; return the command that goes on with it."""
    words = [[*QUICK, f"seed={seed}"] for seed in range(jobs)]
    for number in enlist(folder / "sweep", words):
        finished(folder / "sweep" / f"{number:04d}-smoke", 0.5)
    return ["train.py", "-m", *QUICK, f"seed=range({jobs})", "sweep=sweep"]


def shares(search: Path) -> tuple[float, float]:
    """Read from the times of files what the trials took, in seconds; the first, which finds nothing cached, left out.

    Returns:
        Medians of a trial: from its choice to its first epoch and from its end to the next choice; and its report.
    """
    trials = sorted((search / "trials").iterdir(), key=lambda trial: written(trial / "trial.json"))
    ends = [*(written(trial / "trial.json") for trial in trials[1:]), written(search / "search.json")]
    beyond, report = [], []
    for trial, end in list(zip(trials, ends, strict=True))[1:]:
        done = written(trial / "manifest.json")
        beyond.append(written(trial / "config.yaml") - written(trial / "trial.json") + end - done)
        report.append(done - written(trial / "model.keras"))
    return statistics.median(beyond), statistics.median(report)


def written(file: Path) -> float:
    return file.stat().st_mtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="few: only to see that it runs")
    args = parser.parse_args()
    many, few = (20, 2) if args.smoke else (1000, 3)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, words in (
            (f"a search of {many} finished trials", thousand_trials(folder, many)),
            (f"a sweep of {many} finished jobs", thousand_jobs(folder, many)),
        ):
            seconds, memory = run(words, folder)
            rows += [[seconds / 5, f"{label}: list and resume, s", seconds, 5]]
            rows += [[memory / 300, f"{label}: parent, MB", memory, 300]]
        for label, warm, goal in (("cold", "false", 15), ("warm", "true", 2)):
            words = [*QUICK, "tuner=random", f"tuner.trials={few}", f"sweep={label}", f"tuner.warm={warm}"]
            _, memory = run(["tune.py", *words], folder)
            beyond, report = shares(folder / label)
            rows += [[beyond / goal, f"a {label} trial beyond training and report, s", beyond, goal]]
            rows += [[(beyond + report) / goal, f"a {label} trial beyond training alone, s", beyond + report, goal]]
            rows += [[memory / 300, f"a search of {few} {label} trials: parent, MB", memory, 300]]
    show(["of goal", "what", "measured", "goal"], rows)


if __name__ == "__main__":
    main()
