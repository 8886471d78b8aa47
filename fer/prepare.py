"""Verify a dataset before training: counts, what cannot be read, blank images, copies, sizes, a chart and samples."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from fer.base import Dataset, DataSpec, Samples, Split, batched
from fer.cache import LISTED, StoredDataset, digest
from fer.errors import RunError

PER_CLASS = 8
"""Pictures of each class in the sample grid."""


def prepare(dataset: Dataset, output: Path) -> dict[str, Any]:
    """Read every sample once and write what was found to `output`: summary.json, classes.png, samples.png.

    Args:
        dataset: what to verify.
        output: a folder, made where it is not there.

    Returns:
        What summary.json holds: "dataset", "shape", "splits" (of each its samples, blank, duplicates and classes),
        "skipped", "blank", "duplicates" and "sizes" (counts, and the first ten of what is wrong), and "figures".

    Raises:
        DataError: the data is missing or damaged.
        RunError: `output` cannot be written.
    """
    spec = dataset.spec()
    splits = {split: dataset.load(split) for split in dataset.available()}
    scans = {split: _scan(samples) for split, samples in splits.items()}
    digests = {split: scan[0] for split, scan in scans.items()}
    blank = {split: scan[1] for split, scan in scans.items()}
    summary = {
        "dataset": spec.name,
        "shape": list(spec.shape),
        "splits": {split: _counts(spec, samples, digests[split], blank[split]) for split, samples in splits.items()},
        "blank": _listed([name for split, samples in splits.items() for name in _names(samples, blank[split])]),
        "duplicates": _duplicates(spec, splits, digests),
        **_stored(dataset, splits),
    }
    try:
        output.mkdir(parents=True, exist_ok=True)
        summary["figures"] = _figures(spec, splits, summary, output)
        _replace(output / "summary.json", lambda path: path.write_text(json.dumps(summary, indent=2) + "\n"))
    except OSError as error:
        raise RunError(f"cannot write to {output}: {error.strerror or error}; choose another with output=") from error
    return summary


def describe(summary: dict[str, Any]) -> str:
    """Return the few lines that a terminal shows of a summary."""
    lines = [f"{summary['dataset']}: inputs of {' x '.join(map(str, summary['shape']))}"]
    for split, facts in summary["splits"].items():
        classes = ", ".join(f"{name} {count}" for name, count in facts["classes"].items())
        lines.append(f"  {split:<11}{facts['samples']:>8}{f'  ({classes})' if classes else ''}")
    lines += [_line(name, summary[key]) for key, name in (("skipped", "unreadable"), ("blank", "blank"))]
    copies = summary["duplicates"]
    within = ", ".join(f"{split} {facts['duplicates']}" for split, facts in summary["splits"].items())
    across = ", ".join(f"{count} of {pair}" for pair, count in copies["across"].items())
    lines.append(f"  copies within a split: {within}")
    lines.append(f"  copies across splits: {across or 'none'}")
    lines.append(_line("groups of copies with conflicting labels", copies["conflicts"]))
    if sizes := summary.get("sizes"):
        seen = ", ".join(f"{size} ({count})" for size, count in list(sizes["seen"].items())[:4])
        lines += [f"  sizes before the resize: {seen}", _line("not of the usual size", sizes["odd"])]
    return "\n".join(lines)


def _line(name: str, listed: dict[str, Any]) -> str:
    first = "; ".join(listed["first"][:3]) + "; ..." * (listed["count"] > 3)
    return f"  {name}: {listed['count']}" + (f" ({first})" if first else "")


def _scan(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Read all inputs: digests uint64 (samples,), and where all values of an input are one, bool (samples,)."""
    digests, blank = np.empty(len(samples), np.uint64), np.empty(len(samples), bool)
    for some in batched(len(samples), 256):
        inputs = samples.inputs(some)
        flat = inputs.reshape(len(inputs), -1)
        digests[some] = [digest(each) for each in inputs]
        blank[some] = flat.min(1) == flat.max(1)
    return digests, blank


def _names(samples: Samples, which: np.ndarray) -> list[str]:
    return [samples.name(sample) for sample in np.flatnonzero(which).tolist()]


