"""FER2013: 35,887 grey faces of 48x48 pixels found by a web search, in seven expressions.

Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning contests" (ICONIP 2013).
The official protocol trains on Training (28,709), chooses on PublicTest (3,589) and is judged on PrivateTest (3,589).
"""

import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from fer import check
from fer.base import DataSpec, Split
from fer.cache import Store, StoredDataset, Writer, fingerprint, open_store
from fer.errors import DataError, did_you_mean
from fer.images import ImageFile, image_files, in_threads, read_image, subfolders
from fer.splits import Splits, cut

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LABELS = {str(label).encode(): label for label in range(len(CLASSES))}
FOLDERS = {
    **{name: label for label, name in enumerate(CLASSES)},
    **{"anger": 0, "disgusted": 1, "fearful": 2, "happiness": 3, "sadness": 4, "surprised": 5},
}
"""The class folders of the copies that are around, in lower case."""

USAGES = ("Training", "PublicTest", "PrivateTest")
PARTS = {"train": "Training", "training": "Training", "test": "test", "validation": "validation", "val": "validation"}
PARTS |= {usage.lower(): usage for usage in USAGES}
"""What the top folders of the image-folder copy hold, where a file's name has no prefix that says it."""

SIZE = 48
COLUMNS = ("emotion", "pixels", "usage")
FILES = ("fer2013.csv", "icml_face_data.csv")
PACKED = ("", ".gz", ".xz", ".zip")


@dataclass(kw_only=True)
class Fer2013(StoredDataset):
    """FER2013 as its CSV or as the image-folder copy, whose file names tell the parts.

    Attributes:
        path: fer2013.csv or icml_face_data.csv, plain or as .gz, .xz or .zip; or a folder that holds one of these, or
            train/<class>/ and test/<class>/.
        splits: parts are Training, PublicTest and PrivateTest.
        seed: of the splits that are fractions, 0 or more; its own, so that runs with other seeds keep the split.
        cache: folder of the decoded data.
        bad_rows: "stop" at a row that cannot be used, or "skip" it with a warning.
    """

    path: str
    splits: Splits
    seed: int
    cache: str
    bad_rows: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "seed", 0)
        check.one_of(self, "bad_rows", ("stop", "skip"))

    def spec(self) -> DataSpec:
        """Describe the data (see Dataset.spec)."""
        find(Path(self.path).expanduser())
        return DataSpec(name="fer2013", kind="image", shape=(SIZE, SIZE, 1), classes=CLASSES)

    def open(self) -> Store:
        """Decode the CSV or the image files into the cache, or find what was decoded before."""
        source = find(Path(self.path).expanduser()).resolve()
        if source.is_dir():
            files = _labelled_files(source)
            key = fingerprint([file for file, _, _ in files], bad=self.bad_rows)
            return open_store(self.cache, "fer2013", key, lambda writer: self._decode(source, files, writer))
        stat = source.stat()
        key = fingerprint([(str(source), stat.st_size, stat.st_mtime_ns)], bad=self.bad_rows)
        return open_store(self.cache, "fer2013", key, lambda writer: self._parse(source, writer))

    def cut(self, store: Store) -> dict[Split, np.ndarray]:
        """Return the rows of each split (see fer.splits.cut)."""
        return cut(
            self.splits,
            parts=store.parts,
            part_names=store.part_names,
            labels=store.targets,
            digests=store.digests,
            seed=self.seed,
            classes=CLASSES,
            texts=("fer2013", "rows with Usage", self.path),
        )

    def _parse(self, file: Path, writer: Writer) -> None:
        lines = _lines(file)
        order = _columns(next(lines, b""), file)
        for row, line in enumerate(lines, start=1):
            try:
                pixels, label, usage = _row(line, order)
            except ValueError as error:
                cut_off = "" if line.endswith(b"\n") else " (the file ends in this row: it looks cut off)"
                self._bad(f"row {row}", f"{error}{cut_off}", file, writer)
            else:
                writer.add(pixels, label, part=usage, name=f"{file.name} row {row}")
        _demand_rows(writer, file)

    def _decode(self, folder: Path, files: list[tuple[ImageFile, int, str]], writer: Writer) -> None:
        pictures = in_threads(_picture, [file.path for file, _, _ in files])
        for (file, label, part), pixels in zip(files, pictures, strict=True):
            name = str(Path(file.path).relative_to(folder))
            if isinstance(pixels, str):
                self._bad(name, pixels, folder, writer)
            else:
                writer.add(pixels, label, part=part, name=name)
        _demand_rows(writer, folder)

    def _bad(self, name: str, reason: str, source: Path, writer: Writer) -> None:
        if self.bad_rows == "stop":
            raise DataError(
                f"fer2013: {source} {name}: {reason}; mend it, or leave what cannot be read out: dataset.bad_rows=skip"
            )
        writer.skip(f"{name}: {reason}")


