"""A plain CNN for 48x48 grey faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer import check
from fer.base import DataSpec, Model
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Cnn48(Model):
    """Convolution, ReLU, max-pooling and dropout, `len(filters)` times, then dense layers.

    With the values of conf/model/cnn48.yaml: kernels 9, 6 and 3 with 128, 256 and 512 filters on 48x48 grey images,
    pooling of 2, dropout of 0.5 after each, dense 128 and 64. Images of another size or in colour are made to fit.

    Attributes:
        input_size: side of the images that the first convolution sees, in pixels.
        filters: of each convolution.
        kernels: side of each convolution's kernel, in pixels; no padding.
        dropout: share of values set to 0 after each pooling, 0 to below 1.
        units: of each dense layer.
    """

    input_size: int
    filters: list[int]
    kernels: list[int]
    dropout: float
    units: list[int]

    def __post_init__(self) -> None:
        """Check the ranges, and that the image is large enough for the kernels."""
        super().__post_init__()
        check.between(self, "input_size", 16, 512)
        check.between(self, "dropout", 0, 0.99)
        for field in ("filters", "kernels", "units"):
            if min(getattr(self, field), default=1) < 1:
                raise ConfigError(f"{field}: expected values of 1 or more, got {getattr(self, field)}")
        if len(self.filters) != len(self.kernels):
            raise ConfigError(
                f"kernels: expected one for each of the {len(self.filters)} filters, got {len(self.kernels)}"
            )
        side = self.input_size
        for kernel in self.kernels:
            side = (side - kernel + 1) // 2
        if side < 1:
            raise ConfigError(f"kernels: {self.kernels} leave nothing of an image of {self.input_size} pixels")

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for images of `spec.shape`."""
        import keras
        from keras import layers

        from fer.nn.images import fit_input, outputs
        from fer.nn.weights import load_weights

        inputs = keras.Input(spec.shape, name="image")
        x = layers.Rescaling(1 / 255, name="scale")(fit_input(inputs, self.input_size, channels=1))
        for filters, kernel in zip(self.filters, self.kernels, strict=True):
            x = layers.Conv2D(filters, kernel, activation="relu")(x)
            x = layers.MaxPooling2D()(x)
            x = layers.Dropout(self.dropout)(x)
        x = layers.Flatten()(x)
        for units in self.units:
            x = layers.Dense(units, activation="relu")(x)
        network = keras.Model(inputs, outputs(spec)(x), name="cnn48")
        if self.weights != "none":
            load_weights(network, self.weights)
        return network
