"""`python tune.py`: search for better settings of a training."""

import os.path
import sys
from pathlib import Path

from fer.config import Variants
from fer.errors import ConfigError
from fer.runs.tune import TuneRun
from fer.search import loop, result
from fer.search.space import extremes, parse
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
    task = task_of(run.dataset.spec())
    goal = Goal(name=f"val_{task.score}", mode=task.mode)
    folder = Path(os.path.relpath(run.folder))
    result.begin(folder, run)
    search = run.tuner.search(space, goal, folder, run.training.epochs)
    facts = {"search": folder.name, "space": run.tuner.space, "name": run.name}
    code = loop.run(search, words, parallel=run.tuner.parallel, limit=60 * run.tuner.time_limit, facts=facts)
    result.finish(search, folder, run, variants)
    if code:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(code)
