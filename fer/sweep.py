"""Sweeps: `python train.py -m model=cnn48,mobilenetv2 seed=1,2,3`.

Hydra expands the overrides and its launchers (basic, joblib, slurm) run the jobs; here each job becomes a process of
its own, whichever launcher calls it, and only what is not done yet is launched.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from fer.artifact import RunFolder, write_text
from fer.interruption import RESUME_ME
from fer.process import Child, Lock, Stop, devices

Launch = Callable[[list[list[str]]], object]
"""What runs jobs: it takes the overrides of each."""

JOBS = "jobs.json"
FAILURE = "failure.json"


@dataclass
class SweeperConfig:
    """Settings of the sweeper, as `hydra.sweeper.<key>=`.

    Attributes:
        samples: so many jobs drawn at random instead of the whole grid; needed for interval(low, high).
        seed: of the draw.
    """

    _target_: str = "hydra_plugins.fer_sweeper.RunSweeper"
    samples: int | None = None
    seed: int = 0


def sweep(overrides: Sequence[Override], config: SweeperConfig, folder: Path, launch: Launch) -> None:
    """Launch the jobs that are not done, then write and print the table of all."""
    from fer.search import review  # not for the jobs

    jobs = drawn(overrides, config.samples, config.seed) if config.samples else grid(overrides)
    numbers = enlist(folder, list(jobs))
    known, begun = listed(folder), folders(folder)
    missing = [number for number in numbers if number not in begun or not RunFolder(begun[number]).manifest.exists()]
    print(f"sweep {folder}: {len(numbers)} jobs, {len(numbers) - len(missing)} of them done", flush=True)
    if missing:
        launch([[*known[number], f"hydra.sweep.subdir={number:04d}-${{name}}"] for number in missing])
    review.sweep(folder)


def grid(overrides: Iterable[Override]) -> Iterable[list[str]]:
    """Yield every combination, as Hydra's own sweeper does."""
    [[*jobs]] = BasicSweeper.split_arguments(list(overrides), None)
    return jobs


def drawn(overrides: Sequence[Override], samples: int, seed: int) -> Iterable[list[str]]:
    """Yield combinations drawn at random: of the choices, and evenly from interval(low, high).

    `tag(log, interval(low, high))` draws the logarithm evenly (Bergstra & Bengio 2012).
    """
    dice = random.Random(seed)
    for _ in range(samples):
        yield [f"{each.get_key_element()}={_draw(each, dice)}" for each in overrides]


def _draw(override: Override, dice: random.Random) -> str:
    if not override.is_sweep_override():
        return override.get_value_element_as_str()
    if override.is_discrete_sweep():
        return dice.choice(list(override.sweep_string_iterator()))
    interval = override.value()
    if not isinstance(interval, IntervalSweep) or interval.start is None or interval.end is None:
        raise HydraException(f"{override.input_line}: expected choices, a range or an interval")
    if "log" in interval.tags:
        return f"{math.exp(dice.uniform(math.log(interval.start), math.log(interval.end))):.6g}"
    return f"{dice.uniform(interval.start, interval.end):.6g}"


def enlist(folder: Path, jobs: Sequence[list[str]]) -> list[int]:
    """Add the jobs that the sweep's list lacks, and return the numbers of all."""
    folder.mkdir(parents=True, exist_ok=True)
    with Lock(folder / ".lock"):
        known = listed(folder)
        places = {tuple(job): number for number, job in enumerate(known)}
        for job in jobs:
            if tuple(job) not in places:
                places[tuple(job)] = len(known)
                known.append(job)
        write_text(folder / JOBS, json.dumps(known, indent=1) + "\n")
    return list(dict.fromkeys(places[tuple(job)] for job in jobs))


def listed(folder: Path) -> list[list[str]]:
    """Return the jobs of a sweep in the order of their numbers."""
    file = folder / JOBS
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def folders(folder: Path) -> dict[int, Path]:
    """Return the folders of the jobs that have begun, by their numbers."""
    each = (path for path in folder.iterdir() if path.name.partition("-")[0].isdecimal())
    return {int(path.name.partition("-")[0]): path for path in each}


def job(words: Sequence[str], folder: Path, number: int) -> None:
    """Run one job in a process of its own: what Hydra's launchers call.

    A failure is recorded in the folder and the sweep goes on; a stop (Ctrl-C, SIGTERM) ends this process too, under
    Slurm by going back to the queue.
    """
    run = RunFolder(folder)
    shown = " ".join(words)
    with Lock(folder / ".lock") as lock, _gpu(folder.parent, number) as variables:
        if run.manifest.exists():  # another launcher of the same sweep was at it
            return
        (folder / FAILURE).unlink(missing_ok=True)
        line = [*words, f"hydra.run.dir={folder}"]
        print(f"job {number}  {shown}", flush=True)
        variables |= {"WANDB_RUN_GROUP": f"{folder.parent.parent.name}/{folder.parent.name}"}
        child = Child(["train.py", *line], folder / "output.log", lock=lock, environment=variables)
        code, asked = _attend(child)
        if asked or code == RESUME_ME:
            _stop(asked or code)
        if code:
            write_text(folder / FAILURE, json.dumps({"reason": child.reason()}) + "\n")
            print(f"job {number}  failed: {child.reason()} ({child.log})", flush=True)
        else:
            print(f"job {number}  done in {time.monotonic() - child.started:.1f} s", flush=True)


def _attend(child: Child) -> tuple[int, int]:
    """Wait for the end of a child; return its exit code and that of a stop that this process was asked for."""
    with Stop() as stop:
        try:
            while (code := child.poll()) is None:
                if stop.code:
                    child.stop()
                time.sleep(0.1)
            return code, stop.code
        finally:  # submitit leaves by an exception when it requeues
            child.stop()
            child.wait()


def _stop(code: int) -> None:
    """End this process since its job was asked to stop; under Slurm, submitit requeues it on its own signal."""
    if os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
        signal.raise_signal(signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"])
    print("stopped; the same command with sweep=<folder> goes on", file=sys.stderr, flush=True)
    sys.exit(code)


@contextmanager
def _gpu(folder: Path, number: int) -> Iterator[dict[str, str]]:
    """Give the variables of a job: with several GPUs, the first that no job of the sweep has, or a busy one."""
    names = devices()
    if len(names) < 2:
        yield {}
        return
    locks = {name: Lock(folder / f".gpu{name}") for name in names}
    name = next((name for name, lock in locks.items() if lock.take()), names[number % len(names)])
    try:
        yield {"CUDA_VISIBLE_DEVICES": name}
    finally:
        locks[name].release()
