"""`python -m fer noise`: find labels that are probably wrong, and review them."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer import artifact, decisions
from fer.base import Dataset
from fer.cache import StoredDataset
from fer.config import restore
from fer.dataset.facemesh_csv import FacemeshCsv
from fer.errors import ConfigError, DataError, RunError
from fer.runs.noise import NoiseRun
from fer.task import task_of

if TYPE_CHECKING:
    from fer.base import Samples

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Labels that are probably wrong.

    Attributes:
        dataset: whose.
        how: what tells, for people.
        suspects: what is told of each, the worst first: row, name, given, suggested, and the probabilities or why.
        counts: samples and suspects, of all and of each class.
        shown: what the page draws: images or points, by row.
    """

    dataset: StoredDataset
    how: str
    suspects: list[dict[str, Any]]
    counts: dict[str, Any]
    shown: dict[int, np.ndarray]


def noise(run: NoiseRun) -> None:
    """Find suspects by runs or by rules, write suspects.json and review.html, and print the counts."""
    from fer.evaluation import page

    found = _by_rules(run.dataset, run.shown) if run.dataset else _by_runs(run)
    name, classes, counts = found.dataset.spec().name, found.dataset.spec().classes, found.counts
    values = {
        "dataset": name,
        "how": found.how,
        "counts": counts,
        "classes": classes,
        "suspects": found.suspects[: run.shown],
        "pictures": {row: page.picture(sample) for row, sample in found.shown.items()},
        "empty": json.loads(decisions.write(name, found.dataset.digests, classes, {})),
    }
    output = Path(run.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        artifact.write_text(output / "suspects.json", json.dumps({**counts, "first": found.suspects}, indent=1) + "\n")
        page.write_text(output / "review.html", page.render("review.html.j2", values))
    except OSError as error:
        raise RunError(f"cannot write to {output}: {error.strerror or error}; choose another with output=") from error
    print(f"{name}: {counts['suspects']:,} of {counts['samples']:,} labels are probably wrong, by {found.how}")
    for label, each in counts["classes"].items():
        print(f"  {label:<12}{each['suspects']:>7,} of {each['samples']:,}")
    print(f"  review them: {output / 'review.html'}")


def _by_rules(dataset: Dataset, shown: int) -> Found:
    from fer.evaluation import label_rules, noise
    from fer.mesh_shape import prepare

    if not isinstance(dataset, FacemeshCsv):
        raise ConfigError(
            f"dataset: expected facemesh_csv, got {dataset.spec().name}: the rules are on landmarks; make them with "
            "`python -m fer extract`, or give runs of that dataset, runs="
        )
    samples, classes = dataset.load("train"), dataset.spec().classes
    faces = dataset.faces(samples.rows)
    if np.isnan(faces.rows).any():
        log.warning("noise: some rows are without blendshapes, which most rules need; extract them again")
    told = label_rules.describe(faces, samples.targets, samples.rows, samples.names, classes)
    rows = [each["row"] for each in told]
    drawn = dataset.faces(np.array(rows[:shown], int))
    points = prepare(drawn.points, drawn.pose, label_rules.STRAIGHT)
    return Found(
        dataset=dataset,
        how="rules on the face",
        suspects=told,
        counts=noise.count(samples.targets, np.isin(samples.rows, rows), classes),
        shown=dict(zip(rows, points, strict=False)),
    )


def _by_runs(run: NoiseRun) -> Found:
    run.runtime.apply(seed=0)
    from fer.evaluation import noise

    datasets, parts = [], []
    for folder in _folders(run.runs):
        dataset, samples, probabilities = _predict(folder, run.batch_size)
        datasets.append(dataset)
        parts.append((samples, probabilities))
    dataset, classes = datasets[0], datasets[0].spec().classes
    data = decisions.fingerprint(dataset.digests)
    if any(decisions.fingerprint(other.digests) != data for other in datasets):
        raise DataError(f"noise: the runs in {run.runs} are of different data; give runs of one dataset")
    found = noise.gather(parts)
    which = noise.suspects(found, classes)
    told = noise.describe(found, which, dataset.store.names, classes)
    return Found(
        dataset=dataset,
        how=f"confident learning with {len(parts)} run{'s' * (len(parts) > 1)}",
        suspects=told,
        counts=noise.count(found.labels, which, classes),
        shown={each["row"]: dataset.store.inputs[each["row"]] for each in told[: run.shown]},
    )


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
