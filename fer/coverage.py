"""In how many images a face was found, by part and class."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Tally = dict[str, dict[str, list[int]]]
"""part -> class -> [images with a face, images]."""


def coverage(tally: Tally) -> dict[str, Any]:
    """Return, for each part and all together, and for each class of it, the images, faces and their share."""

    def facts(pairs: Sequence[list[int]]) -> dict[str, Any]:
        faces, images = np.sum(pairs, axis=0).tolist()
        return {"images": images, "faces": faces, "coverage": round(faces / images, 4)}

    parts = {**tally, "all": _together(tally)}
    return {
        part: {**facts(list(classes.values())), "classes": {name: facts([pair]) for name, pair in classes.items()}}
        for part, classes in parts.items()
    }


def describe(tally: Tally) -> str:
    """Return the coverage as a table: a row a class, a column a part."""
    facts = coverage(tally)
    lines = ["images with a face".ljust(20) + "".join(part.rjust(16) for part in facts)]
    for name in (*facts["all"]["classes"], None):
        cells = [each["classes"].get(name) if name else each for each in facts.values()]
        texts = [f"{cell['coverage']:.1%} of {cell['images']}" if cell else "-" for cell in cells]
        lines.append((name or "all classes").ljust(20) + "".join(text.rjust(16) for text in texts))
    return "\n".join(lines)


def _together(tally: Tally) -> dict[str, list[int]]:
    names = dict.fromkeys(name for classes in tally.values() for name in classes)
    return {
        name: np.sum([classes[name] for classes in tally.values() if name in classes], axis=0).tolist()
        for name in names
    }
