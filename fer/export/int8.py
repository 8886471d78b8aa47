"""TFLite in 8-bit integers throughout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fer import check
from fer.base import Exporter

if TYPE_CHECKING:
    import keras
    import numpy as np

FEWEST = 32
"""Calibration images: with fewer, the ranges of single images decide."""

QUANTIZERS = ("corrected", "converter")
"""What quantizes a float network."""


@dataclass(kw_only=True)
class Int8(Exporter):
    """A quarter of float32's size: int8 weights with a scale a channel, int8 activations, int32 sums.

    Jacob et al. 2018 (arXiv:1712.05877). Ranges of activations are the extremes over the calibration images; a network
    of quantization-aware training (model=compressed) brings its own.

    Attributes:
        calibration: training images to see, as many of each class as there are.
        seed: of their choice.
        quantizer: of a float network: "corrected" (with corrected biases and our own ranges, see fer.nn.posttraining)
            or "converter" (TensorFlow's converter alone).
        input: what the file takes: "uint8" (pixels as they are), "int8" or "float32".
        output: what it gives: "float32", "uint8" or "int8".
    """

    calibration: int
    seed: int
    quantizer: str
    input: str
    output: str

    calibrates: ClassVar[bool] = True
    integer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "calibration", FEWEST, 100_000)
        check.at_least(self, "seed", 0)
        check.one_of(self, "quantizer", QUANTIZERS)
        check.one_of(self, "input", ("uint8", "int8", "float32"))
        check.one_of(self, "output", ("float32", "uint8", "int8"))

    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Calibrate and convert the network (see Exporter.write)."""
        import tensorflow as tf

        from fer.deployment.convert import convert, shown
        from fer.nn.posttraining import calibrated
        from fer.nn.quantization import is_rounded

        assert calibration is not None
        network = calibrated(network, calibration) if self.quantizer == "corrected" else network
        ranged = is_rounded(network)

        def configure(converter: Any) -> None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if not ranged:
                converter.representative_dataset = shown(calibration)
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.as_dtype(self.input)
            converter.inference_output_type = tf.as_dtype(self.output)

        return convert(network, path, configure, ranges=ranged)

    def counterpart(self, network: keras.Model) -> keras.Model:
        """Return the network as it is calibrated, but exact (see Exporter.counterpart)."""
        from fer.nn.posttraining import unrounded

        return unrounded(network) if self.quantizer == "corrected" else network
