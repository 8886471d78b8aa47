"""A small 1D CNN over the coordinates of facial points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer import check
from fer.base import DataSpec, Model
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras

ACTIVATIONS = ("relu", "elu", "selu", "gelu", "silu", "leaky_relu", "tanh")


@dataclass(kw_only=True)
class LandmarkCnn(Model):
    """Conv1D, max-pooling by 2, Conv1D, max-pooling by 2, flatten, dense, softmax.

    It takes the coordinates one after the other, x, y, z of the first point first: 216 values of the 72 points of
    `expression`. Convolutions have no padding.

    Attributes:
        filters: of the two convolutions.
        kernels: length of their kernels, in values.
        units: of the dense layer.
        activation: of the convolutions and of the dense layer.
    """

    filters: list[int]
    kernels: list[int]
    units: int
    activation: str

    kind: ClassVar[str] = "landmarks"
    targets: ClassVar[tuple[str, ...]] = ("classes",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for field in ("filters", "kernels"):
            values = getattr(self, field)
            if len(values) != 2 or min(values) < 1:
                raise ConfigError(f"{field}: expected two values of 1 or more, got {values}")
        check.at_least(self, "units", 1)
        check.one_of(self, "activation", ACTIVATIONS)

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for points of `spec.shape`."""
        import keras
        from keras import layers

        from fer.nn.images import outputs
        from fer.nn.weights import load_weights

        inputs = keras.Input(spec.shape, name="landmarks")
        length = spec.shape[0] * spec.shape[1]
        x = layers.Reshape((length, 1))(inputs)
        for filters, kernel in zip(self.filters, self.kernels, strict=True):
            if x.shape[1] - kernel + 1 < 2:
                raise ConfigError(f"model.kernels: {self.kernels} leave nothing of {length} values")
            x = layers.Conv1D(filters, kernel, activation=self.activation)(x)
            x = layers.MaxPooling1D(2)(x)
        x = layers.Flatten()(x)
        x = layers.Dense(self.units, activation=self.activation)(x)
        network = keras.Model(inputs, outputs(spec)(x), name="landmark_cnn")
        if self.weights != "none":
            load_weights(network, self.weights)
        return network
