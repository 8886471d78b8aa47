"""`python -m fer noise`: find labels that are probably wrong, and review them."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer import artifact, decisions
from fer.cache import StoredDataset
from fer.config import restore
from fer.errors import DataError, RunError
from fer.runs.noise import NoiseRun
from fer.task import task_of

if TYPE_CHECKING:
    from fer.base import Samples

log = logging.getLogger(__name__)


def noise(run: NoiseRun) -> None:
    """Predict what each run did not train on, write suspects.json and review.html, and print the counts."""
    run.runtime.apply(seed=0)
    from fer.evaluation import noise as labels
    from fer.evaluation import page

    datasets, parts = [], []
    for folder in _folders(run.runs):
        dataset, samples, probabilities = _predict(folder, run.batch_size)
        datasets.append(dataset)
        parts.append((samples, probabilities))
    dataset, classes = datasets[0], datasets[0].spec().classes
    data = decisions.fingerprint(dataset.store.digests)
    if any(decisions.fingerprint(other.store.digests) != data for other in datasets):
        raise DataError(f"noise: the runs in {run.runs} are of different data; give runs of one dataset")
    found = labels.gather(parts)
    which = labels.suspects(found, classes)
    told = labels.describe(found, which, dataset.store.names, classes)
    counts = labels.summary(found, which, classes)
    values = {
        "dataset": dataset.spec().name,
        "counts": counts,
        "classes": classes,
        "suspects": told[: run.shown],
        "pictures": {each["row"]: page.picture(dataset.store.inputs[each["row"]]) for each in told[: run.shown]},
        "empty": json.loads(decisions.write(dataset.spec().name, dataset.store.digests, classes, {})),
    }
    output = Path(run.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        artifact.write_text(output / "suspects.json", json.dumps({**counts, "first": told}, indent=1) + "\n")
        page.write_text(output / "review.html", page.render("review.html.j2", values))
    except OSError as error:
        raise RunError(f"cannot write to {output}: {error.strerror or error}; choose another with output=") from error
    print(f"{values['dataset']}: {len(which):,} of {len(found.rows):,} labels are probably wrong, by {len(parts)} runs")
    for name, each in counts["classes"].items():
        print(f"  {name:<12}{each['suspects']:>7,} of {each['samples']:,}")
    print(f"  review them: {output / 'review.html'}")


def _folders(runs: str) -> list[artifact.RunFolder]:
    if runs == "latest":
        return [artifact.find(runs)]
    found = [artifact.RunFolder(file.parent) for file in sorted(Path(runs).expanduser().rglob("manifest.json"))]
    if not found:
        raise RunError(
            f"runs={runs}: no finished run there; train one, or folds of one with dataset.splits.validation=1/5,2/5,..."
        )
    return found


def _predict(folder: artifact.RunFolder, batch_size: int) -> "tuple[StoredDataset, Samples, np.ndarray]":
    from fer.evaluation.judge import predict
    from fer.nn.weights import load_network

    passport = folder.passport()
    dataset = restore("dataset", passport["recipes"]["dataset"], passport["config"]["dataset"], {})
    if not isinstance(dataset, StoredDataset) or not dataset.spec().classes:
        raise DataError(f"noise: expected a dataset of files with classes, got {dataset.spec().name}")
    samples = dataset.load("validation")
    if artifact.fingerprint(samples) != passport["splits"]["validation"]["fingerprint"]:
        raise DataError(f"{folder.path}: its validation data has changed since; train again")
    log.info("predicting the %s validation samples of %s", f"{len(samples):,}", folder.path)
    network = load_network(folder.model)
    return dataset, samples, predict(network, task_of(dataset.spec()), samples, batch_size)
