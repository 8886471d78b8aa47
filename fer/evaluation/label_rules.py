"""Labels that the face contradicts: rules on the mesh and the blendshapes, for any landmark data with class names.

A rule is kept only where it means something: the majority of FER+'s annotators has another class than FER2013 for more
than half of the faces that it is on, and more often than over all faces of that label. Rules and thresholds were chosen
so on FER2013's Training; docs/trust.md has the counts, those of PublicTest too, and what was tried and did not hold. A
rule on blendshapes is on no face without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer.evaluation.mapping import plain
from fer.mesh_rows import Faces
from fer.mesh_shape import Shape, prepare

STRAIGHT = Shape(subset="all", centre=True, scale=True, rotate=True)

MOUTH_CORNERS, INNER_LIPS = (61, 291), (13, 14)
UPPER_LIDS, LOWER_LIDS = (159, 386), (145, 374)

Measures = Mapping[str, np.ndarray]
"""Name -> float (faces,): blendshapes in [0, 1] (of a left and a right one the mean), and heights as shares of the
inter-ocular distance, of the face turned straight."""


def measures(faces: Faces) -> Measures:
    """Measure what the rules ask for."""
    scores = faces.blendshapes
    found = {name: values for name, values in scores.items() if not name.endswith(("Left", "Right"))}
    pairs = [name.removesuffix("Left") for name in scores if name.endswith("Left")]
    found |= {name: (scores[f"{name}Left"] + scores[f"{name}Right"]) / 2 for name in pairs}
    height = -prepare(faces.points, faces.pose, STRAIGHT)[:, :, 1]
    upper, lower = INNER_LIPS
    found["mouth corners"] = (height[:, MOUTH_CORNERS] - height[:, INNER_LIPS]).mean(axis=1)
    found["mouth opening"] = height[:, upper] - height[:, lower]
    found["eye opening"] = (height[:, UPPER_LIDS] - height[:, LOWER_LIDS]).mean(axis=1)
    return found


def turned_down(face: Measures) -> np.ndarray:
    """Tell mouths without a smile whose corners are below the middle of the lips."""
    return (face["mouthSmile"] < 0.01) & (face["mouth corners"] < 0)


def smiling(face: Measures) -> np.ndarray:
    """Tell mouths that smile broadly."""
    return face["mouthSmile"] > 0.5


def agape(face: Measures) -> np.ndarray:
    """Tell lips that are far apart."""
    return face["mouth opening"] > 0.18


def unmoved(face: Measures) -> np.ndarray:
    """Tell faces without any sign of surprise: in jaw, eyes or brows."""
    brows = np.maximum(face["browInnerUp"], face["browOuterUp"])
    return (face["jawOpen"] < 0.05) & (face["eyeWide"] < 0.03) & (brows < 0.3)


def brows_raised(face: Measures) -> np.ndarray:
    """Tell brows that are raised and not lowered, above a shut mouth: an angry face that shouts may raise them."""
    return (face["browInnerUp"] > 0.3) & (face["browDown"] < 0.05) & (face["jawOpen"] < 0.1)


def wide_eyed(face: Measures) -> np.ndarray:
    """Tell eyes that are wide open."""
    return face["eye opening"] > 0.13


def narrow_eyed(face: Measures) -> np.ndarray:
    """Tell eyes that are narrow."""
    return (face["eyeSquint"] > 0.5) & (face["eyeWide"] < 0.02)


@dataclass(frozen=True)
class Rule:
    """What a label rules out.

    Attributes:
        label: a class, by its common name (see fer.evaluation.mapping.SYNONYMS).
        holds: whether each face contradicts it.
        reason: what is seen in such a face.
        rather: the class that most annotators then chose, where that is one; else empty.
    """

    label: str
    holds: Callable[[Measures], np.ndarray]
    reason: str
    rather: str = ""


RULES = (
    Rule("happy", turned_down, "the mouth does not smile and its corners are below the middle of the lips"),
    Rule("neutral", smiling, "the mouth smiles broadly", rather="happy"),
    Rule("neutral", agape, "the lips are far apart"),
    Rule("surprise", smiling, "the mouth smiles broadly", rather="happy"),
    Rule("surprise", unmoved, "the mouth is shut, the eyes are not wide and the brows not raised"),
    Rule("angry", brows_raised, "the brows are raised and the mouth is shut"),
    Rule("sad", wide_eyed, "the eyes are wide open"),
    Rule("fear", narrow_eyed, "the eyes are narrow"),
)
"""In order of how much more often FER+ disagrees where they hold."""


def contradicted(
    faces: Faces, labels: np.ndarray, classes: Sequence[str], rules: Sequence[Rule] = RULES
) -> Iterator[tuple[Rule, np.ndarray]]:
    """Yield each rule that is on one of the classes, with the faces of that label which contradict it, int64 (n,).

    Args:
        faces: the rows.
        labels: int (faces,).
        classes: names in label order; "happiness" or "smile" are "happy" too.
        rules: those to hold them against.
    """
    face, names = measures(faces), np.array([plain(name) for name in classes])[labels]
    for rule in rules:
        if rule.label in names:
            yield rule, np.flatnonzero(rule.holds(face) & (names == rule.label))


def describe(
    faces: Faces, labels: np.ndarray, rows: np.ndarray, names: Sequence[str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what is told of each label that a rule contradicts: row, name, given, suggested and why.

    Args:
        faces: the rows.
        labels: int (faces,).
        rows: int (faces,), the rows of the store.
        names: of all rows of the store.
        classes: names in label order.

    Returns:
        In the order of the rules; a face that several contradict comes once, with all reasons. "suggested" is empty
        where no class of the data is likelier than the others.
    """
    own = {plain(name): name for name in classes}
    told: dict[int, dict[str, Any]] = {}
    for rule, which in contradicted(faces, labels, classes):
        for i in which.tolist():
            row = int(rows[i])
            new = {"row": row, "name": names[row], "given": classes[labels[i]], "suggested": "", "why": []}
            each = told.setdefault(i, new)
            each["why"].append(rule.reason)
            each["suggested"] = each["suggested"] or own.get(rule.rather, "")
    return list(told.values())
