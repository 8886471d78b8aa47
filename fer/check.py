"""Range checks for recipes: each raises ConfigError with the key, what was expected and what was seen.

They take the recipe and the field's name, so that `fer.config.load` can put the full key before the text.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fer.errors import ConfigError, did_you_mean


def between(recipe: Any, field: str, low: float, high: float) -> None:
    """Demand low <= field <= high."""
    value = getattr(recipe, field)
    if not low <= value <= high:
        raise ConfigError(f"{field}: expected a value from {low} to {high}, got {value}")


def at_least(recipe: Any, field: str, low: float) -> None:
    """Demand field >= low."""
    value = getattr(recipe, field)
    if not value >= low:
        raise ConfigError(f"{field}: expected {low} or more, got {value}")


def above(recipe: Any, field: str, low: float) -> None:
    """Demand field > low."""
    value = getattr(recipe, field)
    if not value > low:
        raise ConfigError(f"{field}: expected more than {low}, got {value}")


def one_of(recipe: Any, field: str, allowed: Iterable[Any]) -> None:
    """Demand that the field is one of the allowed values."""
    value, allowed = getattr(recipe, field), list(allowed)
    if value not in allowed:
        names = ", ".join(map(str, allowed))
        hint = did_you_mean(str(value), map(str, allowed))
        raise ConfigError(f"{field}: expected one of {names}, got {value!r}{hint}")


def exists(recipe: Any, field: str) -> None:
    """Demand that the field names a file or folder that is there."""
    value = getattr(recipe, field)
    if not Path(value).expanduser().exists():
        raise ConfigError(f"{field}: no such file or folder: {value}")


def folder(recipe: Any, field: str) -> None:
    """Demand that the field, if it has a value, names a folder or nothing that is there yet."""
    value = getattr(recipe, field)
    if value is not None and Path(value).expanduser().is_file():
        raise ConfigError(f"{field}: expected a folder, got the file {value}")
