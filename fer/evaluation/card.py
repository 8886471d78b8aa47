"""The model card of a run (Mitchell et al. 2019, arXiv:1810.03993), written from its passport and its scores."""

from collections.abc import Mapping
from typing import Any

from fer.base import DataSpec
from fer.evaluation.page import percent, render

NAME = "MODEL_CARD.md"

LICENCES = {
    "fer2013": "for research; the images were found by a web search and are third parties'",
    "affectnet": "for research only, by agreement with its authors",
    "ferplus": "votes: MIT; images: those of FER2013, for research, third parties'",
    "ibug300w": "for research only, not for commercial use (300-W's terms)",
    "synthetic": "drawn by this package; free of third parties' rights",
}
"""Of the datasets that have a recipe here; of your own, you know it."""

UNKNOWN_LICENCE = "not known to this package; write here what allows the use of these images"


def text(spec: DataSpec, split: str, metrics: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the card as Markdown.

    Args:
        spec: the dataset.
        split: what was judged.
        metrics: the scores, as the report has them.
        facts: the run's passport; what it does not hold is said to be unknown.
    """
    values = {
        "name": facts.get("name", "unnamed"),
        "facts": facts,
        "commit": _commit(facts.get("git")),
        "spec": spec,
        "split": split,
        "metrics": metrics,
        "scores": _scores(metrics),
        "weakest": _weakest(metrics),
        "licence": LICENCES.get(spec.name, UNKNOWN_LICENCE),
        "protocol": metrics.get("protocol", {}),
        "gaps": [each for each in metrics.get("subgroups", []) if each["found"]],
        "model": facts.get("recipes", {}).get("model", "unknown"),
        "splits": facts.get("splits", {}),
    }
    return render("card.md.j2", values)


def _scores(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (score, value, 95% interval) of the whole split and of what is clean."""
    rows = []
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "nme", "failure_rate_8"):
        if name in metrics:
            ends = metrics.get("intervals", {}).get(name)
            rows.append((name.replace("_", " "), percent(metrics[name]), _ends(ends)))
    clean = metrics.get("subsets", {}).get("clean", {})
    if clean.get("accuracy") is not None:
        rows.append(
            (
                "accuracy without copies of training images",
                percent(clean["accuracy"]),
                _ends(clean["accuracy_interval"]),
            )
        )
    if "calibration" in metrics:
        calibration = metrics["calibration"]
        rows.append(("calibration error (ECE)", percent(calibration["ece"]), _ends(calibration["ece_interval"])))
    return rows


def _weakest(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the three classes that are found least, with their recall."""
    seen = [(name, each["recall"]) for name, each in metrics.get("per_class", {}).items() if each["samples"]]
    return [(name, percent(recall)) for name, recall in sorted(seen, key=lambda pair: pair[1])[:3]]


def _commit(git: Mapping[str, Any] | None) -> str:
    return f"{git['commit']}{', with uncommitted changes' if git['dirty'] else ''}" if git else "unknown"


def _ends(ends: list[float] | None) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])}" if ends else ""
