"""Whether the splits of a dataset are of one kind: a blurred, equalised or recompressed split stands out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer.evaluation.traits import QUALITIES, Traits

FAR = 0.1
"""How far the probability that an image of train has more of a quality than one of another split may be from 1/2,
beyond three standard deviations of chance.

FER2013's own parts are within 0.002; a Gaussian blur of 0.5 pixels moves its sharpness by 0.36.
"""

WORDS = {
    "brightness": ("darker", "brighter"),
    "contrast": ("flatter", "higher in contrast"),
    "sharpness": ("more blurred", "sharper"),
    "levels": ("of fewer grey values", "of more grey values"),
}


def compare(traits: Mapping[str, Traits]) -> list[dict[str, Any]]:
    """Compare each quality of the other splits with that of the first (train).

    Args:
        traits: split -> its traits, in order.

    Returns:
        A row for each quality and other split: "quality", "first", "second", "medians" (of both), "superiority" (the
        probability that an image of the first has more of it than one of the second; Mann & Whitney 1947), and
        "warning", a line where they differ, else "".
    """
    (first, base), *others = traits.items()
    rows = []
    for second, other in others:
        for quality in QUALITIES:
            a, b = getattr(base, quality)[~base.blank], getattr(other, quality)[~other.blank]
            share = superiority(a, b)
            chance = ((len(a) + len(b) + 1) / (12 * max(1, len(a)) * max(1, len(b)))) ** 0.5  # its deviation
            far = abs(share - 0.5) > FAR + 3 * chance
            word = WORDS[quality][int(share > 0.5)]
            text = (
                f"images of {first} are {word} than those of {second}: {quality} has a median of {np.median(a):.3g} "
                f"against {np.median(b):.3g}, and is higher in {100 * share:.0f}% of pairs"
            )
            rows.append(
                {
                    "quality": quality,
                    "first": first,
                    "second": second,
                    "medians": [float(np.median(a)), float(np.median(b))],
                    "superiority": share,
                    "warning": text if far else "",
                }
            )
    return rows


def superiority(a: np.ndarray, b: np.ndarray) -> float:
    """Return the probability that a value of `a` is above one of `b`, ties counted half; 1/2 where one is empty."""
    if not len(a) or not len(b):
        return 0.5
    sorted_b = np.sort(b)
    below = np.searchsorted(sorted_b, a, side="left") + np.searchsorted(sorted_b, a, side="right")
    return float(below.mean() / (2 * len(b)))


def quantiles(traits: Traits, levels: Sequence[float] = (0.1, 0.5, 0.9)) -> dict[str, list[float]]:
    """Return the 10%, 50% and 90% quantile of each quality of the images that are not blank."""
    kept = traits[~traits.blank] if (~traits.blank).any() else traits
    return {quality: [float(each) for each in np.quantile(getattr(kept, quality), levels)] for quality in QUALITIES}


def likeness(descriptors: np.ndarray) -> np.ndarray:
    """Return how much each image is like a face: its correlation with the mean face, made symmetric; float32 (n,).

    Args:
        descriptors: float32 (n, 144) of all images, most of which are faces (see `traits.describe`).
    """
    from fer.evaluation.traits import MIRROR

    waves = descriptors.copy()
    waves[:, 0] = 0
    mean = waves.mean(axis=0)
    mean = mean + mean * MIRROR
    return waves @ (mean / max(float(np.linalg.norm(mean)), 1e-6))
