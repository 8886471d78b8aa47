"""`python -m fer evaluate`: judge a finished run on any split again."""

import logging
from pathlib import Path
from typing import Any, cast

from fer import artifact
from fer.base import Samples, Split
from fer.config import defaults, restore
from fer.errors import ConfigError, DataError
from fer.runs.evaluate import EvaluateRun
from fer.task import Task, task_of

log = logging.getLogger(__name__)

Judged = tuple[Task, Samples, dict[Split, Samples]]
"""What is judged, and the splits of the training."""


def evaluate(run: EvaluateRun) -> None:
    """Judge the run and print its score and where the report is."""
    folder = artifact.find(run.run)
    passport = folder.passport()
    task, samples, others = _other(run, passport) if run.other != "none" else _own(run, passport)
    run.runtime.apply(seed=0)
    from fer.evaluation.judge import judge  # imports Keras, whose backend is chosen by now
    from fer.nn.weights import load_network

    judge(
        load_network(folder.model),
        task,
        samples,
        split=cast(Split, run.split),
        output=_output(run, folder),
        history=folder.history(),
        facts=passport,
        batch_size=run.batch_size,
        tta=run.tta,
        others=others,
        folder=folder.path,
        robustness=run.robustness,
    )


def _own(run: EvaluateRun, passport: dict[str, Any]) -> Judged:
    """Load a split of the run's own dataset, perhaps from elsewhere."""
    dataset = restore("dataset", passport["recipes"]["dataset"], passport["config"]["dataset"], run.dataset)
    spec = dataset.spec()
    if artifact.contract(spec) != passport["contract"]:
        raise ConfigError(f"dataset: expected data as in the run's contract {passport['contract']}, got {spec}")
    return task_of(spec), dataset.load(cast(Split, run.split)), _trained_on(passport)


def _other(run: EvaluateRun, passport: dict[str, Any]) -> Judged:
    """Load a split of another dataset, with the classes that it shares with the network."""
    from fer.evaluation.mapping import mapped

    wanted = passport["contract"]
    values = defaults("dataset", run.other)
    shape = wanted["input"]["shape"]
    values |= {key: value for key, value in (("size", shape[0]), ("colour", shape[-1] == 3)) if key in values}
    dataset = restore("dataset", run.other, values, run.dataset)
    spec = dataset.spec()
    if artifact.contract(spec)["input"] != wanted["input"] or not (spec.classes and wanted["output"]["classes"]):
        raise ConfigError(f"other={run.other}: expected classes and inputs {wanted['input']}, got {spec}")
    task = mapped(wanted["output"]["classes"], spec, run.unmapped)
    samples = dataset.load(cast(Split, run.split))
    shared = task.samples(samples)
    log.info(
        "%s: %s of %s samples are of the %d shared classes", spec.name, len(shared), len(samples), len(task.columns)
    )
    others: dict[Split, Samples] = {
        split: task.known(each) for split, each in _trained_on(passport).items() if split == "train"
    }
    return task, shared, others


def _trained_on(passport: dict[str, Any]) -> dict[Split, Samples]:
    """Return the splits of the training; none where its data is not here any more or has changed."""
    try:
        dataset = restore("dataset", passport["recipes"]["dataset"], passport["config"]["dataset"], {})
        splits: dict[Split, Samples] = {"train": dataset.load("train"), "validation": dataset.load("validation")}
    except DataError as error:
        log.warning("copies of training images are not looked for, since the training data is not here: %s", error)
        return {}
    for split, samples in splits.items():
        if artifact.fingerprint(samples) != passport["splits"][split]["fingerprint"]:
            log.warning("copies of training images are not looked for, since the data of %s has changed", split)
            return {}
    return splits


def _output(run: EvaluateRun, folder: artifact.RunFolder) -> Path:
    if run.output:
        return Path(run.output)
    if run.other != "none":
        return folder.path / f"report_{run.other}_{run.split}"
    words = [run.split] * (run.split != "test" or run.tta != "none") + [run.tta] * (run.tta != "none")
    return folder.path / "_".join(["report", *words])
