"""Every image of a dataset through the face mesh, by several processes, into a landmark CSV or aligned face crops.

Batches are worked on in any order and written in the dataset's, each followed by a note of how far the output is good.
A run that was stopped, in whatever way, cuts what was written after the last note and goes on there; what it writes in
the end depends neither on the number of processes nor on stops. The output gets its name when it is complete.
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from fer import interruption
from fer.artifact import write_text
from fer.base import Dataset, DataSpec, Samples, Split, batched
from fer.cache import StoredDataset
from fer.coverage import Tally, coverage
from fer.errors import ConfigError, Paused, RunError
from fer.landmarks import FaceMesh
from fer.task import task_of
from fer.workers import Images, Output, in_order, processes

logger = logging.getLogger(__name__)

BATCH = 64
"""Images a job: a second or two, which is what a stop loses."""


@dataclass(kw_only=True)
class Progress:
    """How far an extraction is.

    Attributes:
        key: of dataset, settings and output: what goes on must be the same.
        batches: how many are done.
        size: bytes of the output that are good.
        tally: what was found in them.
    """

    key: str
    batches: int = 0
    size: int = 0
    tally: Tally = field(default_factory=dict)

    @property
    def images(self) -> int:
        """How many images are done."""
        return sum(pair[1] for classes in self.tally.values() for pair in classes.values())

    def count(self, images: Images, found: Sequence[bool]) -> None:
        """Add a batch."""
        for part, label, face in zip(images.parts, images.labels, found, strict=True):
            pair = self.tally.setdefault(part, {}).setdefault(label, [0, 0])
            pair[0] += face
            pair[1] += 1


def extract(
    dataset: Dataset, mesh: FaceMesh, output: Output, path: Path, *, workers: int, settings: dict[str, Any]
) -> Tally:
    """Send every image of every split through the mesh.

    Args:
        dataset: of images with classes.
        mesh: the face mesh; of several faces in an image the largest is taken.
        output: what is made of them.
        path: the file or folder to write; the images that have a face are counted in `<path>.coverage.json`.
        workers: processes.
        settings: all that changes the output.

    Returns:
        How many images had a face, by part and class.

    Raises:
        ConfigError: the dataset has no images or no classes.
        RunError: the output is there already, or was begun with other settings.
        Paused: the process was asked to end.
    """
    spec = dataset.spec()
    if spec.kind != "image" or not spec.classes:
        raise ConfigError(f"dataset: expected images with classes, got {spec.name}")
    if path.exists():
        raise RunError(f"output: {path} is there already; remove it, or choose another with output=")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, note = (path.with_name(f".{path.name}.{word}") for word in ("partial", "progress.json"))
    samples = {split: dataset.load(split) for split in dataset.available()}
    progress = _resume(partial, note, _key(samples, settings), output)
    jobs = [(split, some) for split, each in samples.items() for some in batched(len(each), BATCH)]
    total = sum(map(len, samples.values()))
    todo = (_images(dataset, spec, samples[split], split, some) for split, some in jobs[progress.batches :])
    with interruption.heeded(), processes(workers, mesh, output, partial) as submit:
        for images, (data, found) in in_order(submit, todo, ahead=2 * workers + 1):
            _append(partial, data)
            progress.count(images, found)
            progress.batches, progress.size = progress.batches + 1, progress.size + len(data)
            write_text(note, json.dumps(vars(progress)))
            if interruption.asked():
                raise Paused(f"stopped after {progress.batches} of {len(jobs)} batches; give the same command to go on")
            if progress.batches % 20 == 0:
                logger.info("%s of %s images", f"{progress.images:,}", f"{total:,}")
    output.finish(partial, mesh)
    tally = {
        part: {name: classes[name] for name in spec.classes if name in classes}
        for part, classes in progress.tally.items()
    }
    write_text(path.with_name(f"{path.name}.coverage.json"), json.dumps(coverage(tally), indent=2) + "\n")
    partial.rename(path)
    note.unlink()
    return tally


def _key(samples: dict[Split, Samples], settings: dict[str, Any]) -> str:
    whole = blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    for split, each in samples.items():
        whole.update(f"{split} {len(each)}".encode())
        whole.update(np.ascontiguousarray(each.rows).tobytes() + np.ascontiguousarray(each.targets).tobytes())
    return whole.hexdigest()


def _resume(partial: Path, note: Path, key: str, output: Output) -> Progress:
    """Return how far an earlier run came, with the output cut back to there; or begin."""
    if not (note.exists() and partial.exists()):
        output.begin(partial)
        progress = Progress(key=key, size=partial.stat().st_size if partial.is_file() else 0)
        write_text(note, json.dumps(vars(progress)))
        return progress
    try:
        progress = Progress(**json.loads(note.read_text()))
    except (ValueError, TypeError) as error:
        raise RunError(f"{note} is damaged ({error}); remove it and {partial} to begin again") from error
    if progress.key != key:
        raise RunError(
            f"output: {partial} was begun with other settings or data; give the same to go on with it, remove it to "
            "begin again, or choose another with output="
        )
    if partial.is_file():
        os.truncate(partial, progress.size)
    logger.info("going on after %s images", f"{progress.images:,}")
    return progress


def _images(dataset: Dataset, spec: DataSpec, samples: Samples, split: Split, some: slice) -> Images:
    rows = samples.rows[some]
    parts = [split] * len(rows)
    if isinstance(dataset, StoredDataset):
        parts = [dataset.store.part_names[part] for part in dataset.store.parts[rows]]
    return Images(
        pixels=samples.inputs(some),
        labels=[spec.classes[label] for label in task_of(spec).labels(samples.targets[some])],
        parts=parts,
        names=[samples.names[row] for row in rows],
        rows=rows.tolist(),
        split=split,
    )


def _append(partial: Path, data: bytes) -> None:
    if data:
        with partial.open("ab") as file:
            file.write(data)
