"""Judging a network on another dataset, whose classes have other names, another order, or are more or fewer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer.base import DataSpec, Samples
from fer.errors import DataError
from fer.evaluation.evidence import labels_of
from fer.task import Classification

SYNONYMS = {
    "angry": ("anger", "angry"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happy": ("happy", "happiness", "joy", "smile"),
    "sad": ("sad", "sadness"),
    "surprise": ("surprise", "surprised"),
    "neutral": ("neutral", "neutrality", "calm"),
    "contempt": ("contempt", "contemptuous"),
}
"""Names of one expression in FER2013, FER+, AffectNet-7 and -8, RAF-DB, CK+ and image folders, in lower case."""

PLAIN = {name: plain for plain, names in SYNONYMS.items() for name in names}


@dataclass(frozen=True)
class Mapped(Classification):
    """The classes that a network and other data share; `spec` has those alone, in the network's order.

    Attributes:
        columns: int (shared,), the network's output of each.
        rows: data label -> shared label, -1 where the network does not have that class; int (data classes,).
    """

    columns: np.ndarray
    rows: np.ndarray

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of the shared classes, as if there were no others."""
        shared = outputs[:, self.columns]
        return shared / np.maximum(shared.sum(axis=1, keepdims=True), 1e-12)

    def samples(self, samples: Samples) -> Samples:
        """Return the samples whose class is shared, with shared labels."""
        labels = self.rows[labels_of(samples)]
        kept = labels >= 0
        return replace(samples, rows=samples.rows[kept], targets=labels[kept])

    def known(self, train: Samples) -> Samples:
        """Return what the network was trained on with shared labels, -1 where a class is not shared."""
        inverse = np.full(1 + max(self.columns.max(initial=0), int(labels_of(train).max(initial=0))), -1)
        inverse[self.columns] = np.arange(len(self.columns))
        return replace(train, targets=inverse[labels_of(train)])


def mapped(network: Sequence[str], data: DataSpec, unmapped: str) -> Mapped:
    """Find the classes that a network and a dataset share.

    Args:
        network: the network's classes, in the order of its outputs.
        data: the dataset.
        unmapped: "stop" where the data has a class that the network has not, or "drop" its samples.

    Raises:
        DataError: a class is not shared and `unmapped` is "stop", two classes are one, or fewer than two are shared.
    """
    names, other = [plain(name) for name in network], [plain(name) for name in data.classes]
    for classes, whose in ((names, "the network"), (other, data.name)):
        if len(set(classes)) < len(classes):
            twice = next(name for name in classes if classes.count(name) > 1)
            raise DataError(f"classes: {whose} has {twice} under two names; rename one of them")
    shared = [name for name in names if name in other]
    absent = [name for name, each in zip(data.classes, other, strict=True) if each not in names]
    if len(shared) < 2 or (absent and unmapped == "stop"):
        raise DataError(
            f"classes: {data.name} has {', '.join(absent)}, which the network does not know "
            f"(it knows {', '.join(network)}); leave those samples out with unmapped=drop, or rename the classes"
        )
    spec = replace(data, classes=tuple(network[names.index(name)] for name in shared))
    rows = np.array([shared.index(name) if name in shared else -1 for name in other])
    return Mapped(spec, np.array([names.index(name) for name in shared]), rows)


def plain(name: str) -> str:
    """Return the common name of an expression, or the name itself in lower case."""
    return PLAIN.get(name.lower(), name.lower())
