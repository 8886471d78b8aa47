"""Recipes, schemas and composition: the only module that knows Hydra and OmegaConf.

The path is the registry. `model=mobilenetv2` lays the values of conf/model/mobilenetv2.yaml over the dataclass of
fer/model/mobilenetv2.py; `load` turns the composed whole into dataclasses, and below `main` nothing else is passed on.
A config names no code to run (no `_target_`), so one that came with a downloaded run cannot either.
"""

import copy
import errno
import importlib
import inspect
import logging
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from fer import base, runs, sweep
from fer.errors import ConfigError, FerError, Paused, did_you_mean
from fer.help import help_text
from fer.interruption import RESUME_ME
from fer.landmarks import FaceMesh
from fer.resume import command_line
from fer.runtime import Runtime

CONF = Path(__file__).resolve().parents[1] / "conf"

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
"""What a full disk, a quota, a read-only or a forbidden folder are answered with."""

GROUPS: dict[str, type] = {
    "dataset": base.Dataset,
    "model": base.Model,
    "loss": base.Loss,
    "augmentation": base.Augmentation,
    "optimizer": base.Optimizer,
    "tracker": base.Tracker,
    "export": base.Exporter,
    "tuner": base.Tuner,
}


def _runs() -> Iterator[tuple[str, type]]:
    """Yield each command with its settings: the class <Command>Run of fer/runs/<command>.py."""
    for module in pkgutil.iter_modules(runs.__path__):
        content = vars(importlib.import_module(f"fer.runs.{module.name}"))
        yield module.name, content[f"{module.name.title()}Run"]


RUNS: dict[str, type] = dict(_runs())

SWEEP = {"train": "hydra.sweep.dir=", "tune": "hydra.run.dir="}
"""What `sweep=<folder>` stands for."""


def recipes(group: str) -> Iterator[tuple[str, type]]:
    """Yield each recipe of a group as (module name, dataclass)."""
    package = importlib.import_module(f"fer.{group}")
    for module in pkgutil.iter_modules(package.__path__):
        yield module.name, recipe(group, module.name)


def recipe(group: str, name: str) -> type:
    """Return the recipe of fer/<group>/<name>.py."""
    module = importlib.import_module(f"fer.{group}.{name}")
    own = (kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__)
    return next(kind for kind in own if issubclass(kind, GROUPS[group]))


@cache
def register() -> None:
    """Store every dataclass as a schema that the YAML files extend by `/schema/<group>/<name>@_here_`."""
    store = ConfigStore.instance()
    for group in GROUPS:
        for name, kind in recipes(group):
            store.store(group=f"schema/{group}", name=name, node=kind)
    for name, kind in RUNS.items():
        store.store(group="schema/run", name=name, node=kind)
    store.store(group="hydra/sweeper", name="runs", node=sweep.SweeperConfig)
    store.store(group="schema", name="runtime", node=Runtime)
    store.store(group="schema", name="mesh", node=FaceMesh)


def load(config: DictConfig) -> Any:
    """Turn a composed config into its dataclass, checking every key, type and range on the way.

    Raises:
        ConfigError: a key is unknown (OmegaConf itself lets `+key=` pass) or has no value, or a recipe refuses a value;
            the text starts with the full key.
    """
    return _build(config, "")


def _build(node: DictConfig, path: str) -> Any:
    kind = cast(Any, OmegaConf.get_type(node))
    known = [field.name for field in fields(kind)]
    values = {}
    for key in map(str, node):
        full = f"{path}{key}"
        if key not in known:
            raise ConfigError(f"{full}: unknown key{did_you_mean(key, known)} (known: {', '.join(known)})")
        if OmegaConf.is_missing(node, key):
            raise ConfigError(f"{full}: no value; set {full}=")
        values[key] = _value(node, key, full)
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}{error}") from error


def _value(node: DictConfig, key: str, full: str) -> Any:
    try:
        value = node[key]
    except InterpolationResolutionError as error:
        raise ConfigError(f"{full}: {str(error).splitlines()[0]}") from error
    if not OmegaConf.is_config(value):
        return value
    kind = OmegaConf.get_type(value)
    return _build(value, f"{full}.") if is_dataclass(kind) else OmegaConf.to_container(value, resolve=True)


