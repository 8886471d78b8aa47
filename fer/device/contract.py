"""What an exported file says about itself: it is one .tflite with a small zip behind the network.

That is where TFLite keeps "associated files": the network's own bytes come first and a runtime reads no further, while
every zip reader finds

labels.txt       class names, a line each, as other TFLite tools look for them
contract.json    everything that whoever runs the file must know
golden.json      what the file answered at export (see fer.device.verify)
golden.npz       the images that it was asked
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer.errors import ModelError

FORMAT = 1
LARGEST = 32 << 20
"""Bytes of an associated file that are read at most: a hostile zip may promise more than a memory holds."""


@dataclass(frozen=True)
class Packed:
    """A model file, taken apart.

    Attributes:
        path: the file.
        network: the bytes that the runtime reads.
        files: the associated files by name; empty where there are none.
    """

    path: Path
    network: bytes
    files: dict[str, bytes]

    @property
    def contract(self) -> dict[str, Any] | None:
        """What the file says about itself; None where it has no contract of ours.

        Raises:
            ModelError: it is damaged, from a newer version, or speaks of another network.
        """
        if "contract.json" not in self.files:
            return None
        contract = self.json("contract.json")
        try:
            version, digest = contract["format"], contract["network_sha256"]
            shape, kind = contract["input"]["shape"], contract["input"]["kind"]
            complete = all(isinstance(side, int) and side > 0 for side in shape) and kind in ("image", "landmarks")
            complete = complete and contract["output"]["target"] in ("classes", "points")
            complete = complete and isinstance(contract["export"]["integer"], bool)
        except (KeyError, TypeError) as error:
            raise ModelError(f"{self.path}: its contract is incomplete ({error}); export the run again") from error
        if not complete:
            raise ModelError(f"{self.path}: its contract makes no sense; export the run again")
        if version > FORMAT:
            raise ModelError(f"{self.path}: expected a contract of format {FORMAT} or less, got {version}; update fer")
        if digest != hashlib.sha256(self.network).hexdigest():
            raise ModelError(
                f"{self.path}: damaged: the network is not the one that its contract speaks of; copy it again"
            )
        return contract

    def json(self, name: str) -> dict[str, Any]:
        """Read an associated JSON file."""
        try:
            content = json.loads(self.files[name])
        except (KeyError, ValueError, RecursionError) as error:
            raise ModelError(f"{self.path}: {name} is missing or no JSON; export the run again") from error
        if not isinstance(content, dict):
            raise ModelError(f"{self.path}: {name} holds no object; export the run again")
        return content


def unpack(path: Path) -> Packed:
    """Read a model file.

    Raises:
        ModelError: it cannot be read, is no TFLite file, or its associated files are damaged.
    """
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if whole[4:8] != b"TFL3":
        raise ModelError(f"{path}: not a TFLite file (those have TFL3 as bytes 5 to 8); cut off, or another format?")
    start, files = _associated(path, whole)
    return Packed(path=path, network=whole[:start], files=files)


def pack(network: bytes, files: dict[str, bytes]) -> bytes:
    """Put associated files behind a network; the same input gives the same bytes."""
    stream = io.BytesIO(network)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:  # stored, not deflated: readers on phones map them
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def _associated(path: Path, whole: bytes) -> tuple[int, dict[str, bytes]]:
    """Return where the network ends, and the files behind it."""
    if b"PK\5\6" not in whole[-(1 << 16) :]:
        return len(whole), {}
    try:
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise ModelError(f"{path}: its associated files are larger than {LARGEST:,} bytes; not opened")
            start = min((entry.header_offset for entry in entries), default=len(whole))
            return start, {entry.filename: archive.read(entry) for entry in entries}
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        ValueError,
        EOFError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise ModelError(f"{path}: damaged: its associated files cannot be read ({error}); copy it again") from error
