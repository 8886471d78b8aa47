"""What is drawn over a picture of predicted faces: box, class, confidence, a bar for each class, points or mesh."""

from collections.abc import Sequence
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
    for number, face in faces:
        left, top, right, bottom = _corners(face, scale)
        cv2.rectangle(picture, (left, top), (right, bottom), GREEN, max(1, round(2 * size)), cv2.LINE_AA)
        _bars(picture, face, (left, top, right, bottom), size)
        words = [f"#{number}"] * (number is not None) + [f"{face.label} {face.confidence:.0%}"] * bool(face.label)
        _title(picture, " ".join(words), left, top, size)
    return picture


def _enlarged(image: np.ndarray) -> np.ndarray:
    """Return a copy that is large enough for text."""
    factor = max(1, round(320 / max(1, min(image.shape[:2])))) if max(image.shape[:2]) < 320 else 1
    if factor == 1:
        return image.copy()
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def _corners(face: Prediction, scale: float) -> tuple[int, int, int, int]:
    box = face.box
    right, bottom = box.x + box.width - 1, box.y + box.height - 1
    return round(box.x * scale), round(box.y * scale), round(right * scale), round(bottom * scale)


def _title(picture: np.ndarray, text: str, left: int, top: int, size: float) -> None:
    """Write above a box, or inside it where there is no room. OpenCV's font has ASCII only."""
    if not text:
        return
    (width, height), below = cv2.getTextSize(text, FONT, size, 1)
    left = max(0, min(left, picture.shape[1] - width - 2))
    bottom = top - 3 if top - 3 - height - below >= 0 else top + height + below + 3
    cv2.rectangle(picture, (left, bottom - height - below), (left + width + 2, bottom + 2), (0, 0, 0), cv2.FILLED)
    cv2.putText(picture, text, (left + 1, bottom - below + 2), FONT, size, WHITE, 1, cv2.LINE_AA)


def _bars(picture: np.ndarray, face: Prediction, corners: tuple[int, int, int, int], size: float) -> None:
    """Draw a bar for each class beside the box, on the side with room; below it, inside, where there is none."""
    left, top, right, bottom = corners
    if not face.probabilities or min(right - left, bottom - top) < SMALLEST:
        return
    line = max(9, min(round(24 * size), (bottom - top) // len(face.probabilities)))
    small = line / 26
    width = 8 + max(cv2.getTextSize(name, FONT, small, 1)[0][0] for name in face.probabilities) + round(2.5 * line)
    start = right + 3 if right + 3 + width <= picture.shape[1] else max(0, left - 3 - width)
    if start == 0 and left - 3 - width < 0:
        start = max(0, left + 2)
    first = min(max(0, top), max(0, picture.shape[0] - line * len(face.probabilities)))
    ground = picture[first : first + line * len(face.probabilities), start : start + width]
    ground[:] = (ground * SHADE).astype(np.uint8)
    for number, (name, share) in enumerate(face.probabilities.items()):
        y = first + number * line
        colour = GREEN if name == face.label else GREY
        cv2.rectangle(picture, (start, y + 1), (start + round(width * share), y + line - 2), colour, cv2.FILLED)
        cv2.putText(picture, name, (start + 3, y + round(0.75 * line)), FONT, small, WHITE, 1, cv2.LINE_AA)
