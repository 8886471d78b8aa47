"""The training inputs that a quantizer sees."""

from __future__ import annotations

import logging

import numpy as np

from fer.base import Samples, batched
from fer.cache import digest
from fer.errors import ConfigError
from fer.export.int8 import FEWEST

log = logging.getLogger(__name__)


def choose(train: Samples, judged: Samples, count: int, seed: int) -> np.ndarray:
    """Choose training inputs to calibrate with, as many of each class as there are and none of the judged ones.

    Args:
        train: the training split.
        judged: what the file will be judged on; an exact copy of one of these is passed over.
        count: how many to choose; fewer where the split has fewer.
        seed: of the choice.

    Returns:
        The inputs, (n, ...) as Samples has them.

    Raises:
        ConfigError: too few are left.
    """
    known = {digest(each) for part in batched(len(judged), 1024) for each in judged.inputs(part)}
    chosen: list[int] = []
    copies = 0
    for sample in _order(train.targets, np.random.default_rng(seed)):
        if len(chosen) == count:
            break
        if digest(train.inputs(sample)) in known:
            copies += 1
        else:
            chosen.append(int(sample))
    if len(chosen) < FEWEST:
        raise ConfigError(
            f"export.calibration: expected {FEWEST} or more training samples, got {len(chosen)} of {len(train)}"
            + (f"; {copies} are also in the split that judges the file, which may not calibrate it" if copies else "")
        )
    log.info(
        "calibrating with %d of %d training samples (seed %d, %d copies passed over)",
        len(chosen),
        len(train),
        seed,
        copies,
    )
    return train.inputs(np.sort(chosen))


def _order(targets: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return all samples in random order, where there are classes one of each in turn."""
    shuffled = random.permutation(len(targets))
    if targets.ndim == 3:  # points
        return shuffled
    labels = (targets if targets.ndim == 1 else targets.argmax(axis=1))[shuffled]
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    return shuffled[np.argsort(turn, kind="stable")]