def _counts(spec: DataSpec, samples: Samples, digests: np.ndarray, blank: np.ndarray) -> dict[str, Any]:
    labels = np.bincount(samples.targets, minlength=len(spec.classes)).tolist() if spec.classes else []
    return {
        "samples": len(samples),
        "blank": int(blank.sum()),
        "duplicates": len(digests) - len(np.unique(digests)),
        "classes": dict(zip(spec.classes, labels, strict=True)),
    }


def _listed(texts: list[str]) -> dict[str, Any]:
    return {"count": len(texts), "first": texts[:LISTED]}


def _duplicates(spec: DataSpec, splits: dict[Split, Samples], digests: dict[Split, np.ndarray]) -> dict[str, Any]:
    """Count exact copies across splits, and list the groups of copies that have more than one label."""
    across = {
        f"{second} in {first}": int(np.isin(digests[second], digests[first]).sum())
        for first, second in combinations(splits, 2)
    }
    groups: dict[int, dict[str, str]] = defaultdict(dict)  # of each digest, the first sample of every label
    if spec.classes:
        for split, samples in splits.items():
            for sample, (key, label) in enumerate(zip(digests[split].tolist(), samples.targets.tolist(), strict=True)):
                groups[key].setdefault(spec.classes[label], samples.name(sample))
    conflicts = [group for group in groups.values() if len(group) > 1]
    texts = [", ".join(f"{name}: {label}" for label, name in group.items()) for group in conflicts]
    return {"across": {pair: count for pair, count in across.items() if count}, "conflicts": _listed(texts)}


def _stored(dataset: Dataset, splits: dict[Split, Samples]) -> dict[str, Any]:
    """Return what the cache knows besides the samples: what was left out of it, and sizes before the resize."""
    if not isinstance(dataset, StoredDataset):
        return {"skipped": _listed([])}
    store = dataset.store
    rows = np.concatenate([samples.rows for samples in splits.values()])
    sizes = np.asarray(store.sizes)[rows]
    seen = Counter(f"{width}x{height}" for width, height in sizes.tolist()).most_common()
    odd = rows[(sizes != np.array(seen[0][0].split("x"), int)).any(1)]
    return {
        "skipped": {"count": store.skipped, "first": list(store.first_skipped)},
        "sizes": {"seen": dict(seen[:LISTED]), "odd": _listed([store.names[int(row)] for row in odd])},
    }


def _figures(spec: DataSpec, splits: dict[Split, Samples], summary: dict[str, Any], output: Path) -> list[str]:
    figures: dict[str, Any] = {}
    if spec.classes:
        figures["classes.png"] = _class_chart(summary)
    if spec.kind == "image":
        figures["samples.png"] = _sample_grid(spec, splits["train"])
    for name, figure in figures.items():
        _replace(output / name, partial(figure.savefig, format="png"))
    return list(figures)


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        write(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _class_chart(summary: dict[str, Any]) -> Any:
    """Draw the number of samples of each class, a bar a split."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(summary["splits"])
    for index, (split, facts) in enumerate(summary["splits"].items()):
        names, counts = list(facts["classes"]), list(facts["classes"].values())
        bars = axes.bar(np.arange(len(names)) + index * width, counts, width, label=split)
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names, rotation=30 if len(names) > 5 else 0)
    axes.set(title=f"{summary['dataset']}: samples of each class", ylabel="samples")
    axes.legend()
    return figure


def _sample_grid(spec: DataSpec, train: Samples) -> Any:
    """Draw the first pictures of each class, or the first of all with their points."""
    from matplotlib.figure import Figure

    names = spec.classes or ("",) * 3
    rows = [np.flatnonzero(train.targets == label)[:PER_CLASS] for label in range(len(spec.classes))]
    rows = rows or np.array_split(np.arange(min(len(train), 3 * PER_CLASS)), 3)
    figure = Figure(figsize=(PER_CLASS + 1, len(names)), dpi=100, layout="constrained")
    grid = figure.subplots(len(names), PER_CLASS, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[], frame_on=False)
    for name, row, samples in zip(names, grid, rows, strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axes, sample in zip(row, samples, strict=False):
            axes.imshow(train.inputs(sample).squeeze(), cmap="gray", vmin=0, vmax=255)
            if spec.points:
                axes.plot(*train.targets[sample].T - 0.5, ".", markersize=1)
    return figure
