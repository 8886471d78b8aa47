"""Going on with a stopped run: its command line, and whether what it depends on is still the same."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fer.artifact import RunFolder, find_unfinished
from fer.errors import ConfigError, RunError

FREE = (
    *("folder", "overrides", "choices", "resume", "force", "tracker", "pipeline.workers"),
    *("training.pause_after", "training.checkpoint_minutes", "training.progress"),
)
"""Settings that change nothing of what the weights become, so that a resumed run may have others."""


def command_line(words: list[str]) -> list[str]:
    """Turn `run=<folder> resume=true key=value ...` into the command of that run, with the given keys changed.

    Other command lines stay as they are.

    Raises:
        RunError: there is no such stopped run.
        ConfigError: `run=` without `resume=true`.
    """
    given = {_key(word): word.partition("=")[2] for word in words}
    if "run" not in given:
        return words
    if given.get("resume", "").lower() != "true":
        raise ConfigError(f"run={given['run']}: train.py takes a run only to go on with it; add resume=true")
    folder = find_unfinished(given["run"])
    start = folder.start()
    earlier = [word for word in start["overrides"] if _key(word) not in given]
    return [*earlier, *(word for word in words if _key(word) != "run"), f"hydra.run.dir={folder.path}"]


def check(folder: RunFolder, now: Mapping[str, Any], *, force: bool) -> None:
    """Compare the passport at the start of a stopped run with that of now.

    Raises:
        RunError: settings, data, code or versions have changed, and `force` is false.
    """
    changes = list(differences(folder.start(), now))
    if changes and not force:
        raise RunError(
            f"{folder.path}: holds a stopped run, and since its start there are changes: {'; '.join(changes)}; "
            "undo them, choose another folder with hydra.run.dir=, or go on all the same with force=true"
        )


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has changed between two passports, each as "key: was, is now"."""
    pairs = [(flat(then["config"]), flat(now["config"]))]
    pairs += [(flat({part: then[part]}), flat({part: now[part]})) for part in ("splits", "code", "versions")]
    for before, after in pairs:
        for key in sorted(before.keys() | after.keys()):
            was, is_now = before.get(key, "nothing"), after.get(key, "nothing")
            if was != is_now and not any(key == free or key.startswith(f"{free}.") for free in FREE):
                yield f"{key} was {_short(was)}, is {_short(is_now)}"


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one, with dotted keys."""
    if not isinstance(values, Mapping):
        return {prefix: values}
    return {
        key: value
        for name, inner in values.items()
        for key, value in flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _short(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}..."


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
