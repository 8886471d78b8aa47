"""`python -m fer evaluate`: judge a finished run on any split again."""

import logging
from pathlib import Path
from typing import Any, cast

from fer import artifact
from fer.base import Samples, Split
from fer.config import restore
from fer.errors import ConfigError, DataError
from fer.runs import EvaluateRun
from fer.task import task_of

log = logging.getLogger(__name__)


def evaluate(run: EvaluateRun) -> None:
    """Judge the run and print its score and where the report is."""
    folder = artifact.find(run.run)
    passport = folder.passport()
    dataset = restore("dataset", passport["recipes"]["dataset"], passport["config"]["dataset"], run.dataset)
    spec = dataset.spec()
    if artifact.contract(spec) != passport["contract"]:
        raise ConfigError(f"dataset: expected data as in the run's contract {passport['contract']}, got {spec}")
    samples = dataset.load(cast(Split, run.split))
    run.runtime.apply(seed=0)
    import keras  # its backend is chosen by now

    from fer.evaluation.judge import judge

    judge(
        keras.models.load_model(folder.model, compile=False),
        task_of(spec),
        samples,
        split=cast(Split, run.split),
        output=_output(run, folder),
        history=folder.history(),
        facts=passport,
        batch_size=run.batch_size,
        tta=run.tta,
        others=_trained_on(passport),
        folder=folder.path,
        robustness=run.robustness,
    )


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
    words = [run.split] * (run.split != "test" or run.tta != "none") + [run.tta] * (run.tta != "none")
    return folder.path / "_".join(["report", *words])
