"""Dense layers over the coordinates of facial points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer import check
from fer.base import DataSpec, Model
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class LandmarkMlp(Model):
    """Every coordinate brought to mean 0 and deviation 1, then dense layers, each with BatchNorm, ReLU and dropout.

    Points of one mesh have no neighbours worth a convolution: a dense layer sees all distances at once.

    Attributes:
        units: of each dense layer.
        dropout: share of values set to 0 after each, 0 to below 1.
    """

    units: list[int]
    dropout: float

    kind: ClassVar[str] = "landmarks"
    targets: ClassVar[tuple[str, ...]] = ("classes",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.between(self, "dropout", 0, 0.99)
        if min(self.units, default=0) < 1:
            raise ConfigError(f"units: expected one or more values of 1 or more, got {self.units}")

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for points of `spec.shape`."""
        import keras
        from keras import layers

        from fer.nn.images import outputs
        from fer.nn.weights import load_weights

        inputs = keras.Input(spec.shape, name="landmarks")
        x = layers.BatchNormalization(center=False, scale=False, name="scale")(layers.Flatten()(inputs))
        for units in self.units:
            x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units, use_bias=False)(x)))
            x = layers.Dropout(self.dropout)(x)
        network = keras.Model(inputs, outputs(spec)(x), name="landmark_mlp")
        if self.weights != "none":
            load_weights(network, self.weights)
        return network
