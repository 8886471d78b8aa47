"""Image files in folders: finding them and decoding them to 8-bit pixels, with Pillow alone."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

import numpy as np

from fer.base import batched

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
"""Recognised in any letter case."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class ImageFile(NamedTuple):
    """A file and what tells whether it changed: its resolved path, bytes, and modification time in ns."""

    path: str
    size: int
    modified: int


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; hidden ones and __MACOSX are left out."""
    return sorted(
        entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith((".", "__"))
    )


def image_files(folder: Path) -> Iterator[ImageFile]:
    """Yield the image files anywhere below a folder, in the order of their names."""
    for parent, folders, files in os.walk(folder.resolve()):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(parent, name)  # noqa: PTH118 (pathlib is slow for many files)
                stat = os.stat(path)  # noqa: PTH116
                yield ImageFile(path, stat.st_size, stat.st_mtime_ns)


def read_image(file: str | BinaryIO, colour: bool) -> "Image.Image":
    """Decode an image file, by its path or opened, to mode "RGB" or "L".

    EXIF rotation is applied, transparent pixels show white, 16-bit grey is scaled to 8 bits.

    Raises:
        OSError: the file cannot be read or is no image; some damages raise other exceptions.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16-bit grey: convert() would clip it at 255
            image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        return image.convert("RGB" if colour else "L")


def in_threads(work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[Result]:
    """Yield `work(job)` in the order of the jobs, on all cores, with at most 256 results waiting."""
    with ThreadPoolExecutor() as pool:
        for some in batched(len(jobs), 256):
            yield from pool.map(work, jobs[some])
