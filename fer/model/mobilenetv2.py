"""MobileNetV2 with a small dense head, fine-tuned in stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer import check
from fer.base import DataSpec, Model, Stage
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras

BLOCKS = ("Conv_1", *(f"block_{number}_" for number in range(16, 0, -1)), "expanded_conv_", "Conv1")
"""Beginnings of the layer names of each block in Keras's MobileNetV2, last block first ("Conv_1" is the last)."""


@dataclass(kw_only=True)
class MobileNetV2(Model):
    """MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), average pooling, dropout, dense ReLU, dropout, output.

    With given weights the head is trained alone first, then the last blocks or all of them at a lower rate, with
    BatchNorm in inference mode throughout; with random weights everything is trained from the start. Grey images become
    three equal channels and all are scaled to [-1, 1] inside the network.

    Attributes:
        weights: "imagenet" (Keras downloads it), "none", or the path of a .h5 file of the base without its top, or of a
            .keras file that this recipe trained.
        alpha: width multiplier; Keras has ImageNet weights for 0.35, 0.5, 0.75, 1.0, 1.3 and 1.4.
        input_size: side of the images that the base sees, 48 to 224 pixels.
        dropout: before the dense layer, and `dense_dropout` after it.
        units: of the dense layer.
        l2: weight of the dense layer's L2 penalty.
        head_epochs: epochs in which only the head is trained.
        fine_tune: afterwards, "all" or how many of the last of 19 blocks are trained; 0 leaves it at the head.
        fine_tune_rate: factor on the learning rate then.
    """

    alpha: float
    input_size: int
    dropout: float
    dense_dropout: float
    units: int
    l2: float
    head_epochs: int
    fine_tune: int | str
    fine_tune_rate: float

    def __post_init__(self) -> None:
        """Check the ranges, and that the weights are there."""
        if self.weights not in ("none", "imagenet"):
            check.exists(self, "weights")
        if self.weights == "imagenet":
            check.one_of(self, "alpha", (0.35, 0.5, 0.75, 1.0, 1.3, 1.4))
        check.between(self, "alpha", 0.1, 2)
        check.between(self, "input_size", 48, 224)
        check.between(self, "dropout", 0, 0.99)
        check.between(self, "dense_dropout", 0, 0.99)
        check.at_least(self, "units", 1)
        check.at_least(self, "l2", 0)
        check.at_least(self, "head_epochs", 0)
        check.above(self, "fine_tune_rate", 0)
        check.one_of(self, "fine_tune", ("all", *range(len(BLOCKS) + 1)))

    def stages(self, epochs: int) -> list[Stage]:
        """Train the head, then fine-tune; with random weights, train everything at once."""
        if self.weights == "none":
            return super().stages(epochs)
        if self.fine_tune == 0:
            return [Stage(name="head", epochs=epochs, frozen_trunk=True)]
        if self.head_epochs >= epochs:
            raise ConfigError(
                f"model.head_epochs: expected fewer than the {epochs} training.epochs, got {self.head_epochs}; "
                "lower it, raise training.epochs, or train the head alone with model.fine_tune=0"
            )
        head = Stage(name="head", epochs=self.head_epochs, frozen_trunk=True)
        tune = Stage(name="fine-tune", epochs=epochs - self.head_epochs, rate=self.fine_tune_rate)
        return [head, tune] if self.head_epochs else [tune]

    def thaw(self, network: keras.Model, stage: Stage) -> None:
        """Fix the base, or all but its last blocks; BatchNorm layers stay fixed, which is Keras's inference mode."""
        import keras

        if self.weights == "none":
            super().thaw(network, stage)
            return
        tuned = () if stage.frozen_trunk else BLOCKS if self.fine_tune == "all" else BLOCKS[: int(self.fine_tune)]
        # each layer by itself: setting a sub-model does nothing on TensorFlow where its own flag has that value already
        for layer in network.get_layer("trunk").get_layer("base").layers:
            fixed = isinstance(layer, keras.layers.BatchNormalization) or not layer.name.startswith(tuned)
            layer.trainable = not fixed

    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network for images of `spec.shape`, as sub-models "trunk" (to features) and "head"."""
        import keras
        from keras import layers

        from fer.nn.images import fit_input, outputs

        inputs = keras.Input(spec.shape, name="image")
        x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(fit_input(inputs, self.input_size, channels=3))
        trunk = keras.Model(inputs, self._base()(x), name="trunk")
        head = keras.Sequential(
            [
                layers.Dropout(self.dropout),
                layers.Dense(self.units, activation="relu", kernel_regularizer=keras.regularizers.L2(self.l2)),
                layers.Dropout(self.dense_dropout),
                outputs(spec),
            ],
            name="head",
        )
        network = keras.Model(inputs, head(trunk(inputs)), name="mobilenetv2")
        if self.weights.endswith(".keras"):
            from fer.nn.weights import load_weights

            load_weights(trunk, self.weights, part="trunk")
        return network

    def _base(self) -> keras.Model:
        import keras

        from fer.nn.weights import load_weights

        try:
            base = keras.applications.MobileNetV2(
                input_shape=(self.input_size, self.input_size, 3),
                alpha=self.alpha,
                include_top=False,
                pooling="avg",
                weights="imagenet" if self.weights == "imagenet" else None,
                name="base",
            )
        except Exception as error:  # Keras raises nothing narrower where a download fails
            raise ConfigError(
                f"model.weights=imagenet: Keras cannot download the weights ({error}); "
                "give a file with model.weights=<path of .h5 or .keras>, or start from nothing with model.weights=none"
            ) from error
        if self.weights not in ("none", "imagenet") and not self.weights.endswith(".keras"):
            load_weights(base, self.weights)
        return base
