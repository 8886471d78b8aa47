"""Every format in one go."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from fer.base import Exporter

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(kw_only=True)
class All(Exporter):
    """One recipe for each format.

    Attributes:
        calibration: training images that the calibrated formats see, as many of each class as there are.
        seed: of their choice.
        fp32: see fer.export.fp32; and so on.
    """

    calibration: int
    seed: int
    fp32: Exporter
    fp16: Exporter
    dynamic: Exporter
    int8: Exporter
    int16x8: Exporter
    edgetpu: Exporter
    onnx: Exporter

    def formats(self) -> dict[str, Exporter]:
        """Return all of them, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Exporter)}

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Refuse: each of `formats` writes a file of its own."""
        raise NotImplementedError
