"""`python -m fer evaluate`: judge a finished run on any split again."""

from pathlib import Path
from typing import cast

from fer import artifact
from fer.base import Split
from fer.config import restore
from fer.errors import ConfigError
from fer.runs import EvaluateRun
from fer.task import task_of


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
    )


def _output(run: EvaluateRun, folder: artifact.RunFolder) -> Path:
    if run.output:
        return Path(run.output)
    words = [run.split] * (run.split != "test" or run.tta != "none") + [run.tta] * (run.tta != "none")
    return folder.path / "_".join(["report", *words])
