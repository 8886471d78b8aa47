"""`python tune.py`: search for better settings of a training."""

import os.path
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from fer.config import Variants
from fer.errors import ConfigError
from fer.runs.tune import TuneRun
from fer.search import loop, result
from fer.search.nursery import Nursery
from fer.search.space import Parameter, extremes, parse
from fer.search.trial import Goal
from fer.task import task_of


def tune(run: TuneRun) -> None:
    """Run the search to its end, write its table and best.yaml, and print them."""
    words = [word for word in run.overrides if not word.lstrip("+~").startswith("tuner")]
    variants = Variants("train", words)
    space = parse(run.tuner.space, run.choices)
    for values in extremes(space):
        try:
            variants(values)
        except ConfigError as error:
            raise ConfigError(f"tuner.space: {error}") from error
    _demand_warmth(run, space)
    task = task_of(run.dataset.spec())
    goal = Goal(name=f"val_{task.score}", mode=task.mode)
    folder = Path(os.path.relpath(run.folder))
    result.begin(folder, run)
    search = run.tuner.search(space, goal, folder, run.training.epochs)
    facts = {"search": folder.name, "space": run.tuner.space, "name": run.name}
    with Nursery(run.runtime, folder / "nursery.log") if run.tuner.warm else nullcontext() as nursery:
        limit = 60 * run.tuner.time_limit
        code = loop.run(search, words, parallel=run.tuner.parallel, limit=limit, facts=facts, nursery=nursery)
    result.finish(search, folder, run, variants)
    if code:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(code)


def _demand_warmth(run: TuneRun, space: Sequence[Parameter]) -> None:
    """Refuse warm trials where a process that has imported the backend could not be each of them."""
    wrong = [f"the space with {each.key}" for each in space if each.key.partition(".")[0] == "runtime"]
    if run.runtime.backend != "tensorflow":
        wrong.append(f"runtime.backend={run.runtime.backend}")
    if sys.platform != "linux":
        wrong.append(sys.platform)
    if run.tuner.warm and wrong:
        raise ConfigError(f"tuner.warm: expected false for {wrong[0]}; a warm trial is forked with TensorFlow imported")
