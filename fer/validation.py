"""A labelled folder: what was predicted compared with the folders' names, as a text and as a grid of pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fer.artifact import replacing, write_text
from fer.predictor import Prediction

GRID = (6, 8)
"""Rows and columns of the grid."""

TILE = 160


class Validation:
    """The largest face of each image counts.

    Args:
        classes: of the network, in its order.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        self._true: list[str] = []
        self._said: list[str] = []
        self._missed = 0
        self._tiles: dict[str, list[np.ndarray]] = {name: [] for name in classes}

    def add(self, image: np.ndarray, label: str, faces: Sequence[Prediction]) -> None:
        """Count an image; the first ones of each class are shown."""
        if not faces:
            self._missed += 1
            return
        self._true.append(label)
        self._said.append(faces[0].label)
        tiles = self._tiles[label]
        if len(tiles) < -(-GRID[0] * GRID[1] // len(self._classes)):
            tiles.append(_tile(image, label, faces[0]))

    def write(self, output: Path) -> None:
        """Write validation.txt and validation.png."""
        write_text(output / "validation.txt", self.text())
        rounds = max((len(each) for each in self._tiles.values()), default=0)
        tiles = [each[n] for n in range(rounds) for each in self._tiles.values() if n < len(each)]
        if tiles:
            tiles = tiles[: GRID[0] * GRID[1]]
            tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % GRID[1])
            rows = [np.concatenate(tiles[start : start + GRID[1]], axis=1) for start in range(0, len(tiles), GRID[1])]
            with replacing(output / "validation.png") as partial:
                cv2.imwrite(str(partial), np.concatenate(rows)[..., ::-1])

    def text(self) -> str:
        """Return accuracy, the scores of each class, and the confusion matrix with a row for each true class."""
        from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

        head = f"images {len(self._true) + self._missed}, without a face {self._missed} (not judged)\n"
        if not self._true:
            return head
        accuracy = accuracy_score(self._true, self._said)
        scores = classification_report(self._true, self._said, labels=self._classes, digits=3, zero_division=0)
        matrix = confusion_matrix(self._true, self._said, labels=self._classes)
        width = max(map(len, self._classes)) + 2
        lines = ["".rjust(width) + "".join(name.rjust(width) for name in self._classes)]
        for name, row in zip(self._classes, matrix, strict=True):
            lines.append(name.rjust(width) + "".join(str(value).rjust(width) for value in row))
        table = "\n".join(lines)
        return f"{head}accuracy {accuracy:.4f}\n\n{scores}\nconfusion (rows: the folder, columns: predicted)\n{table}\n"


def _tile(image: np.ndarray, label: str, face: Prediction) -> np.ndarray:
    """Return the image with its box, the folder's name and what was predicted, green where they agree."""
    scale = TILE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    tile = np.full((TILE + 36, TILE, 3), 255, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    colour = (0, 140, 0) if label == face.label else (200, 30, 30)
    box = face.box
    corners = [round(value * scale) for value in (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)]
    cv2.rectangle(tile[:TILE], (corners[0], corners[1]), (corners[2], corners[3]), colour, 1)
    for row, text in enumerate((label, f"{face.label} {face.confidence:.0%}")):
        cv2.putText(tile, text, (3, TILE + 13 + 17 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return tile
