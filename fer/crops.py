"""Aligned face crops: every face upright by its eyes, in the middle, at one size, as an image folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from fer.artifact import replacing
from fer.landmarks import Face, FaceMesh
from fer.overlay import draw_mesh
from fer.runs.extract import Crop
from fer.workers import Images

EYES = ((33, 133), (362, 263))
"""The corners of the right and of the left eye in the mesh; the right one is on the left of an unmirrored image."""

SHOWN = (8, 192)
"""Faces of each class in the picture of the landmarks, and their size in pixels."""


@dataclass(frozen=True)
class FaceCrops:
    """A folder `<split>/<class>/<row>_<name>.png` as what an extraction makes (see fer.extract.Output)."""

    crop: Crop

    def begin(self, partial: Path) -> None:
        """Make the folder."""
        partial.mkdir(exist_ok=True)

    def make(self, images: Images, faces: Sequence[Face | None], partial: Path) -> bytes:
        """Write the crop of each image that has a face; what a stopped run wrote is written again."""
        for number, face in enumerate(faces):
            if face is not None:
                folder = partial / images.split / images.labels[number]
                folder.mkdir(parents=True, exist_ok=True)
                name = re.sub(r"[^\w.-]+", "_", images.names[number])
                with replacing(folder / f"{images.rows[number]:06d}_{name}.png") as file:
                    pixels = crop_face(images.pixels[number], face, self.crop)
                    cv2.imwrite(str(file), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if self.crop.colour else pixels)
        return b""

    def finish(self, partial: Path, mesh: FaceMesh) -> None:
        """Draw the landmarks of the first crops of each class into landmarks.png."""
        count, size = SHOWN
        rows = []
        with mesh.open("image") as finder:
            for folder in sorted((partial / "train").iterdir()):
                row = np.zeros((size, count * size, 3), np.uint8)
                for number, file in enumerate(islice(sorted(folder.iterdir()), count)):
                    pixels = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
                    picture = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_CUBIC)
                    for face in finder.find(picture):
                        draw_mesh(picture, face)
                    row[:, number * size : (number + 1) * size] = picture
                rows.append(row)
        cv2.imwrite(str(partial / "landmarks.png"), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


def crop_face(image: np.ndarray, face: Face, crop: Crop) -> np.ndarray:
    """Cut out a face: the line through its eyes becomes level, its box with the margin fills the crop.

    Args:
        image: uint8 (height, width, 1 or 3).
        face: a face in it.
        crop: size, margin and colour.

    Returns:
        uint8 (size, size, 3), or (size, size) for grey. What lies outside the image repeats its edge.
    """
    right, left = (face.points[list(corners), :2].mean(axis=0) for corners in EYES)
    across = (left - right) / max(1e-6, float(np.linalg.norm(left - right)))
    turn = np.array([across, (-across[1], across[0])])  # image -> upright
    upright = face.points[:, :2] @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    side = float((high - low).max()) * (1 + 2 * crop.margin)
    finer = max(1, int(side / crop.size))  # drawn larger first where pixels would be skipped
    scale = crop.size * finer / side
    shift = crop.size * finer / 2 - scale * (low + high) / 2
    matrix = np.column_stack([scale * turn, shift])
    # OpenCV counts from the centre of the first pixel, our points from its corner
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    drawn = cv2.warpAffine(
        np.ascontiguousarray(image),
        matrix,
        [crop.size * finer] * 2,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    small = cv2.resize(drawn, (crop.size, crop.size), interpolation=cv2.INTER_AREA)
    return _coloured(small, crop.colour)


def _coloured(image: np.ndarray, colour: bool) -> np.ndarray:
    grey = image.ndim == 2 or image.shape[2] == 1
    if grey:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if colour else image
    return image if colour else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
