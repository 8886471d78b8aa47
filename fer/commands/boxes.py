"""`python -m fer boxes`: how a run's points hold when the face boxes are moved or scaled."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from fer import artifact
from fer.artifact import write_text
from fer.base import Split
from fer.config import restore
from fer.errors import ConfigError
from fer.runs.boxes import BoxesRun
from fer.task import task_of

log = logging.getLogger(__name__)


def boxes(run: BoxesRun) -> None:
    """Judge the run on each change of the boxes, print a table and write it to boxes.json in the run folder."""
    folder = artifact.find(run.run)
    passport = folder.passport()
    recipe, settings = passport["recipes"]["dataset"], passport["config"]["dataset"]
    if "box_shift" not in settings:
        raise ConfigError(
            f"run: expected a run on a dataset with face boxes, such as ibug300w; {folder.path} is on {recipe}"
        )
    run.runtime.apply(seed=0)
    from fer.evaluation import points
    from fer.evaluation.judge import predict  # imports Keras, whose backend is chosen by now
    from fer.nn.weights import load_network

    network = load_network(folder.model)
    rows: list[dict[str, Any]] = []
    for shift, scale in changes(run.shares):
        dataset = restore("dataset", recipe, settings, {**run.dataset, "box_shift": shift, "box_scale": scale})
        samples = dataset.load(cast(Split, run.split))
        scores = points.landmarks(predict(network, task_of(dataset.spec()), samples, run.batch_size), samples.targets)
        kept = ("samples", "nme", "nme_interval", "failure_rate_8", "failure_rate_10")
        rows.append({"box_shift": shift, "box_scale": scale, **{key: scores[key] for key in kept}})
        log.info(_line(rows[-1]))
    output = Path(folder.path) / "boxes.json"
    write_text(output, json.dumps({"split": run.split, "rows": rows}, indent=2) + "\n")
    log.info("written to %s", output)


def changes(shares: list[float]) -> Iterator[tuple[float, float]]:
    """Yield (shift, scale): the boxes as they are, each share of either alone, and of both together."""
    yield 0.0, 0.0
    for share in shares:
        yield from ((share, 0.0), (0.0, share), (share, share))


def _line(row: dict[str, Any]) -> str:
    low, high = (100 * value for value in row["nme_interval"])
    return (
        f"boxes shifted by up to {row['box_shift']:>4.0%}, scaled by up to {row['box_scale']:>4.0%}: "
        f"NME {100 * row['nme']:.2f}% ({low:.2f} to {high:.2f}), above 8% {row['failure_rate_8']:.1%}, "
        f"above 10% {row['failure_rate_10']:.1%}"
    )
