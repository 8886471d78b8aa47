"""ONNX, through Keras's own export."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer.base import Exporter
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras
    import numpy as np

PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


@dataclass(kw_only=True)
class Onnx(Exporter):
    """A .onnx file in float32, one input at a time, for onnxruntime and the many tools that read ONNX.

    Attributes:
        opset: version of ONNX's operations.
    """

    opset: int

    def __post_init__(self) -> None:
        """Check that the packages are there."""
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(
                f"onnx: not installed: {', '.join(missing)}; `uv sync --extra onnx` installs what it needs"
            )

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Export the network (see Exporter.write)."""
        from fer.deployment.convert import export_onnx

        return export_onnx(network, path, self.opset)
