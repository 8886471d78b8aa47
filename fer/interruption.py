"""SIGTERM, which Slurm and cloud machines send before they kill: the training saves and ends with a code of its own."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RESUME_ME = 75
"""Exit code of a training that stopped with a checkpoint: EX_TEMPFAIL of sysexits.h, "try again later"."""

_asked = threading.Event()


def asked() -> bool:
    """Return whether this process was asked to end."""
    return _asked.is_set()


@contextmanager
def heeded() -> Iterator[None]:
    """Remember SIGTERM for `asked` in place of dying of it."""
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():  # where Python sets no handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: _asked.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
