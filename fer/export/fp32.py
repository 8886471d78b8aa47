"""TFLite in float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer.base import Exporter

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(kw_only=True)
class Fp32(Exporter):
    """A .tflite file with the network's own float32 weights; input and output as in the run's contract."""

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Convert the network (see Exporter.write)."""
        from fer.deployment.convert import convert

        return convert(network, path)
