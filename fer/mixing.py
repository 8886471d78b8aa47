"""Mixup, CutMix and random erasing: changes to a batch of images, and to their labels along with them.

What is to be done is drawn on the host from the batch's seed, as small arrays; `mixed` does it with NumPy there, or
with keras.ops inside the compiled step.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fer import check

Plan = dict[str, np.ndarray]
"""partner int32 (n,): the image that each is mixed with; share float32 (n,): what is left of its own pixels outside the
patch; patch and hole int32 (n, 4): top, left, bottom, right of what comes from the partner and of what is erased; kept
float32 (n,): the weight of its own label."""


@dataclass(kw_only=True)
class Mixing:
    """Settings; with both mixup and CutMix, each batch is given to one of them at random.

    Attributes:
        mixup: alpha of the Beta distribution of the share (Zhang et al. 2018, arXiv:1710.09412); 0 for none.
        cutmix: the same for the area that is left (Yun et al. 2019, arXiv:1905.04899); 0 for none.
        erasing: probability that a rectangle of an image is set to its mean grey (Zhong et al. 2020, arXiv:1708.04896):
            2 to 33% of the area, sides 1:3.3 to 3.3:1.
    """

    mixup: float
    cutmix: float
    erasing: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "mixup", 0)
        check.at_least(self, "cutmix", 0)
        check.between(self, "erasing", 0, 1)

    @property
    def labels(self) -> bool:
        """Whether labels are mixed."""
        return bool(self.mixup or self.cutmix)

    @property
    def used(self) -> bool:
        """Whether anything is done."""
        return bool(self.labels or self.erasing)

    def draw(self, count: int, size: tuple[int, ...], random: np.random.Generator) -> Plan:
        """Draw what is done to a batch of `count` images of `size` (height, width)."""
        height, width = size
        share = np.ones(count, np.float32)
        patch = np.zeros((count, 4), np.int32)
        kept = share
        partner = random.permutation(count).astype(np.int32) if self.labels else np.arange(count, dtype=np.int32)
        if self.labels and (not self.cutmix or (self.mixup and random.random() < 0.5)):
            kept = share = random.beta(self.mixup, self.mixup, count).astype(np.float32)
        elif self.labels:
            patch = _patches(1 - random.beta(self.cutmix, self.cutmix, count), np.ones(count), height, width, random)
            kept = 1 - (_area(patch) / (height * width)).astype(np.float32)
        return {
            "partner": partner,
            "share": share,
            "patch": patch,
            "hole": self._holes(count, height, width, random),
            "kept": kept,
        }

    def _holes(self, count: int, height: int, width: int, random: np.random.Generator) -> np.ndarray:
        area = random.uniform(0.02, 0.33, count) * (random.random(count) < self.erasing)
        ratio = np.exp(random.uniform(np.log(0.3), np.log(3.3), count))
        return _patches(area, ratio, height, width, random)


def _patches(area: np.ndarray, ratio: np.ndarray, height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Return int32 (n, 4) rectangles of a share of the image, centred anywhere and cut off at the border."""
    tall, wide = np.sqrt(area * ratio) * height, np.sqrt(area / ratio) * width
    y, x = random.uniform(0, height, len(area)), random.uniform(0, width, len(area))
    sides = np.stack([y - tall / 2, x - wide / 2, y + tall / 2, x + wide / 2], axis=1)
    return np.clip(np.rint(sides), 0, [height, width, height, width]).astype(np.int32)


def _area(patch: np.ndarray) -> np.ndarray:
    return (patch[:, 2] - patch[:, 0]) * (patch[:, 3] - patch[:, 1])


def mixed(images: Any, plan: Any, ops: Any = np) -> Any:
    """Return float32 images (n, height, width, channels) mixed and erased as planned; `ops` is numpy or keras.ops."""
    height, width = images.shape[1:3]
    share = plan["share"][:, None, None, None]
    other = ops.take(images, plan["partner"], axis=0)
    blend = share * images + (1 - share) * other
    blend = ops.where(_inside(plan["patch"], height, width, ops), other, blend)
    grey = ops.mean(blend, axis=(1, 2), keepdims=True)
    return ops.where(_inside(plan["hole"], height, width, ops), grey, blend)


def mixed_labels(targets: np.ndarray, plan: Plan) -> np.ndarray:
    """Return float32 targets (n, classes) mixed as the images are."""
    kept = plan["kept"][:, np.newaxis]
    return kept * targets + (1 - kept) * targets[plan["partner"]]


def _inside(patch: Any, height: int, width: int, ops: Any) -> Any:
    """Return bool (n, height, width, 1): where the rectangles are."""
    y, x = ops.arange(height)[None, :, None, None], ops.arange(width)[None, None, :, None]
    top, left, bottom, right = (patch[:, side][:, None, None, None] for side in range(4))
    return (y >= top) & (y < bottom) & (x >= left) & (x < right)
