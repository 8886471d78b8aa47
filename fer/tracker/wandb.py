"""Weights & Biases: online where a key is configured, offline where not, and never a question or an endless wait."""

from __future__ import annotations

import logging
import math
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer import check
from fer.base import Passport, Tracker, Tracking
from fer.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Wandb(Tracker):
    """A run on a Weights & Biases server, or in files that `wandb sync` uploads later.

    What is null here comes from wandb's own variables and settings (WANDB_ENTITY, WANDB_RUN_GROUP, ...).

    Attributes:
        project: the project's name.
        entity: user or team; null for the account's default.
        group: puts runs together, such as those of a sweep; null for none.
        tags: labels to filter by.
        notes: a longer description; null for none.
        mode: "online"; "offline"; or "auto": what WANDB_MODE or `wandb offline` says, else online where a key is
            configured (WANDB_API_KEY, `wandb login`) and offline where not.
        artifact: upload the model's file as an artifact of type "model".
        start_timeout: seconds in which the server must answer, after which the run is recorded offline.
        finish_timeout: seconds for the last uploads when the run ends; what is left over, `wandb sync` uploads.
    """

    project: str
    entity: str | None
    group: str | None
    tags: list[str]
    notes: str | None
    mode: str
    artifact: bool
    start_timeout: float
    finish_timeout: float

    def __post_init__(self) -> None:
        """Check the ranges, and what W&B allows as names."""
        if not re.fullmatch(r"[^/\\#?%:]{1,128}", self.project):
            raise ConfigError(f"project: expected 1 to 128 characters, none of / \\ # ? % :, got {self.project!r}")
        for tag in self.tags:
            if not 1 <= len(tag) <= 64:
                raise ConfigError(f"tags: expected 1 to 64 characters each, got {tag!r}")
        check.one_of(self, "mode", ("auto", "online", "offline"))
        check.at_least(self, "start_timeout", 1)
        check.at_least(self, "finish_timeout", 1)

    @contextmanager
    def track(self, passport: Passport) -> Iterator[Tracking]:
        """Open a W&B run below the run's folder; a training that goes on goes on with the W&B run that it began.

        An exception closes it as failed, with exit code 1; Ctrl-C with 255, as wandb itself does.

        Raises:
            ConfigError: wandb is not installed, the key is malformed, or mode is "online" and there is no key.
        """
        run = self._start(passport)
        try:
            yield _Record(run=run, passport=passport, artifact=self.artifact)
        except BaseException as error:
            with _forgiven(run):
                run.finish(exit_code=255 if isinstance(error, KeyboardInterrupt) else 1)
            raise
        with _forgiven(run):
            run.finish(exit_code=0)

    def _start(self, passport: Passport) -> Any:
        wandb = _package()
        mode = self._mode()
        if mode in ("offline", "disabled"):
            run = self._open(passport, mode)
            log.info("wandb: %s", "disabled by WANDB_MODE" if run.disabled else f"offline; {_how_to_upload(run)}")
            return run
        earlier = set(passport.folder.glob("wandb/run-*"))
        try:
            run = self._open(passport, mode)
            log.info("wandb: %s", run.url)
        except wandb.Error as error:
            for unborn in set(passport.folder.glob("wandb/run-*")) - earlier:
                shutil.rmtree(unborn, ignore_errors=True)
            run = self._open(passport, "offline")
            log.warning("wandb: offline, no run from the server (%s); %s", _line(error), _how_to_upload(run))
        return run

    def _mode(self) -> str:
        """Choose the mode of wandb.init. A key is looked for, but not asked for and not sent."""
        wandb = _package()
        if self.mode == "offline":
            return "offline"
        mode = {"mode": "online"} if self.mode == "online" else {}
        settings = wandb.setup(wandb.Settings(silent=True, **mode)).settings
        if settings.mode in ("offline", "disabled"):
            return settings.mode
        try:
            key = wandb.login(prompt=False, verify=False)
        except wandb.Error as error:
            raise ConfigError(f"tracker=wandb: {_line(error)}") from error
        if not key and self.mode == "online":
            raise ConfigError(
                "tracker.mode: expected an API key for online, found none; "
                "run `wandb login`, set WANDB_API_KEY, or choose tracker.mode=auto"
            )
        return settings.mode if key else "offline"

    def _open(self, passport: Passport, mode: str) -> Any:
        wandb = _package()
        begun = [_id(part) for part in _parts(passport.folder)]
        run = wandb.init(
            id=begun[-1] if begun else None,
            resume="allow" if begun and mode == "online" else None,  # `wandb sync` joins offline parts of one id
            project=self.project,
            entity=self.entity,
            group=self.group,
            tags=self.tags or None,
            notes=self.notes,
            name=passport.name,
            config={**passport.config, "environment": passport.environment},
            dir=passport.folder.resolve(),
            mode=mode,
            reinit="create_new",  # runs in one process stay apart
            settings=wandb.Settings(
                silent=True,
                console="off",  # a captured console breaks the progress bar
                capture_loggers={"fer": "INFO"},
                init_timeout=self.start_timeout,
                finish_timeout=self.finish_timeout,
                finish_timeout_raises=True,
            ),
        )
        run.define_metric("*", step_metric="epoch")
        return run


@dataclass(frozen=True, kw_only=True)
class _Record:
    run: Any
    passport: Passport
    artifact: bool

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        with _forgiven(self.run):
            self.run.log({"epoch": number, **values})

    def results(self, values: Mapping[str, float], figures: Sequence[Path], model: Path) -> None:
        wandb = _package()
        with _forgiven(self.run):
            self.run.summary.update(values)
            self.run.log({f"figures/{figure.stem}": wandb.Image(str(figure)) for figure in figures})
            if self.artifact:
                self.run.log_artifact(self._model(values, model))

    def _model(self, values: Mapping[str, float], path: Path) -> Any:
        name = re.sub(r"[^\w.-]", "-", self.passport.name, flags=re.ASCII)[:128]
        finite = {key: value for key, value in values.items() if math.isfinite(value)}  # W&B takes no others here
        metadata = {"results": finite, "config": self.passport.config}
        artifact = _package().Artifact(name, type="model", metadata=metadata)
        artifact.add_file(str(path.resolve()), policy="immutable", skip_cache=True)  # no copy in the home folder
        return artifact


@contextmanager
def _forgiven(run: Any) -> Iterator[None]:
    """Warn of what goes wrong after the start: a server that fails late must not cost a training."""
    try:
        yield
    except Exception as error:
        log.warning("wandb: not everything was uploaded (%s); %s", _line(error), _how_to_upload(run))


def _package() -> Any:
    # Reports about wandb's own errors: a server that does not take them holds the process up for 20 s at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise ConfigError(
            "tracker=wandb: the package wandb is not installed; "
            "install it with `uv sync --extra wandb`, or choose tracker=csv"
        ) from error
    return wandb


def _parts(folder: Path) -> list[Path]:
    """Return W&B's own folders in a run folder, oldest first: one for each time that the training was begun."""
    return sorted(folder.glob("wandb/*run-*-*"), key=lambda part: part.name.partition("run-")[2])


def _id(part: Path) -> str:
    return part.name.rpartition("-")[2]


def _how_to_upload(run: Any) -> str:
    parts = [part for part in _parts(Path(run.settings.sync_dir).parents[1]) if _id(part) == run.id]
    return f"upload it with `wandb sync {shlex.join(map(str, parts))}`"


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
