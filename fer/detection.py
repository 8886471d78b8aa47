"""Where the faces of an image or a frame are, by one of four detectors, and the square that a network is shown."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from fer.device.faces import Box
from fer.errors import ConfigError
from fer.landmarks import Face, FaceMesh

DETECTORS = ("facemesh", "haar", "yunet", "none")

MESH_BOX = {"facemesh": (0.0, 1.0), "haar": (-0.08, 1.04), "yunet": (-0.05, 1.13)}
"""How far below the middle of the mesh's box the middle of a detector's box is, and how large its longer side is, in
longer sides of the mesh's box: medians over 27 to 31 faces of 300-W (2026-11-21)."""

TRAINED = {"classes": (-0.05, 1.10), "points": (0.08, 0.96)}
"""The same of the faces that networks are trained on: 193 images of FER2013 as a whole, 31 boxes of 300-W."""

PARTS = (0.5, 0.25)
"""Sides of the parts in which small faces are looked for, as shares of the image's; parts overlap by half."""

SMALLEST_PART = 96
"""Pixels of the shorter side of such a part at least."""

HAAR = "haarcascade_frontalface_alt.xml"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A face that was found.

    Attributes:
        box: in pixels of the image, as the detector gives it.
        mesh: its face mesh, where that is what found it.
    """

    box: Box
    mesh: Face | None = None


class Finder:
    """An open detector; a context that frees it.

    Args:
        kind: one of DETECTORS.
        file: YuNet's .onnx file, or another cascade's .xml; None for none.
        mesh: settings of the face mesh.
        needs_mesh: the network takes a face's mesh, so "none" looks for it in the whole image.
        depth: of the search of the mesh for small faces in images on their own, 0 to len(PARTS).

    Raises:
        ConfigError: these do not go together.
        FerError: the detector's file cannot be used.
    """

    def __init__(self, kind: str, file: str | None, mesh: FaceMesh, *, needs_mesh: bool, depth: int = 2) -> None:
        if needs_mesh and kind not in ("facemesh", "none"):
            raise ConfigError(f"detector: this network takes a face's mesh, which {kind} does not find; use facemesh")
        if kind == "yunet" and not file:
            raise ConfigError("detector: yunet needs its model: detector_file=face_detection_yunet.onnx")
        self.kind, self.depth, self._mesh, self._stack = kind, depth, mesh, ExitStack()
        self._detect: Callable[[np.ndarray], list[Box]] | None = None
        self._open: dict[str, tuple[tuple[int, ...], Callable[[np.ndarray, int], list[Face]]]] = {}
        self._meshed = kind == "facemesh" or needs_mesh
        if not self._meshed and kind != "none":
            self._detect = _opencv(kind, file)

    def __call__(self, image: np.ndarray, milliseconds: int | None = None) -> list[Found]:
        """Find the faces, largest first.

        Args:
            image: uint8 (height, width, 3), RGB.
            milliseconds: when it was taken, for the frames of one video; None for an image on its own.
        """
        height, width = image.shape[:2]
        whole = Box(0, 0, width, height)
        if not self._meshed and self._detect is None:
            return [Found(box=whole)]
        if self._detect is not None:
            return [Found(box=box) for box in self._detect(image[..., ::-1].copy())]
        faces = self._faces(image, milliseconds)
        if self.kind == "none":
            return [Found(box=whole, mesh=face) for face in faces[:1]]
        if milliseconds is None:
            faces = self._small(image, faces)
        found = [Found(box=_around(face), mesh=face) for face in faces]
        return [each for each in found if _inside(each.box, width, height)]

    def _faces(self, image: np.ndarray, milliseconds: int | None) -> list[Face]:
        """Ask the mesh; one that follows a video is opened anew where the size of the frames changes."""
        mode: Literal["image", "video"] = "image" if milliseconds is None else "video"
        size, find = self._open.get(mode, ((), None))
        if find is None or (mode == "video" and size != image.shape):
            finder = self._stack.enter_context(self._mesh.open(mode))
            find = finder.find
            self._open[mode] = (image.shape, find)
        return find(image, milliseconds or 0)

    def _small(self, image: np.ndarray, faces: list[Face]) -> list[Face]:
        """Look for small faces in overlapping parts of an image too: MediaPipe's detector sees it in 128 pixels."""
        for share in PARTS[: self.depth]:
            width, height = (max(1, round(side * share)) for side in image.shape[1::-1])
            if min(width, height) < SMALLEST_PART:
                break
            for top in _starts(image.shape[0], height):
                for left in _starts(image.shape[1], width):
                    part = np.ascontiguousarray(image[top : top + height, left : left + width])
                    corner = np.array([left, top, 0], np.float32)
                    moved = (replace(face, points=face.points + corner) for face in self._faces(part, None))
                    faces += [face for face in moved if not any(_same(face, other) for other in faces)]
        return sorted(faces[: self._mesh.faces], key=lambda face: -_around(face).width * _around(face).height)

    def restart(self) -> None:
        """Forget the video that was followed: the next frame is another one's."""
        self._open.pop("video", None)

    def close(self) -> None:
        """Free the detector."""
        self._open.clear()
        self._stack.close()

    def __enter__(self) -> "Finder":
        """Return the finder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def cut(image: np.ndarray, box: Box, kind: str, target: str, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut the square out of an image that shows a face as the network's training did.

    Args:
        image: uint8 (height, width, 3), RGB.
        box: of the face, in its pixels.
        kind: the detector that found it.
        target: what the network predicts, "classes" or "points".
        margin: that the training added to its boxes on each side, as a share of their side.

    Returns:
        The square, whose outside repeats the image's edge, and its corner (x, y) in pixels of the image.
    """
    (lower, larger), (down, size) = MESH_BOX[kind], TRAINED[target]
    mesh = max(box.width, box.height) / larger
    side = max(1, round(mesh * size * (1 + 2 * margin)))
    left = round(box.x + (box.width - side) / 2)
    top = round(box.y + (box.height - side) / 2 + (down - lower) * mesh)
    height, width = image.shape[:2]
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        return image[top : top + side, left : left + side], np.array([left, top], np.float32)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return image[rows[:, None], columns], np.array([left, top], np.float32)


def _around(face: Face) -> Box:
    left, top, right, bottom = face.box
    return Box(round(left), round(top), max(1, round(right - left)), max(1, round(bottom - top)))


def _starts(whole: int, part: int) -> list[int]:
    """Return where overlapping parts of a length begin."""
    count = max(1, math.ceil(2 * (whole - part) / part) + 1)
    return [round(number * (whole - part) / max(1, count - 1)) for number in range(count)]


def _same(one: Face, other: Face) -> bool:
    """Tell whether the middle of one face lies in the other's inner half."""
    (left, top, right, bottom), middle = other.box, one.points[:, :2].mean(axis=0)
    quarter = np.array([right - left, bottom - top]) / 4
    apart = np.abs(middle - [(left + right) / 2, (top + bottom) / 2])
    return bool((apart < quarter).all())


def _inside(box: Box, width: int, height: int) -> bool:
    return box.x < width and box.y < height and box.x + box.width > 0 and box.y + box.height > 0


def _opencv(kind: str, file: str | None) -> Callable[[np.ndarray], list[Box]]:
    import cv2

    from fer.device.faces import detector

    return detector(file or str(Path(cv2.__file__).parent / "data" / HAAR))
