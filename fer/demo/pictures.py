"""The pictures that models are asked about: drawn samples, and what a visitor's browser sends."""

import base64
import binascii
from functools import cache

import numpy as np

from fer.drawing import draw_face
from fer.errors import DataError
from fer.predictor import read

SAMPLE = "sample:"
"""What a picture's text begins with that names a sample."""

DRAWN = (("happy", 5), ("sad", 1), ("surprise", 3), ("angry", 4), ("neutral", 2))
"""Expressions and seeds of the samples."""


@cache
def samples() -> dict[str, np.ndarray]:
    """Return the sample pictures by name, uint8 (height, width, 3): no face of them belongs to anyone."""
    faces = {name: draw_face(name, 320, np.random.default_rng(seed), True)[0] for name, seed in DRAWN}
    return {**faces, "together": np.hstack([faces[name] for name in ("surprise", "happy", "sad")])}


def opened(text: str, *, megabytes: float, megapixels: float) -> np.ndarray:
    """Return the picture that a browser's text stands for: a sample's name, or a file as a data URL.

    A file lives in memory alone, and has no name or path here.

    Raises:
        DataError: it is larger than allowed, damaged, or no picture.
    """
    if text.startswith(SAMPLE):
        name = text.removeprefix(SAMPLE)
        if name not in samples():
            raise DataError(f"there is no sample {name!r}")
        return samples()[name]
    head, _, content = text.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64")):
        raise DataError("choose a picture first")
    if len(content) > longest(megabytes):
        raise DataError(f"this file is larger than {megabytes:g} MB; make it smaller first")
    try:
        file = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise DataError(f"this picture arrived damaged ({error}); send it again") from error
    return read(file, round(megapixels * 1e6))


def longest(megabytes: float) -> int:
    """Return how many characters a file of so many megabytes (of 10^6 bytes) is sent as."""
    return 4 * -(-round(megabytes * 1e6) // 3)
