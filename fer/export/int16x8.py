"""TFLite with 16-bit activations and 8-bit weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fer import check
from fer.base import Exporter
from fer.export.int8 import FEWEST, QUANTIZERS

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(kw_only=True)
class Int16x8(Exporter):
    """As small as int8 and nearly as exact as float32, but slow: TFLite has only reference kernels for most of it.

    Input and output are float32.

    Attributes:
        calibration: training images to see, as many of each class as there are.
        seed: of their choice.
        quantizer: of a float network: "corrected" (with corrected biases, see fer.nn.posttraining) or "converter"
            (TensorFlow's converter alone).
    """

    calibration: int
    seed: int
    quantizer: str

    calibrates: ClassVar[bool] = True
    integer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "calibration", FEWEST, 100_000)
        check.at_least(self, "seed", 0)
        check.one_of(self, "quantizer", QUANTIZERS)

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Calibrate and convert the network (see Exporter.write)."""
        import tensorflow as tf

        from fer.deployment.convert import convert, shown
        from fer.nn.posttraining import corrected

        assert calibration is not None
        network = corrected(network, calibration) if self.quantizer == "corrected" else network
        kernels = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8

        def configure(converter: Any) -> None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = shown(calibration)
            converter.target_spec.supported_ops = [kernels]

        return convert(network, path, configure)

    def counterpart(self, network: keras.Model) -> keras.Model:
        """Return the network, its BatchNorm folded where it is corrected (see Exporter.counterpart)."""
        from fer.nn.posttraining import folded

        return folded(network) if self.quantizer == "corrected" else network
