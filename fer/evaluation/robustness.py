"""Accuracy and confidence when images get worse: seven corruptions at five severities, mirrored, and no face at all."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from fer.base import Samples

SEVERITIES: Mapping[str, tuple[float, ...]] = {
    "blur": (0.01, 0.02, 0.03, 0.045, 0.06),
    "noise": (6, 12, 20, 32, 48),
    "jpeg": (50, 30, 18, 10, 5),
    "brightness": (0.8, 0.65, 0.5, 0.35, 0.2),
    "occlusion": (0.15, 0.22, 0.3, 0.4, 0.5),
    "rotation": (5, 10, 18, 28, 40),
    "resolution": (0.7, 0.5, 0.35, 0.25, 0.17),
}
"""From mild to hard: blur's deviation as a share of the side, noise's deviation in grey values, JPEG
quality, factor on brightness, side of a grey square as a share, degrees either way, and factor on the resolution. The
idea is that of Hendrycks & Dietterich (2019, arXiv:1903.12261), the values suit faces of 48 pixels and more.
"""


def judge(
    predict: Callable[[np.ndarray], np.ndarray], samples: Samples, labels: np.ndarray, count: int, *, seed: int = 0
) -> dict[str, Any]:
    """Return accuracy and mean confidence on some images, as they are and under each corruption.

    Args:
        predict: uint8 (n, height, width, channels) -> probabilities (n, classes).
        samples: the split.
        labels: int (samples,).
        count: how many images are drawn from it.
        seed: of the drawing and of the corruptions.

    Returns:
        samples, clean (accuracy), corruptions (name -> five accuracies), mirrored (accuracy), and confidence: the mean
        for clean, mirrored, scrambled (the image's sixteen parts in another order) and corruptions (name -> five).
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(samples))[:count])
    images, truth = samples.inputs(chosen), labels[chosen]

    def both(shown: np.ndarray) -> tuple[float, float]:
        answers = predict(shown)
        return float((answers.argmax(axis=1) == truth).mean()), float(answers.max(axis=1).mean())

    found = {
        name: [both(corrupted(images, name, strength, random)) for strength in strengths]
        for name, strengths in SEVERITIES.items()
    }
    clean, mirrored = both(images), both(images[:, :, ::-1])
    corruptions, confidences = ({name: [each[i] for each in pairs] for name, pairs in found.items()} for i in (0, 1))
    return {
        "samples": len(chosen),
        "clean": clean[0],
        "mirrored": mirrored[0],
        "corruptions": corruptions,
        "confidence": {
            "clean": clean[1],
            "mirrored": mirrored[1],
            "scrambled": both(scrambled(images, random))[1],
            "corruptions": confidences,
        },
    }


def scrambled(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return images whose sixteen parts are in another order: the grey values of a face, and no face."""
    height, width = (side // 4 for side in images.shape[1:3])
    tiles = [(row * height, column * width) for row in range(4) for column in range(4)]
    changed = images.copy()
    for image, whole in zip(changed, images, strict=True):
        for (top, left), there in zip(tiles, random.permutation(len(tiles)), strict=True):
            y, x = tiles[there]
            image[top : top + height, left : left + width] = whole[y : y + height, x : x + width]
    return changed


def corrupted(images: np.ndarray, name: str, strength: float, random: np.random.Generator) -> np.ndarray:
    """Return images uint8 (n, height, width, channels) under a corruption of SEVERITIES."""
    if name == "brightness":
        return (images * np.float32(strength)).astype(np.uint8)
    if name == "noise":
        noisy = images + random.normal(0, strength, images.shape).astype(np.float32)
        return np.clip(noisy, 0, 255).astype(np.uint8)
    if name == "occlusion":
        return _occluded(images, strength, random)
    change = {"blur": _blurred, "jpeg": _compressed, "rotation": _rotated, "resolution": _shrunk}[name]
    return np.stack([_through(each, lambda image: change(image, strength, random)) for each in images])


def _through(pixels: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return np.asarray(change(Image.fromarray(pixels.squeeze()))).reshape(pixels.shape)


def _blurred(image: Image.Image, strength: float, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(strength * image.height))


def _compressed(image: Image.Image, strength: float, _: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(strength))
    return Image.open(file)


def _rotated(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    return image.rotate(strength * random.choice([-1, 1]), Image.Resampling.BILINEAR)


def _shrunk(image: Image.Image, strength: float, _: np.random.Generator) -> Image.Image:
    small = image.resize([max(1, round(strength * side)) for side in image.size], Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _occluded(images: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    changed = images.copy()
    height, width = images.shape[1:3]
    side = round(strength * min(height, width))
    tops, lefts = (random.integers(0, end - side + 1, len(images)) for end in (height, width))
    for image, top, left in zip(changed, tops, lefts, strict=True):
        image[top : top + side, left : left + side] = 128
    return changed