def compose(name: str, *overrides: str) -> Any:
    """Compose and load the config of a command without running it, as notebooks and tests do.

    Args:
        name: the command, such as "train".
        overrides: as on the command line.

    Example:
        >>> compose("train", "experiment=smoke", "seed=3").seed
        3
    """
    register()
    return load(_composed(name, list(overrides)))


def unchecked(name: str, *overrides: str) -> dict[str, Any]:
    """Return the config of a command as it is composed, with nothing built of it: its dataset need not be there."""
    register()
    return cast(dict[str, Any], OmegaConf.to_container(_composed(name, list(overrides)), resolve=True))


class Variants:
    """Many variants of one command's config: composed once for each choice of groups, then only changed and checked."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        """Keep what all variants share: the command and the words of its command line."""
        register()
        self.name = name
        self.words = list(words)
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Load the variant with some values, by their full keys; a group's key takes a choice.

        Raises:
            ConfigError: a key is unknown, or a value is of the wrong type or out of range.
        """
        groups = tuple(f"{key}={value}" for key, value in values.items() if (CONF / key).is_dir())
        try:
            if groups not in self._composed:
                self._composed[groups] = _composed(self.name, [*self.words, *groups])
            config = copy.deepcopy(self._composed[groups])
            for key, value in values.items():
                if f"{key}={value}" not in groups:
                    OmegaConf.update(config, key, value)
        except OmegaConfBaseException as error:
            raise ConfigError(_explain_value(error, where="the space")) from error
        except HydraException as error:
            raise ConfigError(explain(error)) from error
        return load(config)


def _composed(name: str, words: list[str]) -> DictConfig:
    folders = [word.partition("=")[2] for word in words if word.startswith("--config-dir=")]
    overrides = [word for word in words if not word.startswith("--")]
    if folders:
        overrides.append(f"hydra.searchpath=[{','.join(folders)}]")
    GlobalHydra.instance().clear()  # a command that composes another one's config is done with its own
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(name, overrides, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


def restore(group: str, name: str, values: dict[str, Any], changes: dict[str, Any]) -> Any:
    """Rebuild a recipe that a run's manifest names, with some of its settings changed.

    Args:
        group: such as "dataset".
        name: the recipe's module.
        values: its settings, as the manifest has them.
        changes: settings to put over them, as nested dictionaries.

    Raises:
        ConfigError: there is no such recipe, or a setting does not fit it.
    """
    known = dict(recipes(group))
    if name not in known:
        raise ConfigError(
            f"recipe {name} is not one of the group {group} ({', '.join(known)}); is it from a newer fer?"
        )
    try:
        schema = OmegaConf.create({group: OmegaConf.structured(known[name])})
        node = OmegaConf.merge(schema, {group: values}, {group: changes})
    except OmegaConfBaseException as error:
        raise ConfigError(_explain_value(error, where="the command line or the manifest")) from error
    return _build(cast(DictConfig, node)[group], f"{group}.")


def defaults(group: str, name: str) -> dict[str, Any]:
    """Return the values of conf/<group>/<name>.yaml, as `restore` takes them.

    Raises:
        ConfigError: there is no such file.
    """
    known = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"{group}={name}: no such choice{did_you_mean(name, known)} (there are: {', '.join(known)})")
    node = cast(DictConfig, OmegaConf.load(CONF / group / f"{name}.yaml"))
    node.pop("defaults", None)
    return OmegaConf.to_container(node)  # type: ignore[return-value]


def settings(recipe: Any) -> dict[str, Any]:
    """Return a recipe's fields as plain dictionaries, lists and numbers."""
    return OmegaConf.to_container(OmegaConf.structured(recipe))  # type: ignore[return-value]


def to_yaml(run: Any) -> str:
    """Return a run's whole config as YAML."""
    return OmegaConf.to_yaml(OmegaConf.structured(run))


def module_of(recipe: Any) -> str:
    """Return the module name that `restore` takes for this recipe."""
    return type(recipe).__module__.rpartition(".")[2]


