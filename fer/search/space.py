"""The space of a search: which keys of the config are tried with which values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fer.errors import ConfigError, did_you_mean

KINDS = ("choice", "int", "float")
OPTIONS = ("step", "log", "when")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One key of the config and the values that are tried.

    Attributes:
        key: such as "optimizer.learning_rate", or a group such as "optimizer".
        kind: "choice" (any of `values`), "int" or "float" (from `values[0]` to `values[1]`, both included).
        values: the choices, or the two ends.
        step: distance between the values of a range; None for any.
        log: draw the logarithm of a range evenly.
        when: another parameter's key -> its values with which this one is tried; empty for always.
    """

    key: str
    kind: Literal["choice", "int", "float"]
    values: tuple[Any, ...]
    step: float | None = None
    log: bool = False
    when: Mapping[str, tuple[Any, ...]]

    def __post_init__(self) -> None:
        """Check what can be checked without the config."""
        if self.kind == "choice":
            self._demand(len(self.values) > 0, "one or more choices")
            self._demand(self.step is None and not self.log, "neither step nor log beside choice")
            return
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)
        self._demand(len(self.values) == 2 and numbers, f"{self.kind}: [lowest, highest]")
        low, high = self.values
        self._demand(low < high, "the lowest value first")
        self._demand(self.kind == "float" or all(isinstance(value, int) for value in self.values), "whole numbers")
        self._demand(not self.log or low > 0, "a lowest value above 0 with log")
        self._demand(self.step is None or (self.step > 0 and not self.log), "step above 0, and not beside log")

    def _demand(self, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{self.key}: expected {expected}, got {self.kind}: {list(self.values)}")

    @property
    def texts(self) -> list[str]:
        """The choices as JSON: tuners take texts, and a choice may be a list."""
        return [json.dumps(value) for value in self.values]

    def active(self, values: Mapping[str, Any]) -> bool:
        """Tell whether this parameter is tried beside the values chosen so far."""
        return all(parent in values and values[parent] in allowed for parent, allowed in self.when.items())


def parse(space: Mapping[str, Any], choices: Mapping[str, Any]) -> list[Parameter]:
    """Read a space from its YAML, parents before the parameters that depend on them.

    Args:
        space: key -> {choice: [...]}, {int: [low, high]} or {float: [low, high]}, with step, log and when.
        choices: the groups' choices; a `when` on a group that is not searched is settled by them.

    Raises:
        ConfigError: an entry is not of this form.
    """
    if not space:
        raise ConfigError("tuner.space: expected one key or more, got none")
    parameters = [_parameter(key, entry) for key, entry in space.items()]
    keys = {parameter.key for parameter in parameters}
    settled = {group: choice for group, choice in choices.items() if group not in keys}
    chosen = []
    for parameter in parameters:
        for parent in parameter.when:
            if parent not in keys and parent not in settled:
                raise ConfigError(
                    f"tuner.space.{parameter.key}: when: no parameter {parent}{did_you_mean(parent, keys)}"
                )
        if all(settled[parent] in allowed for parent, allowed in parameter.when.items() if parent in settled):
            rest = {parent: allowed for parent, allowed in parameter.when.items() if parent in keys}
            chosen.append(Parameter(**{**vars(parameter), "when": rest}))
    return list(_ordered(chosen))


def _parameter(key: str, entry: Any) -> Parameter:
    expected = f"tuner.space.{key}: expected choice, int or float, with step, log or when"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{expected}, got {entry!r}")
    kinds = [word for word in entry if word in KINDS]
    unknown = [word for word in entry if word not in (*KINDS, *OPTIONS)]
    if unknown or len(kinds) != 1:
        hint = did_you_mean(str(unknown[0]), (*KINDS, *OPTIONS)) if unknown else ""
        raise ConfigError(f"{expected}, got {', '.join(map(str, entry))}{hint}")
    when = {parent: tuple(_list(values)) for parent, values in entry.get("when", {}).items()}
    options = {word: entry[word] for word in ("step", "log") if word in entry}
    try:
        return Parameter(key=key, kind=kinds[0], values=tuple(_list(entry[kinds[0]])), when=when, **options)
    except ConfigError as error:
        raise ConfigError(f"tuner.space.{error}") from error


def _list(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list | tuple) else [values]


def _ordered(parameters: list[Parameter]) -> Iterator[Parameter]:
    waiting, done = list(parameters), set[str]()
    while waiting:
        ready = [parameter for parameter in waiting if done.issuperset(parameter.when)]
        if not ready:
            keys = ", ".join(parameter.key for parameter in waiting)
            raise ConfigError(f"tuner.space: when: {keys} depend on each other, or on one that is not tried")
        yield from ready
        done.update(parameter.key for parameter in ready)
        waiting = [parameter for parameter in waiting if parameter.key not in done]


def extremes(parameters: Sequence[Parameter]) -> Iterator[dict[str, Any]]:
    """Yield sets of values that between them hold each choice and both ends of each range, with their parents."""
    known: dict[str, Parameter] = {}
    for parameter in parameters:
        parents: dict[str, Any] = {}
        for parent, allowed in _ancestors(parameter, known):
            parents.setdefault(parent, allowed[0])
        for value in parameter.values:
            yield {**parents, parameter.key: value}
        known[parameter.key] = parameter


def _ancestors(parameter: Parameter, known: Mapping[str, Parameter]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for parent, allowed in parameter.when.items():
        yield parent, allowed
        yield from _ancestors(known[parent], known)


def override(key: str, value: Any) -> str:
    """Write a value as a word of the command line."""
    return f"{key}={json.dumps(value)}"


def rounded(value: Any) -> Any:
    """Keep six digits of a fraction: enough for any setting, and what people can read and type."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
