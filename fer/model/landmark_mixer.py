"""An MLP-Mixer over facial points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fer import check
from fer.base import DataSpec, Model

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class LandmarkMixer(Model):
    """Points as tokens of an MLP-Mixer (Tolstikhin et al. 2021, arXiv:2105.01601).

    Every point has a projection of its own to `width` values, since a place of the face means something else than
    another. Each block mixes first along the points, value by value, and then along the values, point by point. The
    last layer sees all values of all points.

    Attributes:
        width: values of a point.
        blocks: how many.
        points_hidden: units of the hidden layer along the points.
        values_hidden: units of the hidden layer along the values.
        dropout: share of values set to 0 after each hidden layer and before the last, 0 to below 1.
    """

    width: int
    blocks: int
    points_hidden: int
    values_hidden: int
    dropout: float

    kind: ClassVar[str] = "landmarks"
    targets: ClassVar[tuple[str, ...]] = ("classes",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for field in ("width", "blocks", "points_hidden", "values_hidden"):
            check.at_least(self, field, 1)
        check.between(self, "dropout", 0, 0.99)

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for points of `spec.shape`."""
        import keras
        from keras import layers

        from fer.nn.images import outputs
        from fer.nn.weights import load_weights

        points = spec.shape[0]
        inputs = keras.Input(spec.shape, name="landmarks")
        x = layers.EinsumDense("bpd,pdw->bpw", (points, self.width), bias_axes="pw", name="points")(inputs)
        for _ in range(self.blocks):
            # dense layers see the last axis alone, and TFLite adds a bias to no other
            y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
            y = layers.Permute((2, 1))(layers.Dense(points)(self._hidden(y, self.points_hidden)))
            x = layers.Add()([x, y])
            y = self._hidden(layers.LayerNormalization()(x), self.values_hidden)
            x = layers.Add()([x, layers.Dense(self.width)(y)])
        x = layers.Flatten()(layers.LayerNormalization()(x))
        x = layers.Dropout(self.dropout)(x)
        network = keras.Model(inputs, outputs(spec)(x), name="landmark_mixer")
        if self.weights != "none":
            load_weights(network, self.weights)
        return network

    def _hidden(self, x: keras.KerasTensor, units: int) -> keras.KerasTensor:
        from keras import layers

        return layers.Dropout(self.dropout)(layers.Dense(units, activation="relu")(x))
