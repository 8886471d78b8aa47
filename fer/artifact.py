"""The run folder: what it holds, how it is written so that a half-finished one never looks finished, how it is read.

model.keras      the best network, without its optimizer
manifest.json    the run's passport; written last, so that a folder without it is an unfinished run
start.json       the passport as it was when the training began; what a resume is compared with
config.yaml      the resolved config
metrics.csv      a row an epoch
run.log          what was printed
report/          the judgement: report.html, metrics.json, predictions.csv and pictures
checkpoint/      what a stopped training goes on from
"""

import csv
import hashlib
import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fer.base import DataSpec, Samples, batched
from fer.errors import RunError, did_you_mean

MANIFEST_VERSION = 1
RUN_ROOTS = ("outputs", "multirun")
PACKAGES = ("keras", "tensorflow", "jax", "numpy", "albumentations", "opencv-python", "hydra-core", "fer")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def model(self) -> Path:
        """The trained network."""
        return self.path / "model.keras"

    @property
    def manifest(self) -> Path:
        """The passport."""
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        """The judgement of the test split."""
        return self.path / "report"

    @property
    def checkpoint(self) -> Path:
        """What a stopped training goes on from."""
        return self.path / "checkpoint"

    @property
    def stopped(self) -> bool:
        """Whether there is something to go on from."""
        return self.checkpoint.exists() and (self.path / "start.json").exists()

    def begin(self) -> None:
        """Make the folder.

        Raises:
            RunError: it holds a finished run.
        """
        if self.manifest.exists():
            raise RunError(f"{self.path}: holds a finished run; choose another folder with hydra.run.dir=")
        self.path.mkdir(parents=True, exist_ok=True)

    def write_start(self, config: str, passport: Mapping[str, Any]) -> None:
        """Write down what the training begins with: the resolved config as YAML, and the passport so far."""
        write_text(self.path / "config.yaml", config)
        write_text(self.path / "start.json", json.dumps(passport, indent=2) + "\n")

    def start(self) -> dict[str, Any]:
        """Read the passport as it was at the start.

        Raises:
            RunError: it is missing or unreadable.
        """
        try:
            return json.loads((self.path / "start.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path}: no readable start.json, so there is no stopped run to go on with") from error

    def search(self) -> dict[str, Any] | None:
        """Return what a search wrote of this run as its trial: its name, the space and the values; None for others."""
        file = self.path / "trial.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    @contextmanager
    def log(self) -> Iterator[None]:
        """Write what is logged into run.log as well."""
        handler = logging.FileHandler(self.path / "run.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger = logging.getLogger("fer")
        level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Write metrics.csv."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with replacing(self.path / "metrics.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)

    def history(self) -> list[dict[str, Any]]:
        """Read metrics.csv; numbers as floats."""
        file = self.path / "metrics.csv"
        if not file.exists():
            return []
        with file.open(newline="", encoding="utf-8") as lines:
            return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(lines)]

    def finish(self, passport: Mapping[str, Any]) -> None:
        """Write the manifest, with the hash of the weights: from now on the run is a finished one."""
        whole = {"version": MANIFEST_VERSION, **passport, "weights_sha256": sha256(self.model)}
        write_text(self.manifest, json.dumps(whole, indent=2) + "\n")

    def passport(self) -> dict[str, Any]:
        """Read the manifest.

        Raises:
            RunError: it is missing, unreadable, or from a newer version; or the weights are not the ones it speaks of.
        """
        if not self.manifest.exists():
            raise RunError(f"{self.path}: no manifest.json, so this is not a finished run; choose one, or run=latest")
        try:
            passport = json.loads(self.manifest.read_text(encoding="utf-8"))
            version, expected = passport["version"], passport["weights_sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.manifest}: not a manifest ({error})") from error
        if version > MANIFEST_VERSION:
            raise RunError(f"{self.manifest}: expected version {MANIFEST_VERSION} or less, got {version}; update fer")
        if not self.model.exists() or sha256(self.model) != expected:
            raise RunError(f"{self.model}: missing, or not the weights that manifest.json speaks of; train again")
        return passport