def find(path: Path) -> Path:
    """Return the CSV, or the folder that holds train/, at or in `path`.

    Raises:
        DataError: there is neither.
    """
    if path.is_file():
        return path
    if path.is_dir():
        for name in FILES:
            for file in (path / f"{name}{suffix}" for suffix in PACKED):
                if file.is_file():
                    return file
        if "Training" in {PARTS.get(name.lower()) for name in subfolders(path)}:
            return path
    raise DataError(
        f"fer2013: nothing to read at {path}: expected fer2013.csv or icml_face_data.csv, plain or as .gz, .xz or "
        ".zip, or a folder with train/<class>/ and test/<class>/; set dataset.path, or get the data with "
        "`python -m fer prepare dataset=fer2013 download=true`, or by hand from Kaggle (dataset msambare/fer2013, or "
        "competition challenges-in-representation-learning-facial-expression-recognition-challenge)"
    )


def _demand_rows(writer: Writer, source: Path) -> None:
    if not writer.rows:
        raise DataError(f"fer2013: {source} has no rows that can be used")


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines of a CSV, plain or packed."""
    count = 0
    try:
        with _opener(file)(file) as stream:
            for line in stream:
                count += 1
                if line.strip():
                    yield line
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"fer2013: {file} is damaged or cut off after line {count} ({error}); get it again") from error


def _opener(file: Path) -> Callable[[Path], AbstractContextManager[IO[bytes]]]:
    openers = {".gz": gzip.open, ".xz": lzma.open, ".zip": _open_zip}
    return openers.get(file.suffix.lower(), lambda path: path.open("rb"))  # type: ignore[return-value]


def _open_zip(file: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    for name in FILES:
        for member in archive.namelist():
            if Path(member).name == name:
                return archive.open(member)
    raise DataError(f"fer2013: {file} holds no fer2013.csv or icml_face_data.csv; if it holds image folders, unzip it")


def _columns(header: bytes, file: Path) -> tuple[int, ...]:
    """Return where emotion, pixels and Usage stand; icml_face_data.csv has them in another order and with spaces."""
    names = [name.strip() for name in header.decode("utf-8-sig", "replace").replace('"', "").split(",")]
    lower = [name.lower() for name in names]
    if not set(COLUMNS) <= set(lower):
        raise DataError(
            f"fer2013: {file}: expected the columns emotion, pixels, Usage; got {', '.join(names)[:80] or 'nothing'}"
        )
    return (len(lower), *map(lower.index, COLUMNS))


def _row(line: bytes, columns: tuple[int, ...]) -> tuple[np.ndarray, int, str]:
    """Return pixels uint8 (48, 48, 1), label and Usage of one line.

    Raises:
        ValueError: with what was expected and what was seen.
    """
    cells = line.replace(b'"', b"").split(b",")
    count, emotion, pixels, usage = columns
    if len(cells) != count:
        raise ValueError(f"expected {count} columns, got {len(cells)}")
    part = cells[usage].strip().decode(errors="replace")
    if part not in USAGES:
        raise ValueError(f"expected Usage {', '.join(USAGES)}; got {part[:20]!r}{did_you_mean(part, USAGES)}")
    return _pixels(cells[pixels]), _label(cells[emotion]), part


def _label(cell: bytes) -> int:
    label = LABELS.get(cell.strip())
    if label is None:
        raise ValueError(f"expected a label from 0 to 6, got {cell.strip().decode(errors='replace')[:20]!r}")
    return label


def _pixels(cell: bytes) -> np.ndarray:
    try:
        values = np.fromstring(cell, np.int64, sep=" ")
    except ValueError:
        raise ValueError("expected pixels that are whole numbers with spaces between them") from None
    if len(values) != SIZE * SIZE:
        raise ValueError(f"expected {SIZE * SIZE} pixels, got {len(values)}")
    pixels = values.astype(np.uint8)
    if (wrong := pixels != values).any():
        raise ValueError(f"expected pixels from 0 to 255, got {values[wrong][0]}")
    return pixels.reshape(SIZE, SIZE, 1)


def _labelled_files(folder: Path) -> list[tuple[ImageFile, int, str]]:
    """List the image-folder copy as (file, label, part)."""
    listed = []
    for top in subfolders(folder):
        for name in subfolders(folder / top) if top.lower() in PARTS else []:
            if name.lower() not in FOLDERS:
                hint = did_you_mean(name.lower(), FOLDERS)
                raise DataError(
                    f"fer2013: {folder / top}: expected class folders {', '.join(CLASSES)}; got {name}{hint}"
                )
            for file in image_files(folder / top / name):
                prefix = re.match("|".join(USAGES), Path(file.path).name)
                listed.append((file, FOLDERS[name.lower()], prefix[0] if prefix else PARTS[top.lower()]))
    return listed


def _picture(path: str) -> np.ndarray | str:
    """Return an image's pixels uint8 (48, 48, 1), or why it cannot be used."""
    try:
        image = read_image(path, colour=False)
    except Exception as error:  # Pillow raises many kinds for damaged files
        return str(error) or type(error).__name__
    if image.size != (SIZE, SIZE):
        return f"expected 48x48 pixels, got {image.width}x{image.height} (dataset=image_folder takes any size)"
    return np.asarray(image)[..., None]
