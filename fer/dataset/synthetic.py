"""Faces drawn by fer.drawing: seven expressions, or 68 exact points, with no download."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer import check
from fer.base import SPLITS, Dataset, DataSpec, Samples, Split
from fer.cache import Writer, fingerprint, open_store
from fer.errors import ConfigError
from fer.ibug68 import OUTER_EYE_CORNERS


@dataclass(kw_only=True)
class Synthetic(Dataset):
    """Random drawn faces, as many of each expression.

    A face depends on the seed, its split and its number alone: a larger split begins with the faces of a smaller one,
    and another split's size changes nothing.

    Attributes:
        size: height and width in pixels, 24 to 512.
        colour: RGB, else grey.
        input: "image", or "landmarks": the 68 points themselves, the middle of the outer eye corners at 0 and their
            distance 1, for target=classes.
        target: "classes" for the expression, or "points" for the 68 points.
        train: number of faces, 7 or more, as for the others.
        validation: number of faces.
        test: number of faces.
        seed: of all faces, 0 or more.
        cache: folder of the drawn data.
    """

    size: int
    colour: bool
    input: str
    target: str
    train: int
    validation: int
    test: int
    seed: int
    cache: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "size", 24, 512)
        check.one_of(self, "input", ("image", "landmarks"))
        check.one_of(self, "target", ("classes", "points"))
        if self.input == "landmarks" and self.target == "points":
            raise ConfigError("target: expected classes with input=landmarks, got 'points'")
        for split in SPLITS:
            check.at_least(self, split, 7)
        check.at_least(self, "seed", 0)

    def spec(self) -> DataSpec:
        """Describe the data (see Dataset.spec)."""
        from fer.drawing import EXPRESSIONS, MIRROR

        if self.input == "landmarks":
            points = (len(MIRROR), 2)
            return DataSpec(name="synthetic", kind="landmarks", shape=points, classes=EXPRESSIONS, mirror=MIRROR)
        shape = (self.size, self.size, 3 if self.colour else 1)
        if self.target == "points":
            return DataSpec(name="synthetic", kind="image", shape=shape, points=len(MIRROR), mirror=MIRROR)
        return DataSpec(name="synthetic", kind="image", shape=shape, classes=EXPRESSIONS)

    def load(self, split: Split) -> Samples:
        """Draw one split, or find what was drawn before (see Dataset.load)."""
        count = getattr(self, split)
        settings = {key: getattr(self, key) for key in ("size", "colour", "input", "target", "seed")}
        drawing = hashlib.blake2b((Path(__file__).parents[1] / "drawing.py").read_bytes()).hexdigest()
        key = fingerprint([], drawing=drawing, split=split, count=count, **settings)
        store = open_store(self.cache, "synthetic", key, self._draw(split, count))
        return Samples(source=store.inputs, rows=np.arange(count), targets=np.asarray(store.targets), names=store.names)

    def _draw(self, split: Split, count: int) -> Callable[[Writer], None]:
        def fill(writer: Writer) -> None:
            from fer.drawing import EXPRESSIONS, draw_face

            for number in range(count):
                label = number % len(EXPRESSIONS)
                rng = np.random.default_rng([self.seed, SPLITS.index(split), number])
                pixels, points = draw_face(EXPRESSIONS[label], self.size, rng, self.colour)
                target = points if self.target == "points" else label
                inputs = pixels if self.input == "image" else _centred(points)
                writer.add(inputs, target, part=split, name=f"synthetic {split} face {number} ({EXPRESSIONS[label]})")

        return fill


def _centred(points: np.ndarray) -> np.ndarray:
    right, left = (points[corner] for corner in OUTER_EYE_CORNERS)
    return (points - (right + left) / 2) / np.linalg.norm(left - right)
