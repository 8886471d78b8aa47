"""What keeps a score honest: splits that are apart, predictions that stand alone, counted looks at the test split."""

import csv
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.base import Samples, Split, batched
from fer.cache import digest
from fer.errors import ConfigError, DataError

log = logging.getLogger(__name__)

LOOKS = "test_looks.csv"
"""In a run folder: a row each time that its network was judged on a test split."""

TRIED = 8
"""How many samples are predicted in company and alone."""


def demand_apart(splits: Mapping[Split, Samples], name: str) -> None:
    """Refuse splits that share samples, or of which one holds nothing but copies of another's.

    Raises:
        DataError: with the two splits and what they share.
    """
    for (first, a), (second, b) in combinations(splits.items(), 2):
        if a.source is b.source and (shared := len(np.intersect1d(a.rows, b.rows))):
            raise DataError(f"{name}: {second} and {first} share {shared:,} samples; give each split its own")
    digests = {split: _digests(samples) for split, samples in splits.items() if split != "train"}
    if {"validation", "test"} <= set(digests) and np.isin(digests["test"], digests["validation"]).all():
        raise DataError(
            f"{name}: every sample of test is in validation too, so that the test split would choose the epoch; "
            "give validation other samples, such as a fraction of train (dataset.splits.validation=0.1)"
        )


def demand_independence(network: keras.Model, samples: Samples) -> None:
    """Refuse a network whose prediction of one sample changes with the others in its batch.

    Attention or normalisation over the batch lets the labels of neighbours leak where batches are sorted by class, and
    makes a score depend on the order of the test split.

    Raises:
        ConfigError: it does; the text says by how much.
    """
    inputs = samples.inputs(np.unique(np.linspace(0, len(samples) - 1, TRIED).astype(int)))
    together = _predict(network, inputs)
    alone = np.concatenate([_predict(network, inputs[i : i + 1]) for i in (0, len(inputs) - 1)])
    pairs = _predict(network, inputs[[0, 0, -1, -1]])[[0, 3]]  # the same neighbours, if fewer
    worst = float(np.abs(np.stack([alone, pairs]) - together[[0, -1]]).max())
    exact = keras.config.dtype_policy().compute_dtype == "float32"
    if worst > (1e-4 if exact else 3e-2) * max(1.0, float(np.abs(together).max())):
        raise ConfigError(
            f"model: the prediction of one sample changes by up to {worst:.2g} with its neighbours in the batch; "
            "a layer mixes the samples (attention or normalisation over axis 0), so scores would depend on the batches"
        )


def look(folder: Path, fingerprint: str) -> dict[str, int]:
    """Count a judgement on a test split, and return how often it was looked at.

    Args:
        folder: of the run.
        fingerprint: of the test split.

    Returns:
        run: looks by this run, this one included; sweep: by all runs in the same parent folder.
    """
    file = folder / LOOKS
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerows([["time", "test_fingerprint"]] if new else [])
        writer.writerow([datetime.now(UTC).isoformat(timespec="seconds"), fingerprint])
    sweep = sum(_looks(each, fingerprint) for each in folder.resolve().parent.glob(f"*/{LOOKS}"))
    return {"run": _looks(file, fingerprint), "sweep": sweep}


def stamp(facts: Mapping[str, Any], split: str, looks: Mapping[str, int] | None, tta: str = "none") -> dict[str, Any]:
    """Return what must stand beside a score.

    Args:
        facts: the run's passport.
        split: what was judged.
        looks: at the test split (see `look`); None for another split.
        tta: test-time augmentation.
    """
    config = facts.get("config", {})
    splits = config.get("dataset", {}).get("splits", {})
    combined = facts.get("combined")
    monitor = facts.get("monitor", {}).get("name", "")
    return {
        "judged on": f"{split} ({splits[split]})" if split in splits else split,
        "trained on": splits.get("train", "train"),
        "epoch chosen by": f"{monitor} on validation" + (f" ({splits['validation']})" if splits else ""),
        "starting weights": config.get("model", {}).get("weights", "unknown"),
        "test-time augmentation": tta,
        **({"combined": f"{len(combined['runs'])} runs by {combined['by']}"} if combined else {}),
        **({"looks at this test split": dict(looks)} if looks else {}),
    }


def _looks(file: Path, fingerprint: str) -> int:
    with file.open(newline="", encoding="utf-8") as lines:
        return sum(row.get("test_fingerprint") == fingerprint for row in csv.DictReader(lines))


def _predict(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    outputs = keras.ops.convert_to_numpy(network(inputs, training=False))
    return outputs.astype(np.float64)


def _digests(samples: Samples) -> np.ndarray:
    some = batched(len(samples), 256)
    return np.array([digest(each) for part in some for each in samples.inputs(part)], np.uint64)
