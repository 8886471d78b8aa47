"""Faces with 68 points as the 300-W sets come: dlib's XML, or a .pts file beside each image."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.errors import DataError
from fer.ibug68 import POINTS
from fer.images import SUFFIXES

XML_FILES = ("labels_ibug_300W_train.xml", "labels_ibug_300W_test.xml", "labels_ibug_300W.xml")
"""The third holds the faces of the other two."""

SUBSETS: dict[str, str] = {
    "afw": "train",
    "helen/trainset": "train",
    "lfpw/trainset": "train",
    "helen/testset": "common",
    "lfpw/testset": "common",
    "ibug": "challenge",
}
"""The folders of 300-W and their part of its protocol; common and challenge together are the full test set."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """One annotated face.

    Attributes:
        image: path of its image.
        name: path below the dataset's folder, with the face's number where the image has several.
        part: "train", "common", "challenge", or "test" for faces of a test XML in folders of other names.
        box: float64 (4,), left, top, width and height in pixels.
        points: float64 (68, 2), x and y in pixels; the centre of the first pixel is (0.5, 0.5).
    """

    image: Path
    name: str
    part: str
    box: np.ndarray
    points: np.ndarray


def read(path: Path) -> Iterator[Face | str]:
    """Yield every face below a folder or of an XML file, or in one line why it cannot be used.

    Raises:
        DataError: there are no annotations at all, or an XML file is damaged.
    """
    files = [path] if path.is_file() else [path / name for name in XML_FILES if (path / name).is_file()]
    if len(files) > 1:
        files = [file for file in files if file.name != XML_FILES[-1]]
    if files:
        for file in files:
            yield from _read_xml(file)
        return
    found = sorted(path.rglob("*.pts"))
    if not found:
        raise DataError(
            f"ibug300w: nothing to read at {path}: expected {XML_FILES[0]} (dlib's, an XML file or the folder that "
            "holds it), or images with .pts files beside them; set dataset.path to a copy of 300-W "
            "(ibug.doc.ic.ac.uk/resources/300-W, for research) or of dlib's ibug_300W_large_face_landmark_dataset"
        )
    yield from (_read_pts(file, path) for file in found)


def subset_of(name: str) -> str:
    """Return the subset that a face's path tells ("helen/trainset"), or "other"."""
    folder = f"/{Path(name).parent.as_posix()}/"
    return next((subset for subset in SUBSETS if f"/{subset}/" in folder.lower()), "other")


def photo_of(name: str) -> str:
    """Return what the faces of one photo and their mirrored copies have in common: the path without their endings."""
    return re.sub(r"(_\d{1,2})?(_mirror)?$", "", str(Path(name.partition(" face ")[0]).with_suffix("")))


def _part(name: str, otherwise: str) -> str:
    return SUBSETS.get(subset_of(name), otherwise)


def _read_xml(file: Path) -> Iterator[Face | str]:
    try:
        root = ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise DataError(f"ibug300w: {file} is damaged ({error}); get it again") from error
    if root.find("images") is None:
        raise DataError(f"ibug300w: {file}: expected dlib's <dataset> with <images>, got <{root.tag}>")
    otherwise = "test" if "test" in file.stem.lower() else "train"
    for image in root.iter("image"):
        relative = image.get("file", "")
        boxes = image.findall("box")
        if not boxes:
            yield f"{relative}: has no <box>"
        for number, box in enumerate(boxes, start=1):
            name = relative if len(boxes) == 1 else f"{relative} face {number}"
            try:
                points = _parts(box) + 0.5  # dlib counts pixels from their centres
                corners = np.array([float(box.get(key, "nan")) for key in ("left", "top", "width", "height")])
                yield _face(file.parent / relative, name, _part(relative, otherwise), corners, points)
            except ValueError as error:
                yield f"{name}: {error}"


def _parts(box: ElementTree.Element) -> np.ndarray:
    """Return the points of a box in the order of their names, float64 (68, 2)."""
    parts = {part.get("name", ""): (float(part.get("x", "nan")), float(part.get("y", "nan"))) for part in box}
    if len(parts) != POINTS:
        raise ValueError(f"expected {POINTS} parts, got {len(parts)}")
    numbered = {int(name): point for name, point in parts.items() if name.isdecimal()}
    if sorted(numbered) != list(range(POINTS)):
        raise ValueError(f"expected parts named 00 to {POINTS - 1}, got {', '.join(sorted(parts))[:40]}...")
    return np.array([numbered[number] for number in range(POINTS)])


def _read_pts(file: Path, root: Path) -> Face | str:
    """Read the n lines between the braces; their coordinates count pixels from 1."""
    name = file.relative_to(root).as_posix()
    images = [path for path in (file.with_suffix(suffix) for suffix in SUFFIXES) if path.is_file()]
    if not images:
        return f"{name}: no image of that name beside it"
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").partition("{")[2].partition("}")[0].split("\n")
        points = np.array([[float(value) for value in line.split()] for line in lines if line.strip()])
        if points.shape != (POINTS, 2):
            raise ValueError(f"expected {POINTS} lines of x and y between braces, got {len(points)}")
        low, high = points.min(axis=0), points.max(axis=0)
        box = np.array([*(low - 0.5), *(high - low)])
        relative = images[0].relative_to(root).as_posix()
        return _face(images[0], relative, _part(relative, "train"), box, points - 0.5)
    except ValueError as error:
        return f"{name}: {error}"


def _face(image: Path, name: str, part: str, box: np.ndarray, points: np.ndarray) -> Face:
    if not image.is_file():
        raise ValueError("the image is not there")
    if not (np.isfinite(box).all() and np.isfinite(points).all()):
        raise ValueError("expected numbers, got a box or points that are not finite")
    if min(box[2:]) <= 0:
        raise ValueError(f"expected a box with a width and a height, got {box[2]:g} by {box[3]:g}")
    return Face(image=image, name=name, part=part, box=box, points=points)
