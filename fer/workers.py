"""Processes that each hold an open face mesh and turn images into whatever an output is made of."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Protocol

import numpy as np

from fer.base import Split
from fer.errors import RunError
from fer.landmarks import Face, FaceFinder, FaceMesh


@dataclass(frozen=True, kw_only=True)
class Images:
    """Some images of one split, with what their rows or files say of them.

    Attributes:
        pixels: uint8 (n, height, width, channels).
        labels: class names.
        parts: the part of its dataset that each comes from, such as "Training".
        names: where each came from.
        rows: its number in the dataset.
        split: "train", "validation" or "test".
    """

    pixels: np.ndarray
    labels: Sequence[str]
    parts: Sequence[str]
    names: Sequence[str]
    rows: Sequence[int]
    split: Split


class Output(Protocol):
    """What is made of the faces. It is sent to the worker processes."""

    def begin(self, partial: Path) -> None:
        """Make the file or folder that is filled."""

    def make(self, images: Images, faces: Sequence[Face | None], partial: Path) -> bytes:
        """Return what is appended to the file for these images, or write files of their own; in a worker process."""

    def finish(self, partial: Path, mesh: FaceMesh) -> None:
        """Complete it, in the main process."""


Made = tuple[bytes, list[bool]]
Submit = Callable[[Images], "Future[Made]"]


def in_order(submit: Submit, todo: Iterator[Images], ahead: int) -> Iterator[tuple[Images, Made]]:
    """Yield the results in the order of the jobs, with at most `ahead` of them in memory."""
    waiting: deque[tuple[Images, Future[Made]]] = deque()
    for images in todo:
        waiting.append((images, submit(images)))
        if len(waiting) >= ahead:
            first, result = waiting.popleft()
            yield first, result.result()
    for first, result in waiting:
        yield first, result.result()


@contextmanager
def processes(workers: int, mesh: FaceMesh, output: Output, partial: Path) -> Iterator[Submit]:
    """Start processes that each hold an open face mesh; yield how they are given work."""
    mesh.open("image").close()  # a model that is missing or damaged is found out here, and downloaded once
    context = multiprocessing.get_context("spawn")  # MediaPipe's threads do not survive a fork
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(mesh, output, partial))
    try:
        yield lambda images: pool.submit(_make, images)
    except BrokenExecutor as error:
        raise RunError(f"a worker process died ({error}); give the same command again to go on") from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: tuple[FaceFinder, Output, Path]
"""What a worker process holds."""


def _start(mesh: FaceMesh, output: Output, partial: Path) -> None:
    global _worker
    finder = mesh.open("image")
    Finalize(finder, finder.close, exitpriority=0)
    _worker = (finder, output, partial)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when the command was killed, which would leave it waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _make(images: Images) -> Made:
    finder, output, partial = _worker
    faces = [next(iter(finder.find(pixels)), None) for pixels in images.pixels]
    return output.make(images, faces, partial), [face is not None for face in faces]
