"""AffectNet: faces of the web in eight expressions, too many to hold, decoded when they are asked for.

Mollahosseini et al., "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the Wild" (IEEE
TAC 2017), arXiv:1708.03985. The copy for research has train_set/ and val_set/, each with images/ and annotations/.
"""

import hashlib
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fer import check
from fer.artifact import replacing
from fer.base import Dataset, DataSpec, Samples, Split
from fer.cache import LISTED, fingerprint, left_out
from fer.errors import DataError
from fer.images import SUFFIXES, read_image
from fer.splits import Splits, cut

log = logging.getLogger(__name__)

CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
"""In AffectNet's own order, 0 to 7; 8 to 10 are "none", "uncertain" and "no face"."""

PARTS = ("train_set", "val_set")
LABEL = "_exp.npy"
MOST = 4096
"""Bytes of a label's file that are read; one has about 130."""
BINARY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
"""How such a file is opened; only Windows has the second."""


@dataclass(kw_only=True)
class AffectNet(Dataset):
    """AffectNet's folders; each image NAME.jpg has its label in annotations/NAME_exp.npy.

    Attributes:
        path: the folder that holds train_set/ and val_set/.
        classes: 8, or 7 without contempt.
        size: height and width of the inputs in pixels, 16 to 1024.
        colour: RGB inputs, else grey.
        splits: parts are train_set and val_set.
        seed: of the splits that are fractions, 0 or more.
        cache: folder of the list of files and labels.
        bad_files: "stop" at an annotation or image that cannot be used, or "skip" it with a warning.
    """

    path: str
    classes: int
    size: int
    colour: bool
    splits: Splits
    seed: int
    cache: str
    bad_files: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "classes", (7, 8))
        check.between(self, "size", 16, 1024)
        check.at_least(self, "seed", 0)
        check.one_of(self, "bad_files", ("stop", "skip"))

    def spec(self) -> DataSpec:
        """Describe the data (see Dataset.spec)."""
        self._folders()
        shape = (self.size, self.size, 3 if self.colour else 1)
        return DataSpec(name="affectnet", kind="image", shape=shape, classes=CLASSES[: self.classes])

    def available(self) -> tuple[Split, ...]:
        """Return the splits that the settings name."""
        return tuple(self._rows)

    def load(self, split: Split) -> Samples:
        """Read the labels of one split; its images are read when they are asked for (see Dataset.load)."""
        if split not in self._rows:
            raise DataError(f"affectnet: there is no {split} split, since splits.{split} is none")
        rows, (paths, labels, _) = self._rows[split], self._listed
        return Samples(source=self._faces, rows=rows, targets=labels[rows].astype(np.int64), names=paths.tolist())

    @cached_property
    def _faces(self) -> "Faces":
        return Faces(Path(self.path).expanduser(), self._listed[0], self.size, self.colour)

    @cached_property
    def _rows(self) -> dict[Split, np.ndarray]:
        _, labels, parts = self._listed
        kept = np.flatnonzero(labels < self.classes)
        rows = cut(
            self.splits,
            parts=parts[kept],
            part_names=PARTS,
            labels=labels[kept],
            digests=np.arange(len(kept)),
            seed=self.seed,
            classes=CLASSES[: self.classes],
            texts=("affectnet", "images of", self.path),
        )
        return {split: kept[own] for split, own in rows.items()}

    @cached_property
    def _listed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Path below the folder, label and part of each image, listed once into the cache."""
        folders = [folder / name for folder in self._folders() for name in ("images", "annotations")]
        stats = [(str(folder), 0, folder.stat().st_mtime_ns) for folder in folders]  # changes with what it holds
        file = Path(self.cache).expanduser() / f"affectnet-{fingerprint(stats, bad=self.bad_files)}.npz"
        if not file.exists():
            self._list(file)
        with np.load(file) as listed:
            if len(listed["bad"]):
                count = int(listed["count"])
                log.warning("%s", left_out("affectnet", count, count + len(listed["paths"]), listed["bad"].tolist()))
            return listed["paths"], listed["labels"], listed["parts"]

    def _folders(self) -> list[Path]:
        root = Path(self.path).expanduser().resolve()
        found = [
            root / part
            for part in PARTS
            if (root / part / "images").is_dir() and (root / part / "annotations").is_dir()
        ]
        if not found:
            raise DataError(
                f"affectnet: nothing to read at {self.path}: expected train_set/ and val_set/, each with images/ and "
                "annotations/; set dataset.path (its authors give AffectNet out for research: mohammadmahoor.com)"
            )
        return found

    def _list(self, file: Path) -> None:
        paths: list[str] = []
        labels: list[int] = []
        parts: list[int] = []
        bad: list[str] = []
        for folder in self._folders():
            log.info("affectnet: listing %s", folder)
            for name, label in _labelled(folder):
                if isinstance(label, str):
                    if self.bad_files == "stop":
                        raise DataError(
                            f"affectnet: {folder}/{name}: {label}; mend it, or leave it out: dataset.bad_files=skip"
                        )
                    bad.append(f"{folder.name}/{name}: {label}")
                else:
                    paths.append(f"{folder.name}/images/{name}")
                    labels.append(label)
                    parts.append(PARTS.index(folder.name))
        columns: dict[str, Any] = {"paths": np.array(paths), "labels": np.array(labels, np.uint8)}
        columns |= {"parts": np.array(parts, np.uint8), "bad": np.array(bad[:LISTED], str), "count": len(bad)}
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            np.savez(partial, **columns)


class Faces:
    """All images, indexed like an array and decoded on the way.

    Attributes:
        shape: (n, size, size, channels).
    """

    def __init__(self, root: Path, paths: np.ndarray, size: int, colour: bool) -> None:
        self.shape: tuple[int, ...] = (len(paths), size, size, 3 if colour else 1)
        self._root, self._paths, self._colour = root, paths, colour

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the images of some rows, uint8 (rows, size, size, channels), or that of one row."""
        paths = self._paths[rows]
        if isinstance(paths, str):
            return self._decode(paths)
        images = np.empty((len(paths), *self.shape[1:]), np.uint8)
        for index, path in enumerate(paths):
            images[index] = self._decode(path)
        return images

    def fingerprint(self, rows: np.ndarray) -> bytes:
        """Return a hash of names and sizes of some files, in place of one of their pixels."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self._paths[rows]:
            digest.update(f"{path} {os.stat(self._root / path).st_size}\n".encode())  # noqa: PTH116 (many files)
        return digest.digest()

    def _decode(self, path: str) -> np.ndarray:
        from PIL import Image

        try:
            image = read_image(str(self._root / path), self._colour)
        except Exception as error:  # Pillow raises many kinds for damaged files
            raise DataError(f"affectnet: {self._root / path} cannot be read: {error}; get it again") from error
        resized = image.resize((self.shape[2], self.shape[1]), Image.Resampling.BILINEAR)
        return np.asarray(resized).reshape(self.shape[1:])


def _labelled(folder: Path) -> list[tuple[str, int | str]]:
    """Return (image name, label) of one part in the order of the names, or in place of the label what is wrong."""
    images = {name.rpartition(".")[0]: name for name in _names(folder / "images") if name.lower().endswith(SUFFIXES)}
    place = folder / "annotations"
    marked = {name.removesuffix(LABEL) for name in _names(place) if name.endswith(LABEL)}
    found: list[tuple[str, int | str]] = []
    known: dict[bytes, int | str] = {}
    for stem in sorted(sorted(images.keys() | marked), key=len):  # 9 before 10
        if stem not in marked:
            found.append((images[stem], f"no annotations/{stem}{LABEL}"))
        elif stem not in images:
            found.append((f"annotations/{stem}{LABEL}", "no image of that name"))
        else:
            found.append((images[stem], _label(f"{place}/{stem}{LABEL}", known)))
    return found


def _names(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries)


def _label(file: str, known: dict[bytes, int | str]) -> int | str:
    """Return the number in a .npy file, as text or as a number, or what is wrong.

    Args:
        file: its path.
        known: contents seen so far, and what they say: there are few, and NumPy takes longer than the disk.
    """
    try:
        opened = os.open(file, BINARY)  # open() takes twice as long
        try:
            content = os.read(opened, MOST)
        finally:
            os.close(opened)
        if content not in known:
            known[content] = _parsed(content)
    except OSError as error:
        return f"no label in it ({error})"
    return known[content]


def _parsed(content: bytes) -> int | str:
    try:
        label = int(np.load(io.BytesIO(content), allow_pickle=False).ravel()[0])
    except (ValueError, IndexError, EOFError) as error:
        return f"no label in it ({error})"
    return label if 0 <= label <= 10 else f"expected a label from 0 to 10, got {label}"
