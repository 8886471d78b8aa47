"""From a network and a split to its judgement."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.artifact import fingerprint
from fer.base import Augment, Samples, Split
from fer.evaluation import protocol, report
from fer.evaluation.calibration import fit_temperature
from fer.evaluation.evidence import Evidence, Maps, labels_of, leaks_of
from fer.evaluation.mapping import Mapped
from fer.evaluation.views import views
from fer.pipeline import Batches
from fer.task import Task

log = logging.getLogger(__name__)

TYPICAL = 500
"""Faces whose mean stands for hidden landmarks."""


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
    others: Mapping[Split, Samples] | None = None,
    folder: Path | None = None,
    robustness: int = 0,
    tta: str = "none",
) -> dict[str, Any]:
    """Run a network on a split, write the report, and return the metrics (see fer.evaluation.metrics and .trust).

    Args:
        network: takes the samples' inputs.
        task: decodes its outputs.
        samples: the split.
        split: its name, for the titles.
        output: the report's folder.
        history: the rows of metrics.csv.
        facts: what is known of the run, shown in the report.
        batch_size: samples at a time.
        others: the splits of the training: copies are looked for in train, the temperature is fitted on validation.
        folder: of the run, where looks at the test split are counted; None counts none.
        robustness: how many images are judged under corruptions too; 0 for none.
        tta: test-time augmentation (see fer.evaluation.views), stamped beside the score.

    Raises:
        ConfigError: the network mixes the samples of a batch.
    """
    others = others or {}
    protocol.demand_independence(network, samples)
    outputs = predict(network, task, samples, batch_size, tta)
    looks = protocol.look(folder, fingerprint(samples)) if folder and split == "test" else None
    traits, leaks, copied = leaks_of(task.spec, split, samples, others.get("train"))
    evidence = Evidence(
        leaks=leaks,
        copied_labels=copied,
        traits=traits,
        proxies=samples.proxies(samples.rows) if samples.proxies else {},
        temperature=_temperature(network, task, split, others, facts, batch_size, tta),
        maps=_maps(network, task, samples),
        robustness=_robustness(network, task, samples, robustness, batch_size),
        protocol=protocol.stamp(facts, split, looks, tta),
    )
    metrics = report.write(
        output,
        spec=task.spec,
        split=split,
        samples=samples,
        outputs=outputs,
        history=history,
        facts=facts,
        evidence=evidence,
    )
    log.info("%s %s %.4f on %d samples, report in %s", split, task.score, metrics[task.score], len(samples), output)
    for line in told(metrics):
        log.info("  %s", line)
    return metrics


def told(metrics: Mapping[str, Any]) -> list[str]:
    """Return the lines on trust that a terminal shows below a score."""
    lines = []
    subsets = metrics.get("subsets", {})
    if subsets.get("leaked", {}).get("samples"):
        score = "accuracy" if "accuracy" in metrics else "nme"
        parts = [
            f"{100 * each[score]:.1f}% on {each['samples']:,} {name}" if each["samples"] else f"no {name} ones"
            for name, each in subsets.items()
        ]
        lines.append(f"{score} {', '.join(parts)} (leaked: a copy is in train)")
    for trait in metrics.get("subgroups", []):
        if trait["found"]:
            lines.append(f"accuracy differs by {100 * trait['gap']:.0f} points along {trait['trait']}")
    looks = metrics.get("protocol", {}).get("looks at this test split", {})
    if looks.get("sweep", 0) > 1:
        lines.append(f"this test split was looked at {looks['run']} times by this run, {looks['sweep']} by its sweep")
    return lines


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


def _temperature(
    network: keras.Model,
    task: Task,
    split: Split,
    others: Mapping[Split, Samples],
    facts: Mapping[str, Any],
    batch_size: int,
    tta: str,
) -> float | None:
    """Return what the run fitted already, or fit it on the validation split; None where that is what is judged."""
    if task.spec.target != "classes" or split == "validation":
        return None
    known = facts.get("metrics", {}).get("calibration", {}).get("temperature")
    if (known is not None and tta == "none") or "validation" not in others:
        return known if tta == "none" else None
    validation = others["validation"]
    probabilities = predict(network, task, validation, batch_size, tta).astype(np.float64)
    return fit_temperature(probabilities, labels_of(validation)) if np.isfinite(probabilities).all() else None


def _maps(network: keras.Model, task: Task, samples: Samples) -> Maps | None:
    from fer.evaluation.explain import feature_layer, grad_cam, occlusion

    if task.spec.target != "classes":
        return None
    if task.spec.kind == "landmarks":
        few = np.unique(np.linspace(0, len(samples) - 1, TYPICAL).astype(int))
        mean = samples.inputs(few).mean(axis=0)
        return lambda inputs, classes: occlusion(
            lambda points: task.decode(keras.ops.convert_to_numpy(network(points, training=False))),
            inputs,
            classes,
            mean,
        )
    try:
        feature_layer(network)
    except ValueError:  # no convolution
        return None
    columns = task.columns if isinstance(task, Mapped) else np.arange(len(task.spec.classes))
    return lambda inputs, classes: grad_cam(network, inputs, columns[classes])


def _robustness(
    network: keras.Model, task: Task, samples: Samples, count: int, batch_size: int
) -> dict[str, Any] | None:
    if not count or task.spec.kind != "image" or task.spec.target != "classes":
        return None
    from fer.evaluation.robustness import judge as corrupt

    return corrupt(
        lambda inputs: task.decode(network.predict(inputs, batch_size=batch_size, verbose=0)),
        samples,
        labels_of(samples),
        count,
    )
