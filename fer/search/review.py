"""The table of a sweep: a row for each setting, with mean and deviation over its seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fer.artifact import RunFolder
from fer.search.table import columns, print_rows, write_csv, write_html
from fer.search.trial import Goal
from fer.sweep import FAILURE, folders, listed
from fer.task import Classification, LandmarkRegression, Task

TASKS: dict[str, type[Task]] = {"classes": Classification, "points": LandmarkRegression}


def sweep(folder: Path) -> None:
    """Write runs.csv (a row a job), sweep.csv and sweep.html (a row a setting), and print the latter."""
    runs = jobs(folder)
    write_csv(folder / "runs.csv", runs)
    rows, best = settings(runs, goal(runs))
    write_csv(folder / "sweep.csv", rows)
    write_html(folder / "sweep.html", f"Sweep {folder}", rows, best=best)
    print_rows(rows, best=best)
    failed = [run for run in runs if run["state"] != "done"]
    for run in failed[:10]:
        print(f"job {run['job']} is not done: {run['state']}")
    if best is not None:
        print(f"\nbest: {rows[best]['folder']}")
    print(f"all: {folder}/sweep.html, sweep.csv, runs.csv")


def jobs(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each job of a sweep."""
    begun = folders(folder)
    return [_job(number, words, begun.get(number)) for number, words in enumerate(listed(folder))]


def _job(number: int, words: Sequence[str], path: Path | None) -> dict[str, Any]:
    row: dict[str, Any] = {"job": number, **dict(word.lstrip("+~").partition("=")[::2] for word in words)}
    run = RunFolder(path) if path else None
    if run and run.manifest.exists():
        passport = json.loads(run.manifest.read_text(encoding="utf-8"))
        return row | {
            passport["monitor"]["name"]: passport["monitor"]["value"],
            "seconds": passport["seconds"],
            "parameters": passport["parameters"],
            "bytes": run.model.stat().st_size,
            "state": "done",
            "folder": str(path),
        }
    failure = path / FAILURE if path else None
    reason = json.loads(failure.read_text(encoding="utf-8"))["reason"] if failure and failure.exists() else "not run"
    return row | {"state": reason, "folder": str(path or "")}


def goal(runs: Iterable[dict[str, Any]]) -> Goal:
    """Return what the runs of a sweep are judged by: the value that the first finished one has."""
    names = {f"val_{task.score}": task.mode for task in TASKS.values()}
    found = next((name for run in runs for name in run if name in names), "val_accuracy")
    return Goal(name=found, mode=names[found])


def settings(runs: Sequence[dict[str, Any]], goal: Goal) -> tuple[list[dict[str, Any]], int | None]:
    """Group the jobs that differ by their seed alone; return the rows and the place of the best one."""
    facts = {"job", "seed", "state", "folder", "seconds", "parameters", "bytes", goal.name}
    keys = [key for key in columns(runs) if key not in facts]
    varied = [key for key in keys if len({run.get(key) for run in runs}) > 1]
    groups: dict[tuple[tuple[str, Any], ...], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple((key, run.get(key)) for key in varied), []).append(run)
    rows = [_setting(dict(key), group, goal) for key, group in groups.items()]
    scored = [row[goal.name] for row in rows if row[goal.name] is not None]
    best = next((place for place, row in enumerate(rows) if scored and row[goal.name] == goal.best(scored)), None)
    return rows, best


def _setting(key: dict[str, Any], group: Sequence[dict[str, Any]], goal: Goal) -> dict[str, Any]:
    done = [run for run in group if run["state"] == "done"]
    values = [run[goal.name] for run in done]
    first = next((run for run in done if run[goal.name] == goal.best(values)), group[0])
    return {
        **key,
        goal.name: statistics.mean(values) if values else None,
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
        "done": f"{len(done)} of {len(group)}",
        "seconds": round(statistics.mean(run["seconds"] for run in done), 1) if done else None,
        "parameters": first.get("parameters"),
        "bytes": first.get("bytes"),
        "folder": first["folder"],
    }
