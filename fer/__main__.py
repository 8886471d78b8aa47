"""`python -m fer <command>`: everything that is done around a training."""

import importlib
import json
import sys

from fer.config import RUNS, main
from fer.errors import did_you_mean

COMMANDS = sorted(RUNS)
BARE = {"benchmark": "file", "predict": "source", "verify": "file"}
"""What a word without "=" means, where a command takes one."""

PATHS = {"predict": {"source": "source", "model": "file", "run": "run", "output": "output"}}
"""Words whose values may hold any character, and the setting that each is: Hydra takes `model=` for the group."""


def run() -> None:
    """Take the command's name off the command line and run it."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        asked = "" if name in ("", "-h", "--help") else f"no such command: {name}{did_you_mean(name, COMMANDS)}\n"
        print(f"{asked}usage: python -m fer <{'|'.join(COMMANDS)}> [key=value ...]", file=sys.stderr)
        sys.exit(0 if name in ("-h", "--help") else 2)
    sys.argv[1:] = [_listed(name, _named(name, word)) for word in sys.argv[2:]]
    if name == "pipeline":
        sys.argv[1:] = _gathered(sys.argv[1:])
    main(name, getattr(importlib.import_module(f"fer.commands.{name}"), name))


def _listed(command: str, word: str) -> str:
    """Turn `runs=a,b` into a list, for a command that takes several; Hydra would take it for a sweep."""
    key, _, value = word.partition("=")
    several = RUNS[command].__annotations__.get(key) == list[str]
    return f"{key}=[{value}]" if several and not value.startswith("[") else word


def _gathered(words: list[str]) -> list[str]:
    """Put what is said of the training into `settings`: the pipeline hands it on without composing it."""
    own = ("-", "settings", "stages", "output", "hydra", "~stages", "+stages", "++stages")
    settings = [word for word in words if not word.startswith(own)]
    rest = [word for word in words if word.startswith(own)]
    return [*rest, f"settings={json.dumps(settings)}"] if settings else rest


def _named(command: str, word: str) -> str:
    """Turn the one bare word of a command, and its paths, into settings that are quoted for Hydra."""
    key, equals, value = word.partition("=")
    if equals and value[:1] not in ("'", '"') and key in PATHS.get(command, {}):
        return f"{PATHS[command][key]}={_quoted(value)}" if value != "null" else f"{PATHS[command][key]}=null"
    if command not in BARE or "=" in word or word.startswith("-"):
        return word
    return f"{BARE[command]}={_quoted(word)}"


def _quoted(text: str) -> str:
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    run()
