"""A residual network of separable convolutions for facial points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer import check
from fer.base import DataSpec, Model
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class ResidualRegressor(Model):
    """Entry, middle and exit flow of Xception (Chollet 2017, arXiv:1610.02357), small enough for one grey face.

    The entry block has plain convolutions; each residual block two separable ones, pooled by 2, beside a 1x1 shortcut
    of stride 2; each middle block `middle_convolutions` separable ones around which the input is added; the exit
    block one more residual block, two separable convolutions, and the pooling. Every convolution is followed by
    BatchNorm, and LeakyReLU stands before or after it. Images of another size or in colour are made to fit; pixels
    become [-1, 1].

    Attributes:
        input_size: side of the images that the first convolution sees, in pixels.
        entry: filters of the two convolutions of the entry block.
        entry_stride: of the first of them: 1, or 2 for a quarter of all later work.
        residual: filters of each residual block.
        middle_blocks: how many, as wide as the last residual block.
        middle_convolutions: in each middle block.
        exit: filters of the exit's residual block and of its two convolutions.
        slope: of LeakyReLU below 0.
        pooling: of the last maps: "average" over the whole image, or "flatten", which keeps where things are.
        dropout: share of the pooled values set to 0, 0 to below 1.
    """

    input_size: int
    entry: list[int]
    entry_stride: int
    residual: list[int]
    middle_blocks: int
    middle_convolutions: int
    exit: list[int]
    slope: float
    pooling: str
    dropout: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.between(self, "input_size", 32, 512)
        check.one_of(self, "entry_stride", (1, 2))
        check.at_least(self, "middle_blocks", 0)
        check.at_least(self, "middle_convolutions", 1)
        check.between(self, "slope", 0, 1)
        check.one_of(self, "pooling", ("average", "flatten"))
        check.between(self, "dropout", 0, 0.99)
        for field, length in (("entry", 2), ("residual", None), ("exit", 3)):
            filters = getattr(self, field)
            if min(filters, default=0) < 1 or (length and len(filters) != length):
                raise ConfigError(f"{field}: expected {length or 'one or more'} values of 1 or more, got {filters}")

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for images of `spec.shape`."""
        import keras
        from keras import layers

        from fer.nn.images import fit_input, outputs
        from fer.nn.weights import load_weights

        inputs = keras.Input(spec.shape, name="image")
        x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(fit_input(inputs, self.input_size, channels=1))
        for filters, stride in zip(self.entry, (self.entry_stride, 1), strict=True):
            x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
            x = self._active(layers.BatchNormalization()(x))
        for number, filters in enumerate(self.residual):
            x = self._residual(x, (filters, filters), active=number > 0)
        for _ in range(self.middle_blocks):
            x = self._middle(x)
        first, *last = self.exit
        x = self._residual(x, (x.shape[-1], first), active=True)
        for filters in last:
            x = self._active(self._separable(x, filters))
        x = layers.Dropout(self.dropout)(self._pool(x))
        network = keras.Model(inputs, outputs(spec)(x), name="residual_regressor")
        if self.weights != "none":
            load_weights(network, self.weights)
        return network

    def _pool(self, x: keras.KerasTensor) -> keras.KerasTensor:
        from keras import layers

        if self.pooling == "average":
            return layers.GlobalAveragePooling2D()(x)
        x = layers.Flatten()(x)
        # Adam moves every weight by about the rate: without this, points would move by the rate times their number
        return layers.Rescaling(x.shape[-1] ** -0.5, name="calm")(x)

    def _active(self, x: keras.KerasTensor) -> keras.KerasTensor:
        from keras import layers

        return layers.LeakyReLU(negative_slope=self.slope)(x)

    def _separable(self, x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        from keras import layers

        x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    def _residual(self, x: keras.KerasTensor, filters: tuple[int, int], *, active: bool) -> keras.KerasTensor:
        """Two separable convolutions and a pooling by 2 beside a shortcut; `active` puts LeakyReLU before the first."""
        from keras import layers

        shortcut = layers.Conv2D(filters[1], 1, 2, padding="same", use_bias=False)(x)
        shortcut = layers.BatchNormalization()(shortcut)
        x = self._separable(self._active(x) if active else x, filters[0])
        x = self._separable(self._active(x), filters[1])
        return layers.Add()([layers.MaxPooling2D(3, 2, padding="same")(x), shortcut])

    def _middle(self, x: keras.KerasTensor) -> keras.KerasTensor:
        from keras import layers

        shortcut = x
        for _ in range(self.middle_convolutions):
            x = self._separable(self._active(x), shortcut.shape[-1])
        return layers.Add()([x, shortcut])
