"""From a network and a split to its judgement."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.base import Samples, Split
from fer.evaluation import report
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
    """
    outputs = predict(network, task, samples, batch_size)
    metrics = report.write(
        output, spec=task.spec, split=split, samples=samples, outputs=outputs, history=history, facts=facts
    )
    log.info("%s %s %.4f on %d samples, report in %s", split, task.score, metrics[task.score], len(samples), output)
    return metrics


def predict(network: keras.Model, task: Task, samples: Samples, batch_size: int) -> np.ndarray:
    """Return the decoded outputs for a whole split: probabilities, or points in pixels."""
    return task.decode(network.predict(Batches(samples, task, batch_size=batch_size), verbose=0))
