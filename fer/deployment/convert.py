"""Keras to TFLite through TensorFlow's converter.

Measured against ai-edge-quantizer (see docs/export.md), the converter's post-training quantization won: its calibration
takes the true extremes of the images, not a moving average that cuts off white, and its files run on older runtimes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer.artifact import replacing
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras


def convert(
    network: keras.Model, path: Path, configure: Callable[[Any], None] | None = None, *, ranges: bool = False
) -> Path:
    """Write `path` with the suffix .tflite: one input at a time, as devices see them.

    Args:
        network: any Keras network with one input and one output.
        path: the file, with or without its suffix.
        configure: sets the converter's options.
        ranges: give the converter the ranges that quantization-aware training found.

    Raises:
        ConfigError: the network holds an operation that TFLite has not.
    """
    import tensorflow as tf

    with _quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(_for_one(_in_plain_layers(network, ranges=ranges)))
        if configure is not None:
            configure(converter)
        try:
            converted = converter.convert()
        except Exception as error:  # the converter raises nothing narrower
            raise ConfigError(f"export: TFLite does not take this network: {_reason(error)}") from error
    file = path.with_suffix(".tflite")
    with replacing(file) as partial:
        partial.write_bytes(converted)
    return file


def _in_plain_layers(network: keras.Model, *, ranges: bool) -> keras.Model:
    from fer.nn.quantization import is_compressed
    from fer.nn.rewriting import plain

    return plain(network, ranges=ranges) if is_compressed(network) else network


def _for_one(network: keras.Model) -> keras.Model:
    """Fix the batch to 1: a shape without unknowns is what integer kernels and the Edge TPU want."""
    import keras

    given = network.inputs[0]
    one = keras.Input(given.shape[1:], batch_size=1, dtype="float32", name=given.name)
    return keras.Model(one, network(one), name="functional")  # the same name each time, so that files can be compared


def _reason(error: Exception) -> str:
    """Return the operation and the layer that a converter's pages of text speak of."""
    text = str(error)
    found = re.search(r"'(tf\.\w+)' op is neither", text) or re.search(r"error: '?([\w.]+)'? op", text)
    layer = re.search(r'"([^"]+/[^"]+)"', text)
    if not found:
        return " ".join(text.split())[:300]
    return f"operation {found[1]}" + (f" of layer {layer[1]}" if layer else "") + " has no TFLite counterpart"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's chatter off the terminal: Python's, and what its C++ writes into file 2."""
    levels = {name: logging.getLogger(name).level for name in ("tensorflow", "tf2onnx")}
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as hidden, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def shown(inputs: np.ndarray) -> Callable[[], Iterator[list[np.ndarray]]]:
    """Return calibration inputs as the converter takes them: one at a time, in float32."""
    return lambda: ([each[None].astype(np.float32)] for each in inputs)


def export_onnx(network: keras.Model, path: Path, opset: int) -> Path:
    """Write `path` with the suffix .onnx, for one input at a time."""
    import keras

    network = _in_plain_layers(network, ranges=False)
    given = network.inputs[0]
    signature = [keras.InputSpec(dtype="float32", shape=(1, *given.shape[1:]), name=given.name)]
    file = path.with_suffix(".onnx")
    with replacing(file) as partial, _quiet():
        network.export(partial, format="onnx", verbose=False, input_signature=signature, opset_version=opset)
    return file
