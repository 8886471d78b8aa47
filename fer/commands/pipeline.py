"""`python -m fer pipeline`: prepare, tune, train, evaluate and export, each stage a process of its own."""

import json
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fer.artifact import write_text
from fer.errors import ConfigError, RunError
from fer.interruption import RESUME_ME
from fer.process import Child, Lock, Stop
from fer.runs.pipeline import PipelineRun


def pipeline(run: PipelineRun) -> None:
    """Run the stages that are not done yet, those that do not depend on each other side by side.

    Raises:
        RunError: a stage failed, with its reason; the same command goes on with it.
    """
    folder = Path(run.output)
    stages = {name: stage for name, stage in run.stages.items() if stage}
    commands = {name: _command(name, stage["command"], run, stages) for name, stage in stages.items()}
    needs = {name: [each for each in stage["needs"] if each in stages] for name, stage in stages.items()}
    lock = Lock(folder / ".lock")
    if not lock.take():
        raise RunError(f"{folder}: another pipeline runs there; wait for it, or choose another with output=")
    with Stop() as stop:
        makes = {
            name: Path(stage["makes"].replace("{folder}", run.output))
            for name, stage in stages.items()
            if "makes" in stage
        }
        work = _Work(folder=folder, commands=commands, needs=needs, makes=makes)
        while work.go_on(stopping=bool(stop.code)):
            time.sleep(0.1)
    lock.release()
    if work.failed:
        raise RunError(f"stage {work.failed}; its log is {folder}/{work.failed.partition(' ')[0]}.log")
    if stop.code or len(work.done) < len(stages):
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(stop.code or RESUME_ME)
    print(f"done: {folder}")


def _command(name: str, command: str, run: PipelineRun, stages: Mapping[str, Any]) -> list[str]:
    """Fill in a stage's command; what stands for several words becomes several."""
    training = [word for word in run.settings if not word.startswith("tuner")]
    folder = run.output
    fills = {
        "{settings}": run.settings,
        "{dataset}": [word for word in run.settings if word.startswith("dataset")],
        "{best}": [f"--config-dir={folder}/search", "experiment=best"] if "tune" in stages else training,
    }
    words: list[str] = []
    for word in shlex.split(command):
        words += fills.get(word, [word.replace("{folder}", folder)])
    if any("{" in word and word not in run.settings for word in words):
        raise ConfigError(f"stages.{name}.command: expected only {{folder}}, {', '.join(fills)}, got {command}")
    return words


@dataclass(kw_only=True)
class _Work:
    """The stages, what is done of them, and what runs."""

    folder: Path
    commands: Mapping[str, list[str]]
    needs: Mapping[str, list[str]]
    makes: Mapping[str, Path]
    running: dict[str, Child] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    failed: str = ""

    def __post_init__(self) -> None:
        self.file = self.folder / "state.json"
        state = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {"begun": {}, "done": []}
        self.begun: dict[str, list[str]] = state["begun"]
        self.done: list[str] = []
        for name in self._ordered():
            same = self.begun.get(name) == self.commands[name] and all(each in self.done for each in self.needs[name])
            made = name in self.makes and self.makes[name].exists()
            if same and (name in state["done"] or made):
                self.done.append(name)
                print(f"[{name}] done before")

    def _ordered(self) -> list[str]:
        """Return the stages, each after those that it needs."""
        order: list[str] = []
        while ready := [n for n in self.commands if n not in order and all(each in order for each in self.needs[n])]:
            order += ready
        if len(order) < len(self.commands):
            raise ConfigError(f"stages: {', '.join(n for n in self.commands if n not in order)} wait for each other")
        return order

    def go_on(self, *, stopping: bool) -> bool:
        """Show what was printed, take in what has ended, start what can be; return whether anything runs."""
        for name, child in list(self.running.items()):
            code = child.poll()
            self._show(name)
            if code is not None:
                self._end(name, self.running.pop(name), code, stopping=stopping)
        if stopping or self.failed:
            for child in self.running.values():
                child.stop()
            return bool(self.running)
        for name, words in self.commands.items():
            ready = all(each in self.done for each in self.needs[name])
            if ready and name not in self.done and name not in self.running:
                print(f"[{name}] {shlex.join(words)}", flush=True)
                self.begun[name] = words
                self._save()
                self.running[name] = Child(words, self.folder / f"{name}.log")
                self.shown[name] = self.running[name].offset
        return bool(self.running)

    def _show(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("rb") as file:
            file.seek(self.shown[name])
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.shown[name] += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            print(f"[{name}] {line}", flush=True)

    def _end(self, name: str, child: Child, code: int, *, stopping: bool) -> None:
        if code == 0:
            self.done.append(name)
            self._save()
        elif not stopping and not self.failed and code != RESUME_ME:
            self.failed = f"{name} failed: {child.reason()}"

    def _save(self) -> None:
        write_text(self.file, json.dumps({"begun": self.begun, "done": self.done}, indent=1) + "\n")
