"""A compact residual network for small grey faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer import check
from fer.base import DataSpec, Model
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Mien(Model):
    """Residual blocks of two plain 3x3 convolutions (He et al. 2016, arXiv:1512.03385), for grey faces of 48 to 112 px.

    A first convolution halves the image; the first block of each later stage halves it again. Plain convolutions, not
    depthwise ones: on small maps they train faster on a CPU (docs/zoo.md); `separable` ones (Chollet 2017,
    arXiv:1610.02357) where the file must be smaller than those can be. ReLU6 keeps small the ranges that int8 has
    to cover, and every operation is one that the Edge TPU has. Images of another size or in colour are made to fit;
    pixels become [-1, 1].

    Attributes:
        input_size: side of the images that the first convolution sees, in pixels.
        filters: of each stage; the first convolution has as many as the first stage.
        blocks: residual blocks of each stage.
        separable: make the blocks' 3x3 convolutions of a depthwise and a 1x1 convolution.
        dropout: share of the pooled values set to 0, 0 to below 1.
    """

    input_size: int
    filters: list[int]
    blocks: list[int]
    separable: bool
    dropout: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check.between(self, "input_size", 32, 512)
        check.between(self, "dropout", 0, 0.99)
        for field in ("filters", "blocks"):
            if min(getattr(self, field), default=0) < 1:
                raise ConfigError(f"{field}: expected one or more values of 1 or more, got {getattr(self, field)}")
        if len(self.filters) != len(self.blocks):
            raise ConfigError(
                f"blocks: expected one for each of the {len(self.filters)} filters, got {len(self.blocks)}"
            )

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for images of `spec.shape`."""
        import keras
        from keras import layers

        from fer.nn.images import fit_input, outputs
        from fer.nn.weights import load_weights

        inputs = keras.Input(spec.shape, name="image")
        x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(fit_input(inputs, self.input_size, channels=1))
        x = layers.ReLU(6.0)(_convolution(x, self.filters[0], 3, stride=2))
        for stage, (filters, blocks) in enumerate(zip(self.filters, self.blocks, strict=True)):
            for block in range(blocks):
                x = self._residual(x, filters, stride=2 if stage and not block else 1)
        x = layers.Dropout(self.dropout)(layers.GlobalAveragePooling2D()(x))
        network = keras.Model(inputs, outputs(spec)(x), name="mien")
        if self.weights != "none":
            load_weights(network, self.weights)
        return network

    def _residual(self, x: keras.KerasTensor, filters: int, stride: int) -> keras.KerasTensor:
        from keras import layers

        shortcut = x
        if stride > 1:
            shortcut = layers.AveragePooling2D(stride, padding="same")(shortcut)
        if shortcut.shape[-1] != filters:
            shortcut = _convolution(shortcut, filters, 1)
        x = layers.ReLU(6.0)(_convolution(x, filters, 3, stride, separable=self.separable))
        x = _convolution(x, filters, 3, separable=self.separable, gamma="zeros")
        return layers.ReLU(6.0)(layers.Add()([shortcut, x]))


def _convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    stride: int = 1,
    *,
    separable: bool = False,
    gamma: str = "ones",
) -> keras.KerasTensor:
    """A convolution and its BatchNorm; gamma "zeros" makes a block begin as its shortcut (Goyal et al. 2017)."""
    from keras import layers

    kind = layers.SeparableConv2D if separable else layers.Conv2D
    x = kind(filters, kernel, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(gamma_initializer=gamma)(x)