def main(name: str, command: Callable[[Any], None]) -> None:
    """Run one command: compose conf/<name>.yaml with the command line, load it, and call the command with it.

    A user's mistake ends in one line on stderr and exit code 2; anything else is a bug and keeps its traceback.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help_text(CONF, name))
        return
    sys.argv[1:] = [re.sub("^sweep=", SWEEP.get(name, "sweep="), word) for word in sys.argv[1:]]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra would print and exit itself otherwise
    register()
    if RUNS[name].__annotations__.get("dataset") == dict[str, Any]:
        # A run's own dataset is known only after composition: `++` lets Hydra take any key, `restore` checks them.
        sys.argv[1:] = [f"++{word}" if word.startswith("dataset.") else word for word in sys.argv[1:]]

    def entry(config: DictConfig) -> None:
        output = Path(HydraConfig.get().runtime.output_dir)
        if name == "train" and HydraConfig.get().mode == RunMode.MULTIRUN:
            return sweep.job(_words(), output, number=int(output.name.partition("-")[0]))
        if "folder" in config:
            config.folder = str(output)
            config.choices = dict(HydraConfig.get().runtime.choices)
            config.overrides = _words()
        try:
            command(load(config))
        except Paused as error:
            print(error, file=sys.stderr)
            sys.exit(RESUME_ME)
        except FerError as error:
            sys.exit(_fail(str(error)))
        finally:
            _remove_if_empty(output)
        return None

    try:
        if name == "train":
            sys.argv[1:] = command_line(sys.argv[1:])
        with _log_to_terminal():
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(entry)()
    except FerError as error:
        sys.exit(_fail(str(error)))
    except (HydraException, OmegaConfBaseException) as error:
        sys.exit(_fail(explain(error)))
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        advice = "free some space, or choose another folder with hydra.run.dir="
        sys.exit(_fail(f"cannot write {error.filename or 'a file'}: {error.strerror}; {advice}"))


def _words() -> list[str]:
    """Return the words that would compose this config again, those of a sweep's job included."""
    hydra_config = HydraConfig.get()
    added = [source.path for source in hydra_config.runtime.config_sources if source.provider == "command-line"]
    return [*(f"--config-dir={path}" for path in added), *hydra_config.overrides.task]


def _remove_if_empty(folder: Path) -> None:
    """Remove the folder that Hydra made for a command that wrote nothing, and the empty ones above it."""
    for each in (folder, *folder.parents):
        if each == Path.cwd() or not each.is_dir() or any(each.iterdir()):
            return
        each.rmdir()


@contextmanager
def _log_to_terminal() -> Iterator[None]:
    """Show what `fer` logs as plain lines; the root logger is Hydra's."""
    logger, handler = logging.getLogger("fer"), logging.StreamHandler()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 2


def explain(error: Exception) -> str:
    """Say in one line what is wrong with a config that Hydra could not compose."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = [option for option in error.options if group or option]
        return f"{group}={choice}: no such choice{did_you_mean(choice, options)} (there are: {', '.join(options)})"
    cause = error.__cause__ or error.__context__
    if isinstance(error, ConfigCompositionException) and isinstance(cause, OmegaConfBaseException):
        return _explain_value(cause, where=_where(str(error)))
    if isinstance(error, OmegaConfBaseException):
        return f"{error.full_key}: {str(error).splitlines()[0]}"
    return " ".join(str(error).split())


def _where(message: str) -> str:
    """Return the file or the override that Hydra's message speaks of."""
    if message.startswith("In '"):
        return f"{message.split(chr(39))[1]}.yaml"
    if message.startswith("Error merging override"):
        return message.removeprefix("Error merging override ").splitlines()[0]
    return "the command line"


def _explain_value(error: OmegaConfBaseException, where: str) -> str:
    key = str(error.full_key or error.key or "").lstrip("+")
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        known = [field.name for field in fields(error.object_type)] if is_dataclass(error.object_type) else []
        hint = did_you_mean(key.rpartition(".")[2], known)
        return f"{key}: unknown key in {where}{hint}" + (f" (known: {', '.join(known)})" if known else "")
    if isinstance(error, MissingMandatoryValue):
        return f"{key}: no value; set {key}="
    return f"{key}: {str(error.msg or error).splitlines()[0]}, in {where}"
