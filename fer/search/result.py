"""What a search leaves in its folder: config.yaml, trials.csv, trials.html and experiment/best.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from fer import resume
from fer.artifact import RunFolder, write_text
from fer.config import GROUPS, Variants, settings, unchecked
from fer.errors import RunError
from fer.resume import flat
from fer.runs.tune import TuneRun
from fer.search.loop import Search
from fer.search.table import print_rows, write_csv, write_html
from fer.search.trial import Goal, Outcome, Trial

FREE = (*resume.FREE, "tuner.parallel", "tuner.time_limit", "tuner.trials", "tuner.warm")
"""What may differ when a search goes on."""


def begin(folder: Path, run: TuneRun) -> None:
    """Make the folder ready for a search, or check that it holds this one.

    Raises:
        RunError: it holds a search with other settings, or something else.
    """
    file = folder / "config.yaml"
    config = {key: value for key, value in flat(settings(run)).items() if not key.startswith(FREE)}
    if file.exists():
        other = differences(yaml.safe_load(file.read_text(encoding="utf-8")), config)
        if other:
            key, (before, now) = next(iter(other.items()))
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            raise RunError(
                f"{folder}: holds a search with {key}={before}, not {now}{more}; "
                "give the same settings to go on with it, or choose another folder with sweep="
            )
        return
    if RunFolder(folder).manifest.exists():
        raise RunError(f"{folder}: holds a finished run; choose another folder with sweep=")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(file, yaml.safe_dump(config, sort_keys=False))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two sets of flat settings, as key -> (before, after)."""
    keys = dict.fromkeys([*before, *after])
    pairs = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def finish(search: Search, folder: Path, run: TuneRun, variants: Variants) -> None:
    """Write the tables and best.yaml, and print them."""
    tried = last_rounds(search.trials())
    rows = sorted(
        (row(trial, outcome, search.goal) for trial, outcome in tried), key=lambda row: _rank(row, search.goal)
    )
    if not rows:
        return
    trials = {trial.number: trial for trial, _ in tried}
    best = None if rows[0][search.goal.name] is None else 0
    pictures = _front(folder, run, variants, search, rows, trials) if search.measured else ""
    write_csv(folder / "trials.csv", rows)
    write_html(folder / "trials.html", f"Search {folder.name}", rows, best=best, below=pictures)
    print_rows(rows, best=best)
    if best is None:
        print(f"no trial has finished; see {folder}/trials/*/output.log")
        return
    chosen = trials[rows[0]["trial"]]
    _write_best(folder / "experiment/best.yaml", run, variants, chosen, rows[0], search.goal)
    print(f"\nbest: trial {chosen.number} in {chosen.folder}\nall: {folder}/trials.html, trials.csv")
    print(f"train with it: python train.py --config-dir {folder} experiment=best")


def _front(
    folder: Path,
    run: TuneRun,
    variants: Variants,
    search: Search,
    rows: list[dict[str, Any]],
    trials: Mapping[str, Trial],
) -> str:
    """Mark the trials that no other beats in everything, write and draw them; return the pictures as HTML."""
    from fer.search.front import draw, front

    others = [key for key in ("bytes", "milliseconds") if any(key in row for row in rows)]
    goals = {search.goal.name: search.goal.mode, **dict.fromkeys(others, "min")}
    unbeaten = front(rows, goals)
    for place, row in enumerate(rows):
        row["front"] = "yes" if place in unbeaten else ""
    for place in unbeaten:
        trial = trials[rows[place]["trial"]]
        _write_best(folder / f"experiment/front-{trial.number}.yaml", run, variants, trial, rows[place], search.goal)
    pictures = [
        draw(folder / f"front-{key}.png", rows, {key: "min", search.goal.name: search.goal.mode}) for key in others
    ]
    return "".join(f"<p><img alt='{file.stem}' src='{file.name}'>" for file in pictures)


def last_rounds(trials: list[tuple[Trial, Outcome | None]]) -> list[tuple[Trial, Outcome | None]]:
    """Keep the last of the trials that share a folder: the rounds of one training."""
    return list({trial.folder: (trial, outcome) for trial, outcome in trials}.values())


def row(trial: Trial, outcome: Outcome | None, goal: Goal) -> dict[str, Any]:
    """Return a trial's row of the table."""
    folder = RunFolder(trial.folder)
    history = folder.history()
    facts = json.loads(folder.manifest.read_text(encoding="utf-8")) if folder.manifest.exists() else {}
    seconds = sum(each["seconds"] for each in history)
    return {
        "trial": trial.number,
        goal.name: outcome.value if outcome else None,
        **(outcome.measures if outcome else {}),
        **trial.values,
        "epochs": len(history),
        "seconds": round(seconds, 1),
        "parameters": facts.get("parameters"),
        "state": "running" if outcome is None else outcome.reason or ("done" if facts else "paused"),
        "folder": str(trial.folder),
    }


def _rank(row: Mapping[str, Any], goal: Goal) -> tuple[bool, float]:
    value = row[goal.name]
    return (value is None, 0.0 if value is None else value if goal.mode == "min" else -value)


def _write_best(file: Path, run: TuneRun, variants: Variants, trial: Trial, row: Mapping[str, Any], goal: Goal) -> None:
    """Write an experiment file: the groups' choices, and the values that differ from theirs."""
    chosen = {**run.choices, **trial.values}
    groups = [group for group in (*GROUPS, "runtime") if group in chosen and group != "tuner"]
    choices = {group: chosen[group] for group in groups}
    plain = flat(unchecked("train", *(f"{group}={choice}" for group, choice in choices.items())))
    wanted = flat(settings(variants(trial.values)))
    changed = {key: value for key, (_, value) in differences(plain, wanted).items() if key != "name"}
    body = {
        "defaults": [{f"override /{group}": choice} for group, choice in choices.items()],
        "name": f"{run.name}-tuned",
        **nested(changed),
    }
    name = Path(run.folder).name
    text = (
        "# @package _global_\n"
        f"# Trial {trial.number} of the search {name}: {goal.name} {row[goal.name]:.4f}\n#\n"
        f"# command  python train.py --config-dir <folder of {name}> experiment={file.stem}\n"
        f"# trial    {trial.folder}\n"
        f"# date     {datetime.now(UTC):%Y-%m-%d}\n"
    )
    file.parent.mkdir(exist_ok=True)
    write_text(file, text + yaml.safe_dump(body, sort_keys=False))


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn full keys back into nested settings."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        *groups, last = key.split(".")
        place = result
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return result
