"""A network as a table of its layers and, where graphviz is installed, as a picture."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import keras

from fer.artifact import replacing, write_text
from fer.errors import ConfigError

WIDTH = 110
"""Characters of a line of the table."""


def write(network: keras.Model, path: Path) -> list[Path]:
    """Write `path`.txt and `path`.dot and, where graphviz is installed, `path`.svg; sub-models are opened.

    Raises:
        ConfigError: graphviz failed.
    """
    lines = _table(network)
    drawing = keras.utils.model_to_dot(network, show_shapes=True, show_layer_names=True, expand_nested=True)
    drawing.set("splines", "spline")  # Keras asks for right angles, on which graphviz fails for large networks
    written = [path.with_suffix(".txt"), path.with_suffix(".dot")]
    write_text(written[0], "\n".join(lines) + "\n")
    write_text(written[1], drawing.to_string())
    if shutil.which("dot"):
        picture = path.with_suffix(".svg")
        with replacing(picture) as partial:
            words = ["dot", "-Tsvg", "-o", str(partial), str(written[1])]
            done = subprocess.run(words, capture_output=True, text=True, timeout=300)
            if done.returncode:
                raise ConfigError(f"graph: graphviz failed: {done.stderr.strip()}")
        written.append(picture)
    return written


def _table(network: keras.Model) -> list[str]:
    """Return Keras's table; rich, which draws it, would cut it at the width of a terminal that need not be there."""
    lines: list[str] = []
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        network.summary(expand_nested=True, line_length=WIDTH, print_fn=lambda text, **_: lines.append(text))
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
    return lines
