"""TensorBoard event files, written by tensorboard's own record writer: TensorFlow is never imported."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer.base import Passport, Tracker, Tracking


@dataclass(kw_only=True)
class TensorBoard(Tracker):
    """Event files in the run folder's `tensorboard/`; look at them with `tensorboard --logdir outputs`."""

    @contextmanager
    def track(self, passport: Passport) -> Iterator[Tracking]:
        """Open an event file with the configuration and the environment; leaving the context closes it."""
        events = _Events(passport.folder / "tensorboard")
        try:
            events.text("config", passport.config)
            events.text("environment", passport.environment)
            yield events
        finally:
            events.close()


class _Events:
    """One event file: a sequence of records with a checksum each.

    `tensorboard.summary.Writer` writes scalars alone, and its EventFileWriter imports TensorFlow where it finds it.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._records = RecordWriter((folder / name).open("ab"))
        self._step = 0
        self._write(file_version="brain.Event:2")

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        self._step = number
        for name, value in values.items():
            self._value(tag=name, simple_value=value)
        self._records.flush()  # a run that is killed keeps its finished epochs

    def results(self, values: Mapping[str, float], figures: Sequence[Path], model: Path) -> None:
        for name, value in values.items():
            self._value(tag=f"results/{name}", simple_value=value)
        for figure in figures:
            png = figure.read_bytes()
            width, height = struct.unpack(">2I", png[16:24])  # of the IHDR chunk, which always comes first
            image = {"width": width, "height": height, "colorspace": 4, "encoded_image_string": png}
            self._value(tag=f"figures/{figure.stem}", image=image)

    def text(self, tag: str, values: Mapping[str, Any]) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        block = json.dumps(values, indent=2, ensure_ascii=False)
        self._write(step=self._step, summary=text_pb(tag, f"```json\n{block}\n```"))  # shown as Markdown

    def close(self) -> None:
        self._records.close()

    def _value(self, **value: Any) -> None:
        self._write(step=self._step, summary={"value": [value]})

    def _write(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **event).SerializeToString())
