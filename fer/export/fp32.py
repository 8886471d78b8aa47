"""TFLite in float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer.base import Exporter

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Fp32(Exporter):
    """A .tflite file with the network's own float32 weights; input and output as in the run's contract."""

    def write(self, network: keras.Model, path: Path) -> Path:
        """Convert the network."""
        import tensorflow as tf

        from fer.artifact import replacing

        file = path.with_suffix(".tflite")
        converted = tf.lite.TFLiteConverter.from_keras_model(network).convert()
        with replacing(file) as partial:
            partial.write_bytes(converted)
        return file
