"""What a person decided about labels, as a small file that a dataset applies: the source stays as it is.

The file is JSON: "dataset", "fingerprint" (of all its pixels, so that it fits no other data), "classes", and
"decisions": a sample's name -> {"action": "relabel" or "drop", "label": a class}. What is kept needs no entry.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer.base import Samples
from fer.errors import DataError

ACTIONS = ("relabel", "drop")


def fingerprint(digests: np.ndarray) -> str:
    """Return a hash of the pixels of all samples of a dataset.

    Args:
        digests: uint64 (n,), of each.
    """
    return hashlib.blake2b(np.sort(digests).tobytes(), digest_size=8).hexdigest()


def apply(samples: Samples, path: str, *, digests: np.ndarray, classes: tuple[str, ...]) -> Samples:
    """Return a split with its labels changed and its samples dropped as a file says.

    Args:
        samples: the split, with labels or probabilities of classes as targets.
        path: the decision file.
        digests: uint64 of all samples of the dataset.
        classes: of the dataset.

    Raises:
        DataError: the file cannot be read, is for other data, or says something else than relabel or drop.
    """
    decisions = read(path, digests=digests, classes=classes)
    labels = {name: classes.index(each["label"]) for name, each in decisions.items() if each["action"] == "relabel"}
    names = [samples.name(row) for row in range(len(samples))]
    targets = samples.targets.copy()
    for row, name in enumerate(names):
        if name in labels:
            targets[row] = labels[name] if targets.ndim == 1 else np.eye(len(classes))[labels[name]]
    kept = np.array([decisions.get(name, {}).get("action") != "drop" for name in names])
    return replace(samples, rows=samples.rows[kept], targets=targets[kept])


def read(path: str, *, digests: np.ndarray, classes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the decisions of a file that is for these data (see `apply`)."""
    try:
        whole = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        found, decisions = whole["fingerprint"], whole["decisions"]
        actions = {name: each["action"] for name, each in decisions.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"decisions: {path} is not a decision file ({type(error).__name__}: {error})") from error
    if found != fingerprint(digests):
        raise DataError(
            f"decisions: {path} was made for other data: it says {found}, and these have {fingerprint(digests)}; "
            "review these data with `python -m fer noise`, or leave the file out with dataset.decisions=none"
        )
    for name, action in actions.items():
        if action not in ACTIONS or (action == "relabel" and decisions[name].get("label") not in classes):
            seen = f"{action} {decisions[name].get('label', '')}".strip()
            raise DataError(f"decisions: {path}: {name}: expected drop, or relabel and a class, got {seen!r}")
    return decisions


def write(dataset: str, digests: np.ndarray, classes: tuple[str, ...], decisions: dict[str, dict[str, str]]) -> str:
    """Return the text of a decision file."""
    whole = {
        "dataset": dataset,
        "fingerprint": fingerprint(digests),
        "classes": list(classes),
        "decisions": decisions,
    }
    return json.dumps(whole, indent=1) + "\n"
