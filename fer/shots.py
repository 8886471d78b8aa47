"""Where the pictures of a prediction come from: image files, a video file or a camera, each as a stream of shots."""

import glob
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.errors import DataError
from fer.images import SUFFIXES, image_files
from fer.predictor import read
from fer.video import Video

STILL = (*SUFFIXES, ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
"""File names that are images and not videos; of an animated one the first picture is taken."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One image, or one frame.

    Attributes:
        source: path below the source's folder, or the name of a video or camera.
        image: uint8 (height, width, 3) RGB; None where it cannot be read.
        note: why it cannot be read.
        frame: number in its video, 0 for an image.
        milliseconds: into the video; None for an image.
    """

    source: str
    image: np.ndarray | None
    note: str = ""
    frame: int = 0
    milliseconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Stills:
    """Image files.

    Attributes:
        root: the folder above them all.
        files: below it.
    """

    root: Path
    files: list[Path]

    def __iter__(self) -> Iterator[Shot]:
        """Yield the images; one that cannot be read comes with a note instead of its pixels."""
        for file in self.files:
            name = str(file.relative_to(self.root))
            try:
                yield Shot(source=name, image=read(file))
            except DataError as error:
                yield Shot(source=name, image=None, note=str(error))

    def labels(self, classes: tuple[str, ...]) -> dict[str, str]:
        """Return the class of each image where folders give it; empty where these folders are not all classes."""
        folders = {file.parent.name for file in self.files if file.parent != self.root}
        bare = any(file.parent == self.root for file in self.files)
        if bare or len(folders) < 2 or not folders <= set(classes):
            return {}
        return {str(file.relative_to(self.root)): file.parent.name for file in self.files}


def shots(video: Video, limit: int) -> Iterator[Shot]:
    """Yield the frames of a video or a camera, at most `limit` of them; 0 for all."""
    for frame in itertools.islice(video, limit or None):
        yield Shot(source=video.name, image=frame.image, frame=frame.number, milliseconds=frame.milliseconds)


def open_source(source: str) -> Stills | Video:
    """Return the image files that a source names, or the video or the camera, opened.

    Raises:
        DataError: there is nothing of that name, or nothing that can be read.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        files = [Path(file.path) for file in image_files(path)]
        if not files:
            raise DataError(f"source: {source} holds no images ({', '.join(SUFFIXES)})")
        return Stills(root=path.resolve(), files=files)
    if path.suffix.lower() in STILL and not glob.has_magic(source):
        if not path.is_file():
            raise DataError(
                f"source: no such file: {source}; give an image, a folder, a glob, a video, or a camera's number"
            )
        return Stills(root=path.parent, files=[path])
    if not path.exists() and glob.has_magic(source):
        found = sorted(Path(each) for each in glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute too)
        files = [file.resolve() for file in found if file.is_file() and file.suffix.lower() in STILL]
        if not files:
            raise DataError(f"source: no image fits {source}")
        parents = [file.parent for file in files]
        root = next(each for each in (parents[0], *parents[0].parents) if all(p.is_relative_to(each) for p in parents))
        return Stills(root=root, files=files)
    return Video(source)
