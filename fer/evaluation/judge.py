"""From a network and a split to its judgement."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.base import Augment, Samples, Split
from fer.evaluation import report
from fer.evaluation.views import views
from fer.pipeline import Batches
from fer.task import Task

log = logging.getLogger(__name__)


def judge(
    network: keras.Model,
    task: Task,
    samples: Samples,
    *,
    split: Split,
    output: Path,
    history: list[dict[str, Any]],
    facts: Mapping[str, Any],
    batch_size: int,
    tta: str = "none",
) -> dict[str, Any]:
    """Run a network on a split, write the report, and return the metrics (see fer.evaluation.metrics).

    Args:
        network: takes the samples' inputs.
        task: decodes its outputs.
        samples: the split.
        split: its name, for the titles.
        output: the report's folder.
        history: the rows of metrics.csv.
        facts: what is known of the run, shown in the report.
        batch_size: samples at a time.
        tta: test-time augmentation (see fer.evaluation.views), stamped in the metrics.
    """
    outputs = predict(network, task, samples, batch_size, tta)
    if not task.spec.points:
        samples = replace(samples, targets=task.labels(samples.targets))
    if tta != "none":
        facts = {**facts, "test-time augmentation": tta}
    metrics = report.write(
        output, spec=task.spec, split=split, samples=samples, outputs=outputs, history=history, facts=facts
    )
    log.info("%s %s %.4f on %d samples, report in %s", split, task.score, metrics[task.score], len(samples), output)
    return metrics


def predict(network: keras.Model, task: Task, samples: Samples, batch_size: int, tta: str = "none") -> np.ndarray:
    """Return the decoded outputs for a whole split, as the mean over the views: probabilities, or points in pixels."""
    if tta == "none":
        return task.decode(network.predict(Batches(samples, task, batch_size=batch_size), verbose=0))
    outputs = []
    for look, undo in views(tta, task.spec):
        batches = Batches(samples, task, batch_size=batch_size, augment=_seen(look))
        outputs.append(undo(task.decode(network.predict(batches, verbose=0))))
    return np.mean(outputs, axis=0)


def _seen(look: Callable[[np.ndarray], np.ndarray]) -> Augment:
    return lambda inputs, targets, seed: (look(inputs), targets)
