"""From a finished run to gated files: convert, attach the contract, run, compare, report."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image, ImageFilter

from fer import artifact
from fer.base import DataSpec, Exporter, Passport, Samples
from fer.config import restore, settings
from fer.deployment import gate, noise, report
from fer.deployment.calibration import choose
from fer.deployment.convert import convert
from fer.deployment.metadata import attach, attach_onnx
from fer.deployment.operations import operations, too_new
from fer.device.contract import unpack
from fer.drawing import EXPRESSIONS, draw_face
from fer.errors import ConfigError, FerError, GateError
from fer.evaluation.judge import predict
from fer.nn.weights import load_network
from fer.runs.export import ExportRun
from fer.task import Task, task_of

log = logging.getLogger(__name__)

SEEN = 8
"""Inputs that the layers of a rejected file are compared on."""

QUESTIONS = 4
LARGEST_QUESTION = 64
"""Pixels of the side of a golden image at most."""


def export(run: ExportRun) -> list[gate.Verdict]:
    """Write a run in each format, judge each file, and leave a report.

    Raises:
        GateError: a file lost more than it may; it is kept under a name that says so.
        FerError: a mistake in the settings, the run or the data.
    """
    folder = artifact.find(run.run)
    passport = folder.passport()
    target = folder.path / "export"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".building-") as building:
        job = _Job(run, folder, passport, Path(building))
        verdicts, failures = [], {}
        for name, exporter in run.export.formats().items():
            try:
                verdicts.append(job.make(name, exporter))
            except FerError as error:
                if len(run.export.formats()) == 1:
                    raise
                failures[name] = str(error)
                log.warning("%s: %s", name, error)
        _time(verdicts, job.samples)
        for verdict in verdicts:
            _place(verdict, target, run.export.formats()[verdict.name])
    _report(run, folder, passport, job, verdicts, failures)
    rejected = [verdict for verdict in verdicts if not verdict.passed]
    if rejected or failures:
        raise GateError("; ".join([*map(report.rejection, rejected), *(f"{n}: {f}" for n, f in failures.items())]))
    return verdicts


class _Job:
    """What all formats of one export share: the network, the split that judges, and its answers there."""

    def __init__(self, run: ExportRun, folder: artifact.RunFolder, passport: dict[str, Any], building: Path) -> None:
        self.run, self.passport, self.building = run, passport, building
        dataset = restore("dataset", passport["recipes"]["dataset"], passport["config"]["dataset"], run.dataset)
        spec = dataset.spec()
        if artifact.contract(spec) != passport["contract"]:
            raise ConfigError(f"dataset: expected data as in the run's contract {passport['contract']}, got {spec}")
        self.split = passport["judged"] if run.gate.split == "judged" else run.gate.split
        self.task: Task = task_of(spec)
        self.train: Samples = dataset.load("train")
        self.samples: Samples = dataset.load(self.split)
        self.network = in_float32(load_network(folder.model))
        self.reference = predict(self.network, self.task, self.samples, batch_size=64)
        self.score = float(gate.scores(self.reference, self.samples.targets).mean())

    def make(self, name: str, exporter: Exporter) -> gate.Verdict:
        """Write one format and judge it."""
        started = datetime.now(UTC)
        calibration = None
        if exporter.calibrates:
            count, seed = exporter.calibration, exporter.seed  # type: ignore[attr-defined]
            calibration = choose(self.train, self.samples, count, seed)
        file = exporter.write(self.network, self.building / name, calibration)
        said = contract(self.run, self.passport, name, exporter)
        if file.suffix == ".tflite":
            attach(file, said, questions(self.task.spec, self.train))
        else:
            attach_onnx(file, said)
        verdict = gate.judge(name, file, self.task, self.samples, self.reference, self.run.gate)
        if file.suffix == ".tflite":
            new = too_new(operations(unpack(file).network))
            verdict.notes += [f"tflite-runtime 2.14 does not take {each}" for each in new]
            if not verdict.passed:
                verdict.layers = self.layers(file, exporter)
        seconds = (datetime.now(UTC) - started).total_seconds()
        log.info("%s", report.line(verdict, self.task, seconds))
        return verdict

    def layers(self, file: Path, exporter: Exporter) -> list[dict[str, Any]]:
        """Rank a file's layers against a float32 file of the same network."""
        plain = convert(exporter.counterpart(self.network), self.building / "plain")
        rows = np.linspace(0, len(self.train) - 1, min(SEEN, len(self.train))).astype(int)
        return noise.layers(plain, file, self.train.inputs(rows))


