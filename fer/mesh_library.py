"""MediaPipe, loaded quickly and quietly."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer.errors import RunError


def mediapipe_module() -> Any:
    """Import MediaPipe without TensorFlow, which it tries for its documentation tools alone (ten seconds)."""
    absent = "tensorflow" not in sys.modules
    if absent:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]  # importing it raises ModuleNotFoundError
    try:
        import mediapipe
    except (ImportError, OSError) as error:
        raise RunError(
            f"MediaPipe cannot be loaded ({error}); where a system library is missing: "
            "apt-get install libgl1 libegl1 libgles2 libglib2.0-0"
        ) from error
    finally:
        if absent:
            del sys.modules["tensorflow"]
    return mediapipe


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keep from the terminal what MediaPipe's C++ part says while it loads; no setting does. Its errors are raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
