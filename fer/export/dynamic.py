"""TFLite with int8 weights and activations that are quantized as they come (dynamic range)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer.base import Exporter

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(kw_only=True)
class Dynamic(Exporter):
    """A quarter of float32's size; no calibration; float32 input and output.

    Attributes:
        per_channel_dense: a scale for each unit of a dense layer instead of one for all; tflite-runtime 2.14 does not
            take such a file.
    """

    per_channel_dense: bool

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Convert the network (see Exporter.write)."""
        import tensorflow as tf

        from fer.deployment.convert import convert

        def configure(converter: Any) -> None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter._experimental_disable_per_channel_quantization_for_dense_layers = not self.per_channel_dense

        return convert(network, path, configure)
