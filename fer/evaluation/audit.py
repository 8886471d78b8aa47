"""What is wrong with a dataset before anything is trained on it: copies, conflicts, blanks, doctored splits."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fer import cache
from fer.artifact import fingerprint, write_text
from fer.base import Dataset, DataSpec, Samples, Split
from fer.cache import StoredDataset
from fer.errors import DataError
from fer.evaluation import copies, drift, reference
from fer.evaluation.copies import KINDS, NONE, Links
from fer.evaluation.traits import Traits, measure

log = logging.getLogger(__name__)

FORMAT = 1
"""Part of the cache's key: raise it when what is found changes."""

LISTED = 24
"""How many of the worst cases of a kind are kept, to be shown."""


@dataclass(frozen=True)
class Pool:
    """All splits of a dataset in one row after the other."""

    spec: DataSpec
    splits: Mapping[Split, Samples]
    traits: Traits
    split_of: np.ndarray
    offsets: np.ndarray

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of some rows: uint8 (n, height, width, channels)."""
        images = np.empty((len(rows), *self.spec.shape), np.uint8)
        for number, samples in enumerate(self.splits.values()):
            here = np.flatnonzero(self.split_of[rows] == number)
            if len(here):
                images[here] = samples.inputs(rows[here] - self.offsets[number])
        return images

    def label(self, row: int) -> str:
        """Return the class of a row, or nothing where the targets are points."""
        samples = list(self.splits.values())[self.split_of[row]]
        return (
            self.spec.classes[int(_labels(samples)[row - self.offsets[self.split_of[row]]])]
            if self.spec.classes
            else ""
        )

    def case(self, row: int) -> dict[str, Any]:
        """Return what the page says of a row."""
        number = int(self.split_of[row])
        name, samples = list(self.splits.items())[number]
        return {
            "row": int(row),
            "split": name,
            "name": samples.name(int(row - self.offsets[number])),
            "label": self.label(row),
        }


def pool(dataset: Dataset) -> Pool:
    """Read and measure all splits of a dataset.

    Raises:
        DataError: the inputs are no images, or a split holds nothing but what another has.
    """
    spec = dataset.spec()
    if spec.kind != "image":
        raise DataError(f"audit: expected a dataset of images, got {spec.kind} in {spec.name}")
    splits = {split: dataset.load(split) for split in dataset.available()}
    traits = {split: measure(samples, fingerprint(samples)) for split, samples in splits.items()}
    lengths = [len(samples) for samples in splits.values()]
    whole = Traits(
        **{each.name: np.concatenate([getattr(t, each.name) for t in traits.values()]) for each in fields(Traits)}
    )
    return Pool(spec, splits, whole, np.repeat(np.arange(len(lengths)), lengths), np.cumsum([0, *lengths[:-1]]))


def audit(dataset: Dataset, threshold: float) -> tuple[dict[str, Any], Pool]:
    """Look for everything that makes scores on a dataset doubtful; the result is cached by the data's fingerprint.

    Args:
        dataset: what to look at.
        threshold: lowest correlation of near copies.

    Returns:
        (summary, pool). The summary is plain JSON: "splits" (of each its samples, classes, blank images, copies within
        and quantiles of the qualities), "across" ("validation in train" -> images by kind of copy), "conflicts",
        "pairs", "blank" and "faceless" (each "count" and the worst cases), "drift" (see `drift.compare`), "reference"
        (see `reference.compare`) and "warnings" (lines).
    """
    whole = pool(dataset)
    prints = [fingerprint(samples) for samples in whole.splits.values()]
    key = hashlib.blake2b(json.dumps([FORMAT, threshold, *prints]).encode(), digest_size=8).hexdigest()
    file = cache.folder() / f"audit-{key}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8")), whole
    except (OSError, ValueError):
        pass  # not audited yet, or damaged
    summary = _audit(dataset, whole, threshold)
    with cache.writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(summary))
    return summary, whole


def _audit(dataset: Dataset, whole: Pool, threshold: float) -> dict[str, Any]:
    log.info("looking for copies among %s images", f"{len(whole.traits):,}")
    pairs = copies.links(whole.traits, whole.read, threshold)
    names = list(whole.splits)
    shared = copies.across(pairs, whole.split_of, whole.traits.digests, len(names))
    summary: dict[str, Any] = {
        "dataset": whole.spec.name,
        "shape": list(whole.spec.shape),
        "threshold": threshold,
        "classes": list(whole.spec.classes),
        "splits": {name: _split(whole, pairs, number) for number, name in enumerate(names)},
        "across": {f"{names[b]} in {names[a]}": _kinds(kind, whole.split_of == b) for (a, b), kind in shared.items()},
        "conflicts": _conflicts(whole, pairs),
        "pairs": _pairs(whole, pairs),
        "blank": _cases(whole, np.flatnonzero(whole.traits.blank)),
        "faceless": _faceless(whole),
        "drift": drift.compare({name: whole.traits[whole.split_of == number] for number, name in enumerate(names)}),
        "reference": _reference(dataset),
    }
    return summary | {"warnings": warnings(summary)}


def warnings(summary: Mapping[str, Any]) -> list[str]:
    """Return a line for everything that a score on this data should be read with."""
    lines = list((summary["reference"] or {}).get("problems", []))
    lines += [row["warning"] for row in summary["drift"] if row["warning"]]
    for pair, counts in summary["across"].items():
        second, _, first = pair.partition(" in ")
        if counts["total"]:
            share = counts["total"] / summary["splits"][second]["samples"]
            kinds = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind])
            lines.append(f"{counts['total']:,} images of {second} ({100 * share:.1f}%) have a copy in {first}: {kinds}")
    if summary["conflicts"]["count"]:
        lines.append(f"{summary['conflicts']['count']:,} groups of copies carry more than one label")
    if summary["blank"]["count"]:
        lines.append(f"{summary['blank']['count']:,} images are blank")
    for name, facts in summary["splits"].items():
        lines += [f"class {each} has no samples in {name}" for each, count in facts["classes"].items() if not count]
    return lines


def shown(summary: Mapping[str, Any]) -> list[int]:
    """Return the rows that the page shows."""
    cases = [*summary["blank"]["first"], *summary["faceless"]["first"]]
    cases += [case for group in summary["conflicts"]["first"] for case in group]
    cases += [case for pair in summary["pairs"]["first"] for case in pair["images"]]
    return sorted({case["row"] for case in cases})


def _labels(samples: Samples) -> np.ndarray:
    """Return int labels, also of soft ones."""
    return samples.targets.argmax(axis=1) if samples.targets.ndim == 2 else samples.targets


def _split(whole: Pool, pairs: Links, number: int) -> dict[str, Any]:
    """Count one split: its classes, and its images that have an earlier copy in it."""
    samples = list(whole.splits.values())[number]
    inside = (whole.split_of[pairs.first] == number) & (whole.split_of[pairs.second] == number)
    plainest = np.full(len(whole.traits), NONE, np.uint8)
    later = np.maximum(pairs.first, pairs.second)[inside]
    np.minimum.at(plainest, later, pairs.kind[inside])
    counts = np.bincount(_labels(samples), minlength=len(whole.spec.classes)).tolist() if whole.spec.classes else []
    here = whole.traits[whole.split_of == number]
    return {
        "samples": len(samples),
        "classes": dict(zip(whole.spec.classes, counts, strict=True)),
        "blank": int(here.blank.sum()),
        "copies": _kinds(plainest, whole.split_of == number),
        "qualities": drift.quantiles(here),
    }


def _kinds(kind: np.ndarray, where: np.ndarray) -> dict[str, int]:
    counts = np.bincount(kind[where], minlength=NONE + 1)[:NONE].tolist()
    return {**dict(zip(KINDS, counts, strict=True)), "total": sum(counts)}


def _conflicts(whole: Pool, pairs: Links) -> dict[str, Any]:
    """Find the groups of copies whose labels differ, the largest first."""
    if not whole.spec.classes:
        return {"count": 0, "images": 0, "first": []}
    labels = np.concatenate([_labels(samples) for samples in whole.splits.values()])
    group = copies.groups(pairs, len(labels))
    low, high = np.full(group.max() + 1, len(whole.spec.classes)), np.full(group.max() + 1, -1)
    np.minimum.at(low, group, labels)
    np.maximum.at(high, group, labels)
    sizes = np.bincount(group)
    mixed = np.flatnonzero(low < high)
    worst = mixed[np.argsort(-sizes[mixed], kind="stable")][:LISTED]
    first = [[whole.case(row) for row in np.flatnonzero(group == each)[:8]] for each in worst]
    return {"count": len(mixed), "images": int(sizes[mixed].sum()), "first": first}


def _pairs(whole: Pool, pairs: Links) -> dict[str, Any]:
    """Choose pairs across splits to be looked at: those that are least alike of each kind, in turn."""
    apart = np.flatnonzero(whole.split_of[pairs.first] != whole.split_of[pairs.second])
    chosen: list[int] = []
    for kind in range(len(KINDS)):
        some = apart[pairs.kind[apart] == kind]
        chosen += some[np.argsort(pairs.correlation[some], kind="stable")][: LISTED // 2].tolist()
    return {
        "count": len(apart),
        "first": [
            {
                "kind": KINDS[pairs.kind[each]],
                "correlation": float(pairs.correlation[each]),
                "images": [whole.case(pairs.first[each]), whole.case(pairs.second[each])],
            }
            for each in chosen
        ],
    }


def _faceless(whole: Pool) -> dict[str, Any]:
    """List the images that are least like the mean face; which of them are none is for a person to say."""
    like = drift.likeness(whole.traits.descriptors)
    order = np.argsort(np.where(whole.traits.blank, np.inf, like), kind="stable")
    return _cases(whole, order[: min(LISTED, int((~whole.traits.blank).sum()))])


def _cases(whole: Pool, rows: np.ndarray) -> dict[str, Any]:
    return {"count": len(rows), "first": [whole.case(row) for row in rows[:LISTED]]}


def _reference(dataset: Dataset) -> dict[str, Any] | None:
    if not isinstance(dataset, StoredDataset):
        return None
    store = dataset.store
    return reference.compare(
        dataset.spec().name,
        labels=np.asarray(store.targets),
        parts=np.asarray(store.parts),
        part_names=store.part_names,
        digests=np.asarray(store.digests),
        classes=dataset.spec().classes,
    )