def contract(run: ExportRun, passport: Mapping[str, Any], name: str, exporter: Exporter) -> dict[str, Any]:
    """Return what a file says about itself."""
    commit = passport.get("git") or {"commit": "unknown", "dirty": False}
    target = passport["contract"]["output"]["target"]
    return {
        "task": "classification" if target == "classes" else "landmarks",
        **artifact.deployed(passport),
        "normalisation": "none outside the network: it takes values as the input's range says and scales them itself",
        **_landmarks(passport),
        "run": {
            "name": passport["name"],
            "commit": commit["commit"],
            "dirty": commit["dirty"],
            "weights_sha256": passport["weights_sha256"],
            "dataset": passport["recipes"]["dataset"],
            "model": passport["recipes"]["model"],
        },
        "licence": run.licence,
        "export": {"format": name, "integer": exporter.integer, **settings(exporter)},
    }


def _landmarks(passport: Mapping[str, Any]) -> dict[str, Any]:
    """Return which points of a face mesh a network takes, and how they are laid straight; nothing for images."""
    if passport["contract"]["input"]["kind"] != "landmarks":
        return {}
    return {
        "normalisation": "points as `landmarks` says: subset of the face mesh, centred, scaled, rotated",
    }


def questions(spec: DataSpec, train: Samples) -> np.ndarray:
    """Return golden inputs that are nobody's face: drawn ones, or landmarks of the data's mean and spread."""
    if spec.kind == "image":
        side = min(max(spec.shape[:2]), LARGEST_QUESTION)
        faces = [draw_face(EXPRESSIONS[n], side, np.random.default_rng(n), colour=True)[0] for n in range(QUESTIONS)]
        # without the drawings' noise, which would be a fifth of a small file
        calm = [Image.fromarray(face).filter(ImageFilter.MedianFilter(5)) for face in faces]
        return np.stack([np.asarray(face) // 32 * 32 for face in calm])
    some = train.inputs(slice(0, 512)).astype(np.float64)
    noise = np.random.default_rng(0).standard_normal((QUESTIONS, *spec.shape))
    return (some.mean(axis=0) + some.std(axis=0) * noise).astype(np.float32)


def in_float32(network: keras.Model) -> keras.Model:
    """Return the network computing in float32: one that was trained in mixed precision is full of casts."""
    config = _without_policy(network.get_config())
    if config == network.get_config():
        return network
    plain = network.__class__.from_config(config)
    plain.set_weights(network.get_weights())
    return plain


def _without_policy(node: Any) -> Any:
    if isinstance(node, dict):
        if str(node.get("config", {}).get("name") if node.get("class_name") == "DTypePolicy" else "").startswith(
            "mixed"
        ):
            return {**node, "config": {"name": "float32"}}
        return {key: _without_policy(value) for key, value in node.items()}
    return [_without_policy(each) for each in node] if isinstance(node, list) else node


def _time(verdicts: list[gate.Verdict], samples: Samples) -> None:
    found = gate.milliseconds({each.name: each.file for each in verdicts}, samples.inputs(0))
    for verdict in verdicts:
        verdict.milliseconds = found[verdict.name]


def _place(verdict: gate.Verdict, target: Path, exporter: Exporter) -> None:
    """Move a judged file to its place, under a name that says whether it may be used; remove an older one."""
    for old in target.glob(f"{verdict.name}*"):
        if old.stem in (verdict.name, f"{verdict.name}-rejected"):
            old.unlink()
    name = verdict.name if verdict.passed else f"{verdict.name}-rejected"
    beside = verdict.file.with_suffix(".json")
    if beside.exists():
        shutil.move(beside, target / f"{name}.json")
    verdict.file = Path(shutil.move(verdict.file, target / f"{name}{verdict.file.suffix}"))
    if verdict.passed:
        verdict.notes += exporter.finish(verdict.file)


def _report(
    run: ExportRun,
    folder: artifact.RunFolder,
    passport: dict[str, Any],
    job: _Job,
    verdicts: list[gate.Verdict],
    failures: dict[str, str],
) -> None:
    subject = report.Subject(
        name=passport["name"],
        task=job.task,
        split=job.split,
        samples=len(job.samples),
        score=job.score,
        bytes=folder.model.stat().st_size,
    )
    page = report.write(folder.path / "export", subject, verdicts, failures)
    name = f"{passport['name']}-export"
    tracked = Passport(folder=folder.path, name=name, config=passport["config"], environment=passport)
    best = next((each.file for each in verdicts if each.passed), folder.model)
    with run.tracker.track(tracked) as tracking:
        tracking.results(report.flat(verdicts), [page.with_name("gate.png")], best)
    log.info("%s", report.table(subject, verdicts))
    for verdict in verdicts:
        for note in verdict.notes:
            log.info("%s: %s", verdict.name, note)
    log.info("report in %s", page)
