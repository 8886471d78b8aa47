"""What a report knows beside a network's outputs: leaks, traits, the temperature, the protocol."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer.artifact import fingerprint
from fer.base import DataSpec, Samples, Split
from fer.evaluation import copies
from fer.evaluation.copies import NEAR, NONE, Leaks
from fer.evaluation.traits import FORMAT, Traits, measure

log = logging.getLogger(__name__)

Maps = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(inputs, classes) -> float32 (n, height, width) in [0, 1]: where the class was seen (see fer.evaluation.explain)."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it may be missing.

    Attributes:
        leaks: which judged samples have a copy in train.
        copied_labels: int (n,), the label of that copy, -1 without one.
        traits: of the judged images.
        proxies: of the judged samples (see Samples): name -> float (n,).
        temperature: fitted on the validation split.
        maps: explains predictions.
        robustness: the scores under corruptions (see fer.evaluation.robustness).
        protocol: what stands beside the score (see `protocol.stamp`).
    """

    leaks: Leaks | None = None
    copied_labels: np.ndarray | None = None
    traits: Traits | None = None
    proxies: Mapping[str, np.ndarray] = field(default_factory=dict)
    temperature: float | None = None
    maps: Maps | None = None
    robustness: Mapping[str, Any] | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)

    def mark(self, sample: int, labels: np.ndarray) -> str:
        """Return "leaked" or "leaked, there labelled otherwise" for a sample that has a copy in train."""
        if self.leaks is None or self.copied_labels is None or self.leaks.kind[sample] == NONE:
            return ""
        return "leaked" if self.copied_labels[sample] == labels[sample] else "leaked, other label in train"


UNKNOWN = Evidence()


def leaks_of(
    spec: DataSpec, split: Split, samples: Samples, train: Samples | None
) -> tuple[Traits | None, Leaks | None, np.ndarray | None]:
    """Measure the judged images and find their copies in train; the result is cached by the data's fingerprints.

    Returns:
        traits, leaks and the labels of the copies: None where the inputs are no images, or train is not known or is
        what is judged.
    """
    if spec.kind != "image":
        return None, None, None
    key = fingerprint(samples)
    traits = measure(samples, key)
    if train is None or split == "train":
        return traits, None, None
    train_key = fingerprint(train)
    both = hashlib.blake2b(json.dumps([FORMAT, NEAR, key, train_key]).encode(), digest_size=8).hexdigest()
    leaks = copies.cached_leaks(
        both, lambda: copies.leaks(traits, samples.inputs, measure(train, train_key), train.inputs)
    )
    copied = np.full(len(samples), -1)
    if spec.classes:
        copied[leaks.leaked] = labels_of(train)[leaks.partner[leaks.leaked]]
    return traits, leaks, copied


def labels_of(samples: Samples) -> np.ndarray:
    """Return int labels (n,), also of soft ones."""
    return samples.targets.argmax(axis=1) if samples.targets.ndim == 2 else samples.targets
