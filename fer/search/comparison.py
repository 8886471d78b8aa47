"""Runs beside each other: scores, settings that differ, curves, and paired tests on the same test images."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fer.artifact import RunFolder
from fer.errors import RunError
from fer.evaluation.bootstrap import mcnemar, paired_bootstrap
from fer.evaluation.figures import GRID, WIDTH, _save
from fer.resume import FREE, flat
from fer.search.front import draw
from fer.search.table import html_table, print_rows, write_csv, write_html
from fer.search.trial import MEASURES

OWN = (*FREE, "name", "seed")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run.

    Attributes:
        label: what it is called here: its folder, without what all have in common.
        folder: the run folder.
        passport: its manifest.
    """

    label: str
    folder: RunFolder
    passport: dict[str, Any]

    @property
    def score(self) -> tuple[str, float]:
        """The score of the split that it was judged on; accuracy, or NME."""
        metrics = self.passport["metrics"]
        key = "accuracy" if "accuracy" in metrics else "nme"
        return key, metrics[key]

    def judged(self) -> dict[str, float]:
        """Return, for each judged sample, 1 or 0 for right or wrong, or its NME."""
        with (self.folder.report / "predictions.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if "predicted" in rows[0]:
            return {row["name"]: float(row["true"] == row["predicted"]) for row in rows}
        return {row["name"]: float(row["nme"]) for row in rows}


def finished(places: Sequence[str]) -> list[Finished]:
    """Find the finished runs in some folders.

    Raises:
        RunError: there are fewer than two, or a folder is not there.
    """
    paths: list[Path] = []
    for place in map(Path, places):
        if not place.is_dir():
            raise RunError(f"runs={place}: no such folder")
        alone = (place / "manifest.json").exists()
        paths += [place] if alone else sorted(each.parent for each in place.glob("**/manifest.json"))
    paths = list(dict.fromkeys(paths))
    if len(paths) < 2:
        raise RunError(f"runs: expected two finished runs or more, found {len(paths)}")
    common = Path(*_common([path.parts for path in paths]))
    return [
        Finished(label=str(path.relative_to(common)), folder=RunFolder(path), passport=RunFolder(path).passport())
        for path in paths
    ]


def _common(paths: Sequence[tuple[str, ...]]) -> list[str]:
    shared = []
    for parts in zip(*(path[:-1] for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared


def write(runs: Sequence[Finished], output: Path) -> Path:
    """Write compare.html with its tables and pictures, and print the tables."""
    output.mkdir(parents=True, exist_ok=True)
    key, mode = runs[0].score[0], "max" if runs[0].score[0] == "accuracy" else "min"
    rows = [row(run) for run in runs]
    values = [each[key] for each in rows]
    best = values.index(max(values) if mode == "max" else min(values))
    tests, changed = against(runs[best], [run for run in runs if run is not runs[best]]), changes(runs)
    pictures = [curves(output / "curves.png", runs)]
    for size in ("bytes", "tflite bytes", "tflite milliseconds"):
        if sum(size in each for each in rows) > 1:
            pictures.append(
                draw(output / f"front-{size.replace(' ', '-')}.png", rows, {size: "min", key: mode}, name="run")
            )
    page = output / "compare.html"
    below = f"<h2>{runs[best].label} against the others</h2>{html_table(page, tests)}"
    below += f"<h2>Settings that differ</h2>{html_table(page, changed)}<h2>Curves</h2>"
    below += "".join(_image(file) for file in pictures)
    write_csv(output / "runs.csv", rows)
    write_csv(output / "tests.csv", tests)
    write_html(page, "Comparison of runs", rows, best=best, below=below)
    for title, table, mark in (("", rows, best), ("against the best:", tests, None), ("settings:", changed, None)):
        print(f"\n{title}".rstrip())
        print_rows(table, best=mark)
    return page


def row(run: Finished) -> dict[str, Any]:
    """Return a run's row of the table."""
    passport, measures = run.passport, run.folder.path / MEASURES
    key, value = run.score
    low_high = passport["metrics"].get(f"{key}_interval")
    device = json.loads(measures.read_text(encoding="utf-8")) if measures.exists() else {}
    return {
        "run": run.label,
        key: value,
        "95% interval": f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else "",
        "judged on": f"{passport['judged']}, {passport['metrics']['samples']:,}",
        passport["monitor"]["name"]: passport["monitor"]["value"],
        "seed": passport["seed"],
        "epochs": passport["epochs"],
        "seconds": passport["seconds"],
        "parameters": passport["parameters"],
        "bytes": run.folder.model.stat().st_size,
        **{f"tflite {key}": value for key, value in device.items()},
        "folder": str(run.folder.path),
    }


def against(best: Finished, others: Sequence[Finished]) -> list[dict[str, Any]]:
    """Test one run against each of the others, on the samples that both were judged on."""
    ours = best.judged()
    return [{"run": other.label, **_tested(best, ours, other)} for other in others]


def _tested(best: Finished, ours: dict[str, float], other: Finished) -> dict[str, Any]:
    split, theirs = other.passport["judged"], other.judged()
    same = best.passport["splits"].get(best.passport["judged"]) == other.passport["splits"].get(split)
    if not same or ours.keys() != theirs.keys():
        return {"difference": None, "verdict": "not judged on the same images"}
    a, b = (np.array([each[name] for name in ours]) for each in (ours, theirs))
    found = paired_bootstrap(a - b)
    result = {
        "difference": found.value,
        "95% interval": f"{found.low:+.4f} to {found.high:+.4f}",
        "p (bootstrap)": found.p,
        "verdict": "different" if found.different else "not different",
    }
    if best.score[0] == "accuracy":
        exact = mcnemar(a > 0, b > 0)
        result |= {"only best right": exact.only_a, "only other right": exact.only_b, "p (McNemar)": exact.p}
    return result


def changes(runs: Sequence[Finished]) -> list[dict[str, Any]]:
    """Return a row for each setting that is not the same in all runs."""
    configs = [flat(run.passport["config"]) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config if not key.startswith(OWN))
    return [
        {"setting": key, **{run.label: str(config.get(key, "")) for run, config in zip(runs, configs, strict=True)}}
        for key in keys
        if len({str(config.get(key)) for config in configs}) > 1
    ]


def curves(path: Path, runs: Sequence[Finished]) -> Path:
    """Draw the monitored value of all runs over their epochs."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for run in runs:
        history = run.folder.history()
        name = run.passport["monitor"]["name"]
        axes.plot([each["epoch"] + 1 for each in history], [each[name] for each in history], label=run.label, lw=1.3)
    axes.set_xlabel("epoch")
    axes.set_ylabel(runs[0].passport["monitor"]["name"])
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    if len(runs) <= 12:
        axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def _image(file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f"<p><img alt='{file.stem}' src='data:image/png;base64,{data}'>"
