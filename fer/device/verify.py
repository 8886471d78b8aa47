"""Prove that a file still is what was exported: it is asked again what it was asked then, and must answer the same."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from fer.device.contract import LARGEST, Packed, unpack
from fer.device.model import Model
from fer.device.runner import probe
from fer.errors import ModelError

TOLERANCE = {True: 0.0, False: 1e-3}
"""Largest difference of an output: none for a network of integers, rounding for one of floats."""

KEPT = ("input", "output")
"""The parts of a contract that decide an answer; golden.json keeps a second copy of them."""


def golden(model: Model, inputs: np.ndarray) -> dict[str, bytes]:
    """Ask a model, and return the files that remember its answers.

    Args:
        model: an exported file with its contract.
        inputs: uint8 RGB (n, height, width, 3), or landmarks (n, points, dimensions).
    """
    answers = [model(each) for each in inputs]
    record = {
        **{part: model.contract[part] for part in KEPT},
        "labels": [answer.label for answer in answers],
        "outputs": [[float(value) for value in answer.outputs.ravel()] for answer in answers],
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, inputs=inputs)
    return {"golden.json": json.dumps(record).encode(), "golden.npz": stream.getvalue()}


def verify(path: Path) -> tuple[int, float]:
    """Check a file against its own record.

    Returns:
        How many inputs were asked again, and the largest difference of an output.

    Raises:
        ModelError: labels, preprocessing, contract, network or answers are not those of the export; it says which.
    """
    packed = unpack(path)
    contract = packed.contract
    if contract is None:
        raise ModelError(
            f"{path}: has no contract of ours, so there is nothing to verify; was it exported by export.py?"
        )
    record = packed.json("golden.json")
    _compare_texts(path, packed, contract, record)
    probe(path)
    model = Model(path, kernels="reference")
    worst = 0.0
    inputs = _inputs(packed)
    if not len(inputs) == len(record["labels"]) == len(record["outputs"]) > 0:
        raise ModelError(f"{path}: expected an answer for each golden input, got {len(record['labels'])}; export again")
    for number, given in enumerate(inputs):
        answer, expected = model(given), np.asarray(record["outputs"][number], np.float32)
        label = record["labels"][number]
        if answer.label != label:
            raise ModelError(f"{path}: golden input {number}: expected {label!r} as at export, got {answer.label!r}")
        worst = max(worst, float(np.abs(answer.outputs.ravel() - expected).max()))
    allowed = TOLERANCE[contract["export"]["integer"]]
    if not worst <= allowed:
        raise ModelError(f"{path}: answers differ from those at export by up to {worst:.4g} (allowed: {allowed:.4g})")
    return len(inputs), worst


def _compare_texts(path: Path, packed: Packed, contract: dict[str, Any], record: dict[str, Any]) -> None:
    """Compare the three places that say what the file takes and gives: contract, golden record, files beside it."""
    for part in KEPT:
        was, now = record.get(part, {}), contract[part]
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                raise ModelError(f"{path}: {part} {key} was changed: exported with {was.get(key)}, now {now.get(key)}")
    labels = packed.files.get("labels.txt", b"").decode(errors="replace").split("\n")[:-1]
    if labels != contract["output"]["classes"]:
        raise ModelError(f"{path}: labels.txt was changed: expected {contract['output']['classes']}, got {labels}")
    beside = path.with_suffix(".json")
    if beside.exists():
        try:
            same = json.loads(beside.read_text(encoding="utf-8")) == contract
        except ValueError:
            same = False
        if not same:
            raise ModelError(f"{beside}: was changed: it is not the contract inside {path.name}")


def _inputs(packed: Packed) -> np.ndarray:
    try:
        with np.load(io.BytesIO(packed.files["golden.npz"]), allow_pickle=False) as arrays:
            if arrays.zip.getinfo("inputs.npy").file_size > LARGEST:
                raise ValueError("too large")
            return arrays["inputs"]
    except Exception as error:  # NumPy raises many kinds for damaged files
        raise ModelError(f"{packed.path}: golden.npz is missing or damaged ({error}); export the run again") from error
