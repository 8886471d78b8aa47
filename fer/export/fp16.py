"""TFLite with float16 weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer.base import Exporter

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(kw_only=True)
class Fp16(Exporter):
    """Half the size of float32; computes in float32, or in float16 where the device can."""

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Convert the network (see Exporter.write)."""
        import tensorflow as tf

        from fer.deployment.convert import convert

        def configure(converter: Any) -> None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]

        return convert(network, path, configure)
