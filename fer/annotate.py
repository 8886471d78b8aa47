"""What is drawn over a picture of predicted faces: box, class, confidence, a bar for each class, points or mesh."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from fer.overlay import GREEN, GREY, WHITE, draw_mesh
from fer.predictor import Prediction

FONT = cv2.FONT_HERSHEY_SIMPLEX
SHADE = 0.45
"""How much of the picture is left below the bars."""

SMALLEST = 64
"""Pixels of the side of a box at least beside which bars are drawn."""

Corners = tuple[int, int, int, int]
"""Left, top, right and bottom of what is on a picture, in its pixels."""


def annotate(image: np.ndarray, faces: Sequence[tuple[int | None, Prediction]], mesh: bool) -> np.ndarray:
    """Draw predictions onto a copy of an image.

    Args:
        image: uint8 (height, width, 3), RGB.
        faces: each with its id, or None for none.
        mesh: draw the face mesh, where there is one.
    """
    picture = _enlarged(image)
    scale = picture.shape[1] / image.shape[1]
    size = max(0.45, min(picture.shape[:2]) / 1000)
    for _, face in faces:
        if mesh and face.mesh is not None:
            draw_mesh(picture, replace(face.mesh, points=face.mesh.points * np.float32(scale)))
        radius = max(1, round(face.box.width * scale / 80))
        for x, y in np.round(face.points * scale).astype(int):
            cv2.circle(picture, (int(x), int(y)), radius, GREEN, cv2.FILLED, cv2.LINE_AA)
    boxes = [_corners(face, scale) for _, face in faces]
    for left, top, right, bottom in boxes:
        cv2.rectangle(picture, (left, top), (right, bottom), GREEN, max(1, round(2 * size)), cv2.LINE_AA)
    taken = list(boxes)
    for (number, face), box in zip(faces, boxes, strict=True):
        words = [f"#{number}"] * (number is not None) + [f"{face.label} {face.confidence:.0%}"] * bool(face.label)
        taken += _title(picture, " ".join(words), box, size, taken)
    for (_, face), box in zip(faces, boxes, strict=True):
        taken += _bars(picture, face, box, size, taken)
    return picture


def _enlarged(image: np.ndarray) -> np.ndarray:
    """Return a copy that is large enough for text."""
    factor = max(1, round(320 / max(1, min(image.shape[:2])))) if max(image.shape[:2]) < 320 else 1
    if factor == 1:
        return image.copy()
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def _corners(face: Prediction, scale: float) -> Corners:
    box = face.box
    right, bottom = box.x + box.width - 1, box.y + box.height - 1
    return round(box.x * scale), round(box.y * scale), round(right * scale), round(bottom * scale)


def _title(picture: np.ndarray, text: str, box: Corners, size: float, taken: Sequence[Corners]) -> list[Corners]:
    """Write above or below a box, or inside it where there is no room. OpenCV's font has ASCII only."""
    if not text:
        return []
    (width, height), below = cv2.getTextSize(text, FONT, size, 1)
    width, height = width + 2, height + below + 2
    left, top, _, bottom = box
    left = max(0, min(left, picture.shape[1] - width))
    inside = _at(left, max(0, top) + 1, width, height)
    place = _free(picture, (_at(left, y, width, height) for y in (top - height - 1, bottom + 2)), taken) or inside
    cv2.rectangle(picture, place[:2], place[2:], (0, 0, 0), cv2.FILLED)
    cv2.putText(picture, text, (left + 1, place[3] - below), FONT, size, WHITE, 1, cv2.LINE_AA)
    return [place]


def _bars(picture: np.ndarray, face: Prediction, box: Corners, size: float, taken: Sequence[Corners]) -> list[Corners]:
    """Draw a bar for each class beside the box where there is room; inside it, if it is the only one; else none."""
    left, top, right, bottom = box
    if not face.probabilities or min(right - left, bottom - top) < SMALLEST:
        return []
    line = max(9, min(round(24 * size), (bottom - top) // len(face.probabilities)))
    small = line / 26
    width = 8 + max(cv2.getTextSize(name, FONT, small, 1)[0][0] for name in face.probabilities) + round(2.5 * line)
    height = line * len(face.probabilities)
    y = max(0, min(top, picture.shape[0] - height))
    place = _free(picture, (_at(x, y, width, height) for x in (right + 3, left - 3 - width)), taken)
    if place is None:
        if len(taken) > 2:  # more than this box and its title
            return []
        place = _at(max(0, left + 2), max(0, min(bottom, picture.shape[0]) - height - 2), width, height)
    start, first, right, bottom = place
    ground = picture[first:bottom, start:right]
    ground[:] = (ground * SHADE).astype(np.uint8)
    for number, (name, share) in enumerate(face.probabilities.items()):
        y = first + number * line
        colour = GREEN if name == face.label else GREY
        cv2.rectangle(picture, (start, y + 1), (start + round(width * share), y + line - 2), colour, cv2.FILLED)
        cv2.putText(picture, name, (start + 3, y + round(0.75 * line)), FONT, small, WHITE, 1, cv2.LINE_AA)
    return [place]


def _at(left: int, top: int, width: int, height: int) -> Corners:
    return left, top, left + width, top + height


def _free(picture: np.ndarray, places: Iterable[Corners], taken: Sequence[Corners]) -> Corners | None:
    """Return the first place that is in the picture and on nothing that is taken."""
    for place in places:
        left, top, right, bottom = place
        inside = left >= 0 and top >= 0 and right <= picture.shape[1] and bottom <= picture.shape[0]
        if inside and not any(left < r and right > x and top < b and bottom > y for x, y, r, b in taken):
            return place
    return None
