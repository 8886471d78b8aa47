"""Decoded data as memory-mapped files: images are decoded once, and no process holds a copy of them.

A store is a folder `<cache>/<dataset>-<key>/` of .npy files with one row a sample. The key is a fingerprint of the
source files and of the settings that change pixels, so a changed source gets a new store. It is filled row by row in a
folder beside it and renamed when complete: a folder with the final name is whole, whoever was killed on the way.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from fer import decisions
from fer.base import Dataset, Samples, Split
from fer.errors import DataError

logger = logging.getLogger(__name__)

FORMAT = 1
"""Part of every key: raise it when what a store holds changes."""

COLUMNS = ("inputs", "targets", "parts", "digests", "sizes")
LISTED = 10
"""How many of the skipped samples are named."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """All samples of a dataset; every array is a read-only memory map with one row a sample.

    Attributes:
        inputs: uint8 (n, height, width, channels).
        targets: int64 (n,) labels, or float32 (n, points, 2).
        parts: uint8 (n,), which of `part_names` a sample came from.
        part_names: such as ("Training", "PublicTest").
        digests: uint64 (n,), BLAKE2b of the pixels: equal for exact copies.
        sizes: int32 (n, 2), width and height in pixels before any resize.
        names: where each sample came from.
        skipped: how many samples could not be read and were left out.
        first_skipped: the first ten of those, each with its reason.
    """

    inputs: np.ndarray
    targets: np.ndarray
    parts: np.ndarray
    part_names: tuple[str, ...]
    digests: np.ndarray
    sizes: np.ndarray
    names: Sequence[str]
    skipped: int
    first_skipped: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.inputs)


@dataclass(kw_only=True)
class StoredDataset(Dataset):
    """A dataset whose splits are rows of one store.

    Attributes:
        decisions: a file of relabelled and dropped samples, which changes train alone (see fer.decisions), or "none".
    """

    decisions: str = "none"

    @abstractmethod
    def open(self) -> Store:
        """Decode into the cache, or find what was decoded before."""

    @abstractmethod
    def cut(self, store: Store) -> dict[Split, np.ndarray]:
        """Return the rows of every split that there is; a missing part is an error now, not after the training."""

    @cached_property
    def store(self) -> Store:
        """The store, opened once for all splits; a warning tells of samples that were left out of it."""
        store = self.open()
        if store.skipped:
            total = store.skipped + len(store)
            logger.warning("%s", left_out(self.spec().name, store.skipped, total, store.first_skipped))
        return store

    @property
    def digests(self) -> np.ndarray:
        """Equal for exact copies, whatever prepares the inputs: uint64 (n,); decisions know their data by them."""
        return self.store.digests

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Return the targets of some rows of the store (see Samples)."""
        return np.asarray(self.store.targets)[rows]

    def proxies(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return numbers that are known of some samples beside their inputs (see Samples): the size, where it differs.

        Args:
            rows: int (samples,), of the store.

        Returns:
            name -> float64 (samples,); "image size" is the root of width times height before any resize, in pixels.
        """
        sizes = np.asarray(self.store.sizes)[rows].astype(np.float64)
        return {"image size": np.sqrt(sizes.prod(axis=1))} if np.ptp(sizes, axis=0).any() else {}

    @cached_property
    def _rows(self) -> dict[Split, np.ndarray]:
        return self.cut(self.store)

    def available(self) -> tuple[Split, ...]:
        """Return the splits that the settings name."""
        return tuple(self._rows)

    def load(self, split: Split) -> Samples:
        """Read one split (see Dataset.load)."""
        if split not in self._rows:
            raise DataError(f"{self.spec().name}: there is no {split} split, since splits.{split} is none")
        rows, store = self._rows[split], self.store
        samples = Samples(
            source=store.inputs,
            rows=rows,
            targets=self.targets(rows),
            names=store.names,
            proxies=self.proxies,
        )
        if split != "train" or self.decisions == "none":
            return samples
        return decisions.apply(samples, self.decisions, digests=self.digests, classes=self.spec().classes)


def left_out(name: str, skipped: int, total: int, first: Sequence[str]) -> str:
    """Return one line on samples that could not be read."""
    more = "; ..." if skipped > len(first) else ""
    return f"{name}: {skipped} of {total} samples cannot be read: {'; '.join(first)}{more}"


def digest(pixels: np.ndarray) -> int:
    """Return the 64-bit BLAKE2b of an array's bytes."""
    return int.from_bytes(hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest(), "little")


def fingerprint(files: Iterable[tuple[str, int, int]], **settings: Any) -> str:
    """Return a key of 16 hexadecimal digits for source files and settings.

    Args:
        files: (resolved path, bytes, modification time in ns) of each source file.
        settings: what changes the pixels or the choice of samples; anything that JSON holds.
    """
    whole = hashlib.blake2b(json.dumps([FORMAT, settings], sort_keys=True).encode(), digest_size=8)
    for path, size, modified in files:
        whole.update(f"\n{path} {size} {modified}".encode(errors="surrogateescape"))
    return whole.hexdigest()


def open_store(cache: str, name: str, key: str, fill: "Callable[[Writer], None]") -> Store:
    """Open the store `<cache>/<name>-<key>`, filling it first where it is not there.

    Two processes may do this at once: both fill, the first to finish wins, the other discards its own.

    Raises:
        DataError: the cache cannot be written, or is damaged.
    """
    folder = Path(cache).expanduser() / f"{name}-{key}"
    if not folder.exists():
        _build(folder, fill)
    return _read(folder)


def _build(folder: Path, fill: "Callable[[Writer], None]") -> None:
    partial = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}.partial")
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        partial.mkdir()
    try:
        with Writer(partial) as writer:
            fill(writer)
            writer.finish()
        with writing(folder.parent):
            try:
                partial.rename(folder)
            except OSError:
                if not folder.exists():  # else another process was first
                    raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed while they filled this store left behind, after a day."""
    for partial in folder.parent.glob(f".{folder.name}-*.partial"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > 86_400:
                shutil.rmtree(partial, ignore_errors=True)


def _read(folder: Path) -> Store:
    try:
        meta = json.loads((folder / "meta.json").read_text())
        columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS}
        return Store(
            **columns,
            names=Lines(folder / "names.txt", len(columns["inputs"])),
            part_names=tuple(meta["parts"]),
            skipped=meta["skipped"],
            first_skipped=tuple(meta["first_skipped"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the cache {folder} is damaged ({error}); remove that folder and run again") from error


def folder() -> Path:
    """Return where datasets are cached unless their settings say otherwise, and what is derived from them."""
    return Path(os.environ.get("FER_CACHE", "~/.cache/fer")).expanduser()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a failure to write in the cache into one clear line (DataError)."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write the cache in {folder}: {error.strerror or error}; "
            "free space there, or choose another folder with dataset.cache or FER_CACHE"
        ) from error


class Writer:
    """Fills a store one sample at a time, so that memory does not grow with the dataset."""

    def __init__(self, folder: Path) -> None:
        """Create the files in an empty folder."""
        self.rows = 0
        self.skipped = 0
        self._folder, self._cache = folder, folder.parent
        self.first_skipped: list[str] = []
        self._parts: dict[str, int] = {}
        with writing(folder.parent):
            self._columns = {name: _Column(folder / f"{name}.npy") for name in COLUMNS}
            self._names = (folder / "names.txt").open("w", encoding="utf-8", errors="surrogateescape", newline="\n")

    def add(
        self, pixels: np.ndarray, target: Any, *, part: str, name: str, size: tuple[int, int] | None = None
    ) -> None:
        """Append one sample.

        Args:
            pixels: uint8 (height, width, channels), the same shape for every sample.
            target: a label, or an array of points.
            part: the part of the dataset that it belongs to.
            name: where it came from.
            size: (width, height) before a resize, where there was one.
        """
        with writing(self._cache):
            self._columns["inputs"].append(pixels)
            self._columns["targets"].append(np.asarray(target))
            self._columns["parts"].append(np.uint8(self._parts.setdefault(part, len(self._parts))))
            self._columns["digests"].append(np.uint64(digest(pixels)))
            self._columns["sizes"].append(np.array(size or pixels.shape[1::-1], np.int32))
            self._names.write(name.replace("\n", " ") + "\n")
        self.rows += 1

    def skip(self, text: str) -> None:
        """Count a sample that could not be read; `text` says which and why."""
        self.skipped += 1
        if len(self.first_skipped) < LISTED:
            self.first_skipped.append(text)

    def finish(self) -> None:
        """Complete the files."""
        meta = {"parts": list(self._parts), "skipped": self.skipped, "first_skipped": self.first_skipped}
        with writing(self._cache):
            for column in self._columns.values():
                column.finish()
            self._names.close()
            (self._folder / "meta.json").write_text(json.dumps(meta))

    def __enter__(self) -> "Writer":
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files, finished or not."""
        for column in self._columns.values():
            with contextlib.suppress(OSError):  # what cannot be flushed is thrown away anyway
                column.file.close()
        with contextlib.suppress(OSError):
            self._names.close()


class _Column:
    """A .npy file that grows row by row: NumPy pads the header so that its first axis can be rewritten in place."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=1 << 20)
        self._length = 0

    def append(self, row: Any) -> None:
        if not self._length:
            self._dtype, self._shape = row.dtype, row.shape
            self._header()
        self.file.write(row.tobytes())
        self._length += 1

    def finish(self) -> None:
        self.file.seek(0)
        self._header()
        self.file.close()

    def _header(self) -> None:
        shape = (self._length, *self._shape)
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)


class Lines(Sequence[str]):
    """The lines of a text file, read when the first is asked for and never held as Python strings."""

    def __init__(self, path: Path, length: int) -> None:
        """Remember the file; it has `length` lines."""
        self._path, self._length = path, length

    def __len__(self) -> int:
        """Return the number of lines."""
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return one line, or a list of them."""
        row = range(self._length)[index]
        if isinstance(row, range):
            return [self[each] for each in row]
        text, ends = self._text
        start = ends[row - 1] + 1 if row else 0
        return text[start : ends[row]].decode(errors="surrogateescape")

    @cached_property
    def _text(self) -> tuple[bytes, np.ndarray]:
        text = self._path.read_bytes()
        return text, np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
