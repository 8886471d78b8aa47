"""What is drawn over a picture: the face mesh, lines of text, and a meter of how many rows each class has."""

from collections.abc import Mapping, Sequence
from functools import cache

import cv2
import numpy as np

from fer.landmarks import Face

GREEN, RED, WHITE, GREY = (90, 220, 90), (240, 80, 80), (255, 255, 255), (150, 150, 150)
LINE = 22
"""Pixels from one line of text to the next."""


def draw_mesh(image: np.ndarray, face: Face) -> None:
    """Draw the mesh and its contours onto an RGB image (height, width, 3), in place."""
    points = np.round(face.points[:, :2]).astype(np.int32)
    mesh, contours = _connections()
    cv2.polylines(image, list(points[mesh]), False, GREY, 1, cv2.LINE_AA)
    cv2.polylines(image, list(points[contours]), False, GREEN, 1, cv2.LINE_AA)


def draw_lines(image: np.ndarray, lines: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """Write lines of (text, colour) into the upper left corner, in place. OpenCV's font has ASCII only."""
    for number, (text, colour) in enumerate(lines, start=1):
        _write(image, text, (8, number * LINE), colour)


def draw_meter(image: np.ndarray, counts: Mapping[str, int], active: str) -> None:
    """Draw a bar for each class above the lower edge, with its key and its number of rows, in place.

    Args:
        image: uint8 (height, width, 3).
        counts: rows of each class; the fullest has the whole width.
        active: the class that is being recorded, or empty.
    """
    most, top = max([1, *counts.values()]), image.shape[0] - len(counts) * LINE - 6
    for number, (name, count) in enumerate(counts.items()):
        y = top + number * LINE
        colour = RED if name == active else GREEN
        cv2.rectangle(image, (8, y), (8 + max(1, int(140 * count / most)), y + LINE - 5), colour, cv2.FILLED)
        _write(image, f"{number} {name}: {count}", (14, y + LINE - 9), WHITE)


def _write(image: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    for width, ink in ((3, (0, 0, 0)), (1, colour)):  # an outline, so that it can be read on any ground
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, width, cv2.LINE_AA)


@cache
def _connections() -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of points, int (n, 2) each: the mesh, and its contours with the irises."""
    from fer.mesh_library import mediapipe_module

    lines = mediapipe_module().tasks.vision.FaceLandmarksConnections
    irises = lines.FACE_LANDMARKS_LEFT_IRIS + lines.FACE_LANDMARKS_RIGHT_IRIS
    mesh, contours = (
        np.array([(each.start, each.end) for each in connections])
        for connections in (lines.FACE_LANDMARKS_TESSELATION, lines.FACE_LANDMARKS_CONTOURS + irises)
    )
    return mesh, contours
