"""Mistakes that a user can mend: each is one line that says what was expected, what was seen, where, and what to do."""

import difflib
from collections.abc import Iterable


class FerError(Exception):
    """A mistake in the input; the command prints its text as one line and exits with 2."""


class ConfigError(FerError):
    """A setting that is unknown, of the wrong type, out of range, or at odds with another setting."""


class DataError(FerError):
    """Data that is missing, damaged or not what its description says."""


class RunError(FerError):
    """A run folder that is missing, unfinished or cannot be written."""


class Paused(FerError):  # noqa: N818  # it is no error
    """A training that stopped with a checkpoint; the command exits with a code that says "resume me"."""


class ModelError(FerError):
    """An exported file that is damaged, of another kind, or not what its contract says."""


class GateError(FerError):
    """An exported file that lost more of the score than it may."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the nearest known word, or an empty string where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
