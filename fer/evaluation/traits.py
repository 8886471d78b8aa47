"""What the audit measures of each image in one pass: digests, a descriptor for near copies, and qualities.

The pass reads in chunks; what is kept is about 600 bytes an image, whatever its size, and is cached by the fingerprint
of the pixels.
"""

import zipfile
from dataclasses import dataclass, fields

import numpy as np

from fer import cache
from fer.artifact import replacing
from fer.base import Samples, batched

FORMAT = 1
"""Part of the cache's key: raise it when what is measured changes."""

SIDE = 48
"""Pixels to which an image is scaled down (area mean) before it is compared with others."""

WAVES = 12
"""Rows and columns of cosine coefficients that describe an image."""

AT_ONCE = 8_000_000
"""How many values of images are held at a time: 32 MB of float32."""

QUALITIES = ("brightness", "contrast", "sharpness", "levels")


@dataclass(frozen=True, kw_only=True)
class Traits:
    """A row an image of one split.

    Attributes:
        digests: uint64 (n,), equal for exact copies.
        mirrored: uint64 (n,), the digest of the mirrored image.
        descriptors: float32 (n, 144), see `describe`.
        blank: bool (n,), all pixels are one.
        brightness: float32 (n,), mean grey, 0 to 255.
        contrast: float32 (n,), standard deviation of grey.
        sharpness: float32 (n,), standard deviation of the Laplacian over that of grey: falls with blur and hardly
            changes with light; 0 for a blank image.
        levels: float32 (n,), how many of 256 grey values occur: shows equalised, stretched and re-quantised copies.
    """

    digests: np.ndarray
    mirrored: np.ndarray
    descriptors: np.ndarray
    blank: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    levels: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.digests)

    def __getitem__(self, rows: np.ndarray) -> "Traits":
        """Return the traits of some images."""
        return Traits(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def measure(samples: Samples, key: str) -> Traits:
    """Measure every image of a split, or find what was measured before.

    Args:
        samples: images, uint8 (n, height, width, 1 or 3).
        key: `fer.artifact.fingerprint(samples)`, under which the result is cached.
    """
    file = cache.folder() / f"traits-{FORMAT}-{key}.npz"
    try:
        with np.load(file) as found:
            return Traits(**found)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile):
        pass  # not measured yet, or damaged
    traits = _measure(samples)
    with cache.writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            np.savez(partial, **{each.name: getattr(traits, each.name) for each in fields(traits)})
    return traits


def _measure(samples: Samples) -> Traits:
    parts = []
    for some in batched(len(samples), max(1, AT_ONCE // int(np.prod(samples.source.shape[1:])))):
        images = samples.inputs(some)
        pixels = grey(images)
        flat = images.reshape(len(images), -1)
        contrast = pixels.std(axis=(1, 2))
        parts.append(
            Traits(
                digests=np.array([cache.digest(image) for image in images], np.uint64),
                mirrored=np.array([cache.digest(image) for image in images[:, :, ::-1]], np.uint64),
                descriptors=describe(thumbs(pixels)),
                blank=flat.min(axis=1) == flat.max(axis=1),
                brightness=pixels.mean(axis=(1, 2)),
                contrast=contrast,
                sharpness=_laplacian(pixels).std(axis=(1, 2)) / np.maximum(contrast, 1e-6),
                levels=_levels(pixels),
            )
        )
    return Traits(
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Traits)}
    )


def grey(images: np.ndarray) -> np.ndarray:
    """Return images (n, height, width, 1 or 3) as grey float32 (n, height, width), weighted as in ITU-R BT.601."""
    if images.shape[-1] == 1:
        return images[..., 0].astype(np.float32)
    return images @ np.array([0.299, 0.587, 0.114], np.float32)


def thumbs(pixels: np.ndarray) -> np.ndarray:
    """Scale grey images (n, height, width) to (n, 48, 48) by the mean of each area; smaller ones stay as they are."""
    height, width = (_area(side) for side in pixels.shape[1:])
    return height @ pixels @ width.T


def normalised(small: np.ndarray) -> np.ndarray:
    """Return images as rows of mean 0 and length 1, so that inner products are correlations; a blank one is all 0."""
    rows = small.reshape(len(small), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)


def describe(small: np.ndarray) -> np.ndarray:
    """Describe images so that inner products are an upper bound of their correlation: float32 (n, 144).

    A normalised image is split into its 12x12 lowest cosine waves and the rest. The correlation of two is the inner
    product of the waves plus that of the rests, which is at most the product of their lengths (Cauchy and Schwarz).
    The wave of frequency 0 is always 0 and gives its place to the length. Whoever looks for correlations above a
    threshold among the descriptors misses none.
    """
    height, width = small.shape[1:]
    rows = normalised(small).reshape(small.shape)
    waves = (_waves(height) @ rows @ _waves(width).T).reshape(len(small), -1)
    waves[:, 0] = 0
    rest = (rows**2).sum(axis=(1, 2)) - (waves**2).sum(axis=1)
    waves[:, 0] = np.sqrt(np.maximum(rest, 0))
    return waves


MIRROR = np.where(np.arange(WAVES**2) % WAVES % 2, -1, 1).astype(np.float32)
"""Factor on a descriptor that makes it that of the mirrored image: odd waves change sign."""


def _waves(side: int) -> np.ndarray:
    """Return the lowest orthonormal cosine waves (DCT-II): float32 (12, side); fewer rows of a tiny image are 0."""
    frequency, place = np.arange(WAVES)[:, None], np.arange(side)
    waves = np.cos(np.pi * (place + 0.5) * frequency / side) * np.sqrt(2 / side)
    waves[0] /= np.sqrt(2)
    waves[side:] = 0
    return waves.astype(np.float32)


def _area(side: int) -> np.ndarray:
    """Return the weights that scale `side` pixels down to 48: float32 (48, side)."""
    small = min(side, SIDE)
    edges = np.linspace(0, side, small + 1)
    place = np.arange(side)
    overlap = np.minimum(edges[1:, None], place + 1) - np.maximum(edges[:-1, None], place)
    return (np.maximum(overlap, 0) * small / side).astype(np.float32)


def _laplacian(pixels: np.ndarray) -> np.ndarray:
    around = pixels[:, 1:-1, :-2] + pixels[:, 1:-1, 2:] + pixels[:, :-2, 1:-1] + pixels[:, 2:, 1:-1]
    return around - 4 * pixels[:, 1:-1, 1:-1]


def _levels(pixels: np.ndarray) -> np.ndarray:
    count = len(pixels)
    values = pixels.reshape(count, -1).astype(np.int64) + 256 * np.arange(count)[:, None]
    return (np.bincount(values.ravel(), minlength=256 * count).reshape(count, 256) > 0).sum(axis=1).astype(np.float32)
