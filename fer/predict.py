"""From a source to a table and annotated pictures: read, find, predict in batches, follow, write."""

import logging
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer.annotate import annotate
from fer.artifact import replacing
from fer.errors import DataError, RunError
from fer.film import Film
from fer.prediction_table import Table
from fer.predictor import Prediction, Predictor
from fer.runs.predict import PredictRun
from fer.shots import Shot, Stills, shots
from fer.smoothing import OneEuro
from fer.tracking import Tracker
from fer.validation import Validation
from fer.video import Video

log = logging.getLogger(__name__)

Faces = list[tuple[int, Prediction]]


@dataclass
class Summary:
    """What was done.

    Attributes:
        pictures: images or frames.
        faces: in all of them.
        empty: pictures without a face.
        unread: image files that cannot be read.
        labels: how often each class was seen.
        seconds: of each stage: read, find, predict, write.
        lost: what a camera that was unplugged said.
    """

    pictures: int = 0
    faces: int = 0
    empty: int = 0
    unread: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    lost: str = ""

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the time of a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - began


def predict(run: PredictRun, source: Stills | Video, predictor: Predictor, output: Path) -> Summary:
    """Predict every face of a source; a video or a camera is closed at the end.

    Raises:
        DataError: the source cannot be read.
    """
    with ExitStack() as stack:
        if isinstance(source, Video):
            stack.enter_context(source)
        output.mkdir(parents=True, exist_ok=True)
        count = predictor.network.contract["output"]["points"]
        meshed = predictor.family == "landmarks"
        table = stack.enter_context(Table(output, run.format, predictor.classes, count, meshed))
        job = _Job(run, predictor, output, table)
        if isinstance(source, Video):
            job.video(source)
        else:
            job.stills(source)
    return job.summary


class _Job:
    """What all steps share."""

    def __init__(self, run: PredictRun, predictor: Predictor, output: Path, table: Table) -> None:
        self.run, self.predictor, self.output, self.table = run, predictor, output, table
        self.summary = Summary()

    def stills(self, images: Stills) -> None:
        """Predict image files; of a labelled folder, compare with the labels."""
        labels = images.labels(self.predictor.classes)
        validation = Validation(self.predictor.classes) if labels else None
        for shot, faces in self._answers(images, self.run.batch, len(images.files)):
            if shot.image is None:
                if len(images.files) == 1:
                    raise DataError(f"source: {shot.note}")
                log.warning("%s", shot.note)
                self.table.say(shot.source, shot.frame, 0.0, shot.note)
                self.summary.unread.append(shot.source)
                continue
            numbered = list(enumerate(faces, start=1))
            self._add(shot, numbered)
            if self.run.pictures:
                several = [(number if len(faces) > 1 else None, face) for number, face in numbered]
                picture = annotate(shot.image, several, self.predictor.family == "landmarks")
                _save(self.output / _picture(shot.source), picture)
            if validation:
                validation.add(shot.image, labels[shot.source], faces)
        if validation:
            validation.write(self.output)

    def video(self, video: Video) -> None:
        """Predict a video or a camera; what was done before a camera was lost, or Ctrl-C, is kept."""
        follow = Tracker(self.run.smoothing, OneEuro())
        self.predictor.finder.restart()
        with ExitStack() as stack:
            film = window = None
            if self.run.pictures:
                name = "camera" if video.camera else Path(video.name).stem
                film = stack.enter_context(Film(self.output / f"{name}.webm", video.fps))
            if self.run.display == "on" or (self.run.display == "auto" and video.camera and _has_display()):
                window = _window(stack, must=self.run.display == "on")
            live = video.camera or window is not None
            total = min(filter(None, (video.frames, self.run.frames)), default=0)
            try:
                for shot, faces in self._answers(shots(video, self.run.frames), 1 if live else self.run.batch, total):
                    if self._frame(shot, faces, follow, film, window) == "q":
                        break
            except DataError as error:
                self.summary.lost = str(error)
            except KeyboardInterrupt:
                log.info("stopped; what was predicted so far is kept")

    def _frame(self, shot: Shot, faces: list[Prediction], follow: Tracker, film: Film | None, window: Any) -> str:
        assert shot.image is not None
        seconds = (shot.milliseconds or 0) / 1000
        followed = follow(faces, seconds)
        self._add(shot, followed)
        if film is None and window is None:
            return ""
        with self.summary.clock("write"):
            picture = annotate(shot.image, list(followed), self.predictor.family == "landmarks")
            if film is not None:
                film.add(picture, shot.milliseconds or 0)
        return window.show(picture, 1) if window is not None else ""

    def _answers(self, source: Iterable[Shot], size: int, total: int) -> Iterator[tuple[Shot, list[Prediction]]]:
        """Yield each shot with its faces, predicted in batches."""
        with _progress(total) as advance:
            timed = self._timed(source)
            while some := list(islice(timed, size)):
                with self.summary.clock("find"):
                    found = [
                        self.predictor.finder(shot.image, shot.milliseconds) if shot.image is not None else []
                        for shot in some
                    ]
                with self.summary.clock("predict"):
                    images = [shot.image if shot.image is not None else np.empty(0) for shot in some]
                    answers = self.predictor.predict(images, found)
                for shot, faces in zip(some, answers, strict=True):
                    yield shot, faces
                    advance()

    def _timed(self, source: Iterable[Shot]) -> Iterator[Shot]:
        """Pass shots on, and add up how long reading them takes."""
        items = iter(source)
        while True:
            with self.summary.clock("read"):
                shot = next(items, None)
            if shot is None:
                return
            yield shot

    def _add(self, shot: Shot, faces: Faces) -> None:
        with self.summary.clock("write"):
            seconds = (shot.milliseconds or 0) / 1000
            for number, face in faces:
                self.table.add(shot.source, shot.frame, seconds, number, face)
                self.summary.labels[face.label] += bool(face.label)
            if not faces:
                self.table.say(shot.source, shot.frame, seconds, "no face")
            self.table.flush()
        self.summary.pictures += 1
        self.summary.faces += len(faces)
        self.summary.empty += not faces


def _picture(source: str) -> Path:
    """Return where the annotated picture of an image goes; one that OpenCV may not write becomes a .png."""
    path = Path(source)
    return path if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp") else Path(f"{path}.png")


def _save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        if not cv2.imwrite(str(partial), picture[..., ::-1]):
            raise OSError(f"OpenCV cannot write {path}")


def _has_display() -> bool:
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _window(stack: ExitStack, *, must: bool) -> Any:
    from fer.window import Window

    try:
        return stack.enter_context(Window("fer: q ends"))
    except RunError:
        if must:
            raise RunError("display: no window can be opened here; leave it out with display=off") from None
        return None


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Show a bar with the time that is left, or the rate of a camera; on a terminal alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total or None, rate="")
        began = time.perf_counter()

        def advance() -> None:
            done = progress.tasks[task].completed + 1
            progress.update(task, advance=1, rate=f"{done / (time.perf_counter() - began):.1f}/s")

        yield advance
