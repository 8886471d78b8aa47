"""What is done to images on the device, inside the compiled step."""

from typing import Any

import keras
from keras import ops

from fer.mixing import mixed


def changed(images: keras.Variable, inputs: dict[str, Any]) -> Any:
    """Gather images and change them as told.

    Args:
        images: uint8 (n, height, width, channels).
        inputs: "rows" int32 (batch,); and, where they are to be changed, "matrix", "gain", "bias" (see
            fer.augmentation.affine) and "partner", "share", "patch", "hole" (see fer.mixing).

    Returns:
        (batch, height, width, channels), 0 to 255: uint8, or float32 where they were changed.
    """
    batch = ops.take(images, inputs["rows"], axis=0)
    if "matrix" in inputs:
        batch = ops.cast(batch, "float32")
        batch = ops.image.affine_transform(
            batch, inputs["matrix"], interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )
        gain, bias = (inputs[name][:, None, None, None] for name in ("gain", "bias"))
        batch = ops.clip(batch * gain + bias, 0, 255)
    if "partner" in inputs:
        batch = mixed(ops.cast(batch, "float32"), inputs, ops)
    return batch
