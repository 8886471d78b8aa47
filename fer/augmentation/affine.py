"""Flip, shift, rotation, scale, brightness and contrast, on the host or inside the compiled step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer import check
from fer.base import Augment, Augmentation, DataSpec, Draw
from fer.errors import ConfigError


@dataclass(kw_only=True)
class Affine(Augmentation):
    """One affine map and one linear change of brightness an image, drawn from the batch's seed as small arrays.

    The same draws are carried out by OpenCV on the host, or with pipeline.on_device=true on the device. Pixels from
    beyond the border repeat the border.

    Attributes:
        flip: probability that the face is mirrored.
        shift: largest shift along each axis, as a share of the side.
        rotate: largest angle either way, in degrees.
        scale: largest change of size either way, as a share: 0.1 is 0.9 to 1.1.
        brightness: largest change either way, as a share of the range.
        contrast: the same for the contrast, around the middle of the range.
    """

    flip: float
    shift: float
    rotate: float
    scale: float
    brightness: float
    contrast: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in ("flip", "shift", "brightness", "contrast"):
            check.between(self, field, 0, 1)
        check.between(self, "rotate", 0, 180)
        check.between(self, "scale", 0, 0.9)

    def build(self, spec: DataSpec) -> Augment:
        """Return the function that changes one batch on the host."""
        draw, mirror = self.on_device(spec), np.array(spec.mirror, np.int64)

        def augment(inputs: np.ndarray, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
            drawn = draw(len(inputs), np.random.default_rng(seed))
            images = np.stack([_changed(*each) for each in zip(inputs, *drawn.values(), strict=True)])
            return images, moved(targets, drawn["matrix"], mirror) if len(mirror) else targets

        return augment

    def on_device(self, spec: DataSpec) -> Draw:
        """Return draw(count, random) -> what is done to each image of a batch.

        matrix: float32 (count, 8), a projective map from pixels of the result to pixels of the image (x first, the
        centre of the first pixel is 0), as keras.ops.image.affine_transform takes it; gain and bias: float32 (count,),
        pixel * gain + bias.
        """
        if spec.kind != "image":
            raise ConfigError(f"augmentation: expected none, since {spec.name} has {spec.kind}, not images")
        height, width = spec.shape[:2]

        def draw(count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
            angle = np.deg2rad(random.uniform(-self.rotate, self.rotate, count))
            size = 1 / random.uniform(1 - self.scale, 1 + self.scale, count)
            mirror = np.where(random.random(count) < self.flip, -1, 1)
            dx, dy = (random.uniform(-self.shift, self.shift, count) * side for side in (width, height))
            cos, sin = size * np.cos(angle), size * np.sin(angle)
            x, y = (width - 1) / 2, (height - 1) / 2  # turned around the middle
            rows = [
                [mirror * cos, -mirror * sin, x - mirror * (cos * (x + dx) - sin * (y + dy))],
                [sin, cos, y - (sin * (x + dx) + cos * (y + dy))],
            ]
            matrix = np.zeros((count, 8), np.float32)
            matrix[:, :6] = np.stack([np.broadcast_to(value, count) for row in rows for value in row], axis=1)
            gain = random.uniform(1 - self.contrast, 1 + self.contrast, count)
            bias = 255 * random.uniform(-self.brightness, self.brightness, count) + 127.5 * (1 - gain)
            return {"matrix": matrix, "gain": gain.astype(np.float32), "bias": bias.astype(np.float32)}

        return draw


def _changed(image: np.ndarray, matrix: np.ndarray, gain: float, bias: float) -> np.ndarray:
    import cv2

    size = image.shape[1::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, matrix[:6].reshape(2, 3), size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    bright = np.clip(np.rint(warped.reshape(image.shape) * gain + bias), 0, 255)
    return bright.astype(image.dtype)


def moved(points: np.ndarray, matrix: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return where points come out, left and right swapped where the face is mirrored.

    Args:
        points: float32 (n, points, 2), the centre of the first pixel is 0.5.
        matrix: float32 (n, 8), from result to image.
        mirror: where each point goes in a mirrored face.
    """
    rows = matrix[:, :6].reshape(-1, 2, 3).astype(np.float64)
    linear, offset = rows[:, :, :2], rows[:, np.newaxis, :, 2]
    inverse = np.linalg.inv(linear)
    out = np.einsum("nij,npj->npi", inverse, points - 0.5 - offset) + 0.5
    flipped = np.linalg.det(linear) < 0
    out[flipped] = out[flipped][:, mirror]
    return out.astype(points.dtype)
