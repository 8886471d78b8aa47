"""The landmark CSV: a face a row, written by capture and extract, read by `dataset=facemesh_csv`.

Its columns are label, part, subject, session, source, frame, width, height, the pose in degrees, MediaPipe's 52
blendshapes, and x, y, z of the 478 points in pixels of the source image. It may be packed as .gz.
"""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer.landmarks import BLENDSHAPES, POINTS, Face, FaceMesh
from fer.workers import Images

FACTS = ("label", "part", "subject", "session", "source", "frame", "width", "height")
HEADER: tuple[str, ...] = (
    *FACTS,
    *("pitch", "yaw", "roll"),
    *BLENDSHAPES,
    *(f"{axis}{point}" for point in range(POINTS) for axis in "xyz"),
)


def header() -> str:
    """Return the first line, with its line end."""
    return _line(HEADER)


def row(
    face: Face,
    *,
    label: str,
    source: str,
    size: tuple[int, int],
    part: str = "",
    subject: str = "",
    session: str = "",
    frame: int = 0,
) -> str:
    """Return the line of one face, with its line end.

    Args:
        face: the face.
        label: class name.
        source: name of the image or video.
        size: width and height of the image in pixels.
        part: which part of its dataset the image belongs to, or empty.
        subject: who is seen, or empty.
        session: the recording, or empty.
        frame: number of the frame in its video, 0 for an image.
    """
    facts: list[Any] = [label, part, subject, session, source, frame, *size]
    numbers = [
        *(f"{angle:.2f}" for angle in face.pose),
        *(f"{score:.4f}" for score in face.blendshapes.tolist()),
        *(f"{value:.3f}" for value in face.points.ravel().tolist()),
    ]
    return _line([*facts, *numbers])


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


@dataclass(frozen=True)
class MeshCsv:
    """The landmark CSV as what an extraction makes (see fer.extract.Output).

    Attributes:
        packed: as gzip; a member a batch, which every reader takes as one file.
    """

    packed: bool

    def begin(self, partial: Path) -> None:
        """Write the header."""
        partial.write_bytes(self._pack(header()))

    def make(self, images: Images, faces: Sequence[Face | None], partial: Path) -> bytes:
        """Return the rows of the images that have a face."""
        height, width = images.pixels.shape[1:3]
        rows = [
            row(face, label=label, part=part, source=name, size=(width, height))
            for face, label, part, name in zip(faces, images.labels, images.parts, images.names, strict=True)
            if face is not None
        ]
        return self._pack("".join(rows)) if rows else b""

    def finish(self, partial: Path, mesh: FaceMesh) -> None:
        """Do nothing: the file is complete."""

    def _pack(self, text: str) -> bytes:
        return gzip.compress(text.encode(), compresslevel=5, mtime=0) if self.packed else text.encode()
