"""Your own images: a folder a class, cut into splits by folders or by a seed."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fer import check
from fer.base import DataSpec, Split
from fer.cache import LISTED, Store, StoredDataset, Writer, fingerprint, left_out, open_store
from fer.errors import DataError
from fer.images import SUFFIXES, ImageFile, image_files, in_threads, read_image, subfolders
from fer.splits import Splits, cut

PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
PARTS |= dict.fromkeys(("validation", "val", "valid"), "validation")
"""The parts that a top folder may hold, in any letter case. Bare class folders are the part train."""


@dataclass(kw_only=True)
class ImageFolder(StoredDataset):
    """Images in class folders: train/<class>/ with validation/<class>/ and test/<class>/ or without, or bare <class>/.

    Files may lie at any depth in a class folder, as .png, .jpg, .jpeg, .bmp or .webp. EXIF rotation is applied,
    transparency shows white, and each image is resized to a square with antialiasing.

    Attributes:
        path: the folder that holds train/, or the class folders.
        size: height and width of the inputs in pixels, 16 to 1024.
        colour: RGB inputs, else grey.
        splits: parts are train, validation and test; bare class folders are all train.
        seed: of the splits that are fractions, 0 or more; its own, so that runs with other seeds keep the split.
        cache: folder of the decoded data.
        bad_images: "stop" when images cannot be read, or "skip" them with a warning.
    """

    path: str
    size: int
    colour: bool
    splits: Splits
    seed: int
    cache: str
    bad_images: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "size", 16, 1024)
        check.at_least(self, "seed", 0)
        check.one_of(self, "bad_images", ("stop", "skip"))

    def spec(self) -> DataSpec:
        """Describe the data from the names of the folders (see Dataset.spec)."""
        shape = (self.size, self.size, 3 if self.colour else 1)
        return DataSpec(name="image_folder", kind="image", shape=shape, classes=classes_of(self._parts()))

    def open(self) -> Store:
        """Decode the images into the cache, or find what was decoded before."""
        folder = Path(self.path).expanduser().resolve()
        files = self._files()
        key = fingerprint([file for file, _, _ in files], size=self.size, colour=self.colour, bad=self.bad_images)
        return open_store(self.cache, "image_folder", key, lambda writer: self._decode(folder, files, writer))

    def cut(self, store: Store) -> dict[Split, np.ndarray]:
        """Return the rows of each split (see fer.splits.cut)."""
        return cut(
            self.splits,
            parts=store.parts,
            part_names=store.part_names,
            labels=store.targets,
            digests=store.digests,
            seed=self.seed,
            classes=self.spec().classes,
            texts=("image_folder", "images of part", self.path),
        )

    def _parts(self) -> dict[str, Path]:
        """Return the folder of each part; bare class folders are the part "train"."""
        path = Path(self.path).expanduser()
        if not path.is_dir():
            raise DataError(
                f"image_folder: no such folder: {path}: expected train/<class>/ with validation/ and test/ or without, "
                "or bare <class>/ folders, of .png, .jpg, .bmp or .webp images; set dataset.path"
            )
        parts: dict[str, Path] = {}
        for name in subfolders(path):
            part = PARTS.get(name.lower())
            if part in parts:
                raise DataError(f"image_folder: {path} has both {parts[part].name}/ and {name}/; keep one of them")
            if part:
                parts[part] = path / name
        return parts if "train" in parts else {"train": path}

    def _files(self) -> list[tuple[ImageFile, int, str]]:
        """List the images as (file, label, part)."""
        parts = self._parts()
        listed = []
        for part, folder in parts.items():
            for label, name in enumerate(classes_of(parts)):
                files = [(file, label, part) for file in image_files(folder / name)]
                if not files:
                    raise DataError(f"image_folder: no {', '.join(SUFFIXES)} images in {folder / name}")
                listed += files
        return listed

    def _decode(self, folder: Path, files: list[tuple[ImageFile, int, str]], writer: Writer) -> None:
        pictures = in_threads(
            partial(_picture, size=self.size, colour=self.colour), [file.path for file, _, _ in files]
        )
        for (file, label, part), picture in zip(files, pictures, strict=True):
            name = str(Path(file.path).relative_to(folder))
            if isinstance(picture, str):
                writer.skip(f"{name} ({picture})")
            else:
                pixels, size = picture
                writer.add(pixels, label, part=part, name=name, size=size)
        if writer.skipped and (self.bad_images == "stop" or not writer.rows):
            text = left_out(f"image_folder: {folder}", writer.skipped, len(files), writer.first_skipped)
            raise DataError(f"{text}; remove them, or leave them out with dataset.bad_images=skip")


def classes_of(parts: dict[str, Path]) -> tuple[str, ...]:
    """Return the class folders of train, sorted; the other parts must have the same."""
    classes = subfolders(parts["train"])
    if len(classes) < 2:
        raise DataError(
            f"image_folder: expected two or more class folders in {parts['train']}, got {', '.join(classes) or 'none'}"
        )
    for folder in parts.values():
        others = subfolders(folder)
        if others != classes:
            raise DataError(
                f"image_folder: {folder} must have the class folders of {parts['train']}; "
                f"missing: {_words(set(classes) - set(others))}; unknown: {_words(set(others) - set(classes))}"
            )
    return tuple(classes)


def _words(names: set[str]) -> str:
    return ", ".join(sorted(names)[:LISTED]) or "none"


def _picture(path: str, size: int, colour: bool) -> tuple[np.ndarray, tuple[int, int]] | str:
    """Return an image's pixels uint8 (size, size, channels) and its own (width, height), or why it cannot be read."""
    from PIL import Image

    try:
        image = read_image(path, colour)
    except Exception as error:  # Pillow raises many kinds for damaged files
        return str(error) or type(error).__name__
    resized = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(size, size, -1), image.size
