"""Gradio, loaded quickly and without calling home."""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fer.errors import ConfigError


def gradio_module() -> Any:
    """Import Gradio.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        with _without_stubs():
            import gradio
    except ModuleNotFoundError as error:
        raise ConfigError(f"the demo needs Gradio ({error}): uv sync --extra demo") from error
    return gradio


@contextmanager
def _without_stubs() -> Iterator[None]:
    """Keep Gradio from parsing its sources to write type stubs: nearly half of its import.

    It leaves out a class that has no file, which it asks `inspect.getfile` for.
    """
    getfile = inspect.getfile

    def own(thing: Any) -> str:
        if inspect.isclass(thing) and thing.__module__.startswith("gradio."):
            raise OSError("no stubs are needed")
        return getfile(thing)

    inspect.getfile = own  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = getfile