def find(run: str) -> RunFolder:
    """Return a finished run's folder by its path, or the newest one for "latest".

    Raises:
        RunError: there is none.
    """
    if run != "latest":
        path = Path(run).expanduser()
        if not path.is_dir():
            near = [str(manifest.parent) for manifest in _manifests()]
            raise RunError(f"run={run}: no such folder{did_you_mean(run, near)}")
        return RunFolder(path)
    newest = max(_manifests(), key=lambda manifest: manifest.stat().st_mtime_ns, default=None)
    if newest is None:
        raise RunError(f"run=latest: no finished run below {' or '.join(RUN_ROOTS)}; train one, or give its folder")
    return RunFolder(newest.parent)


def find_unfinished(run: str) -> RunFolder:
    """Return a stopped run's folder by its path, or the newest one for "latest".

    Raises:
        RunError: there is none, or it is finished.
    """
    if run == "latest":
        starts = [file for root in RUN_ROOTS for file in Path(root).glob("**/start.json")]
        unfinished = [file for file in starts if not file.with_name("manifest.json").exists()]
        newest = max(unfinished, key=lambda file: file.stat().st_mtime_ns, default=None)
        if newest is None:
            raise RunError(f"run=latest: no stopped run below {' or '.join(RUN_ROOTS)}; give its folder")
        return RunFolder(newest.parent)
    folder = RunFolder(Path(run).expanduser())
    if not folder.path.is_dir():
        raise RunError(f"run={run}: no such folder")
    if folder.manifest.exists():
        raise RunError(f"run={run}: is finished; there is nothing to go on with")
    return folder


def _manifests() -> Iterator[Path]:
    for root in RUN_ROOTS:
        yield from Path(root).glob("**/manifest.json")


def contract(spec: DataSpec) -> dict[str, Any]:
    """Return what whoever runs the model must give it and gets from it."""
    image = {"colour": "RGB" if spec.shape[-1] == 3 else "grey", "range": [0, 255], "crop_margin": 0.0}
    return {
        "input": {"kind": spec.kind, "shape": list(spec.shape), **(image if spec.kind == "image" else {})},
        "output": {"target": spec.target, "classes": list(spec.classes), "points": spec.points},
    }


def deployed(passport: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's contract with what its dataset did to a face before: the crop's margin, the mesh's shape."""
    given, data = passport["contract"]["input"], passport["config"]["dataset"]
    if given["kind"] == "landmarks":
        return {**passport["contract"], "landmarks": data.get("shape", {})}
    return {**passport["contract"], "input": {**given, "crop_margin": float(data.get("margin", 0.0))}}


def fingerprint(samples: Samples) -> str:
    """Return a hash of all pixels and targets of a split, in order."""
    digest = hashlib.blake2b(digest_size=16)
    own = getattr(samples.source, "fingerprint", None)  # of a source that would have to decode all files for this
    for part in batched(len(samples), 1024):
        digest.update(own(samples.rows[part]) if own else np.ascontiguousarray(samples.inputs(part)).tobytes())
    digest.update(np.ascontiguousarray(samples.targets).tobytes())
    return digest.hexdigest()


def environment() -> dict[str, Any]:
    """Return the versions and the machine that a run came from."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": {"python": platform.python_version(), **versions},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "git": git(Path(__file__).parent),
        "code": code(),
    }


def code() -> str:
    """Return a hash of the package's own sources."""
    digest = hashlib.blake2b(digest_size=8)
    package = Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def git(folder: Path) -> dict[str, Any] | None:
    """Return the commit of a checkout and whether it has uncommitted changes; None outside one."""
    try:
        commit, status = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(status)}


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path of the same suffix beside `path`, which takes its place when all went well."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(partial)  # a failed write does not say where
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _number(value: str) -> Any:
    try:
        return float(value)
    except ValueError:
        return value
