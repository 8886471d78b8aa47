"""From a face to its label or its points, as the file's contract says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer.device.runner import Kernels, open_model
from fer.errors import ModelError


@dataclass(frozen=True)
class Answer:
    """What a network says of one face.

    Attributes:
        outputs: float32 (outputs,), as the network gives them.
        label: the likeliest class; empty where points are predicted.
        confidence: its probability.
        points: float32 (points, 2), pixels (x, y) of the image that was given; empty where classes are predicted.
    """

    outputs: np.ndarray
    label: str
    confidence: float
    points: np.ndarray


class Model:
    """An exported file with its contract.

    Args:
        path: the .tflite file.
        contract: for a file without one of ours: "input" and "output" as in a contract; None reads the file's own.
        threads: of the runtime.
        kernels: that compute an integer network (see fer.device.runner.Runner).

    Raises:
        ModelError: the file cannot be used, or has no contract and none was given.
    """

    def __init__(
        self, path: Path, contract: dict[str, Any] | None = None, *, threads: int = 1, kernels: Kernels = "own"
    ) -> None:
        packed, self.runner = open_model(path, threads=threads, kernels=kernels)
        whole = contract or packed.contract
        if whole is None:
            raise ModelError(
                f"{path}: says nothing about its input and its classes; say it: --labels angry,happy "
                "--colour RGB|BGR|grey (and --range -1,1 where pixels are scaled outside the network)"
            )
        self.path, self.packed, self.contract = path, packed, whole
        self.classes: list[str] = whole["output"]["classes"]
        _check(path, whole, self.runner.input.shape[1:], self.runner.output.shape[1:])

    def __call__(self, image: np.ndarray) -> Answer:
        """Answer for one face: uint8 RGB (height, width, 3) of any size, or landmarks as the contract has them."""
        return self.answer(self.runner(self.prepare(image)), image.shape)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Turn a face into the network's input: size, colour order and range."""
        given = self.contract["input"]
        if given["kind"] == "landmarks":
            return image
        height, width, _ = given["shape"]
        return in_range(in_colour(resized(image, height, width), given["colour"]), given["range"])

    def answer(self, outputs: np.ndarray, shape: tuple[int, ...]) -> Answer:
        """Give the network's outputs their meaning; `shape` is that of the image they belong to."""
        if self.contract["output"]["target"] == "points":
            size = np.array([shape[1], shape[0]], np.float32)
            return Answer(outputs, "", 0.0, (outputs.reshape(-1, 2) + np.float32(0.5)) * size)
        best = int(outputs.argmax())
        return Answer(outputs, self.classes[best], float(outputs[best]), np.empty((0, 2), np.float32))


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 pixels, with averaging where the image becomes smaller."""
    if image.shape[:2] == (height, width):
        return image
    import cv2

    smaller = image.shape[0] > height or image.shape[1] > width
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def in_colour(image: np.ndarray, colour: str) -> np.ndarray:
    """Turn uint8 RGB (height, width, 3) into (height, width, channels) of "RGB", "BGR" or "grey"."""
    if colour == "RGB":
        return image
    if colour == "BGR":
        return image[..., ::-1]
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]


def in_range(image: np.ndarray, limits: list[float]) -> np.ndarray:
    """Scale 0 to 255 to [low, high]; nothing is done where it is that already, as in every file of ours."""
    low, high = limits
    return (
        image
        if (low, high) == (0, 255)
        else image.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    )


def _check(path: Path, contract: dict[str, Any], inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    """Demand that contract and network speak of the same shapes."""
    given, got = contract["input"], contract["output"]
    if tuple(given["shape"]) != inputs:
        raise ModelError(f"{path}: its contract says input {tuple(given['shape'])}, the network takes {inputs}")
    if given["kind"] == "image" and given.get("colour") not in ("RGB", "BGR", "grey"):
        raise ModelError(f"{path}: colour: expected RGB, BGR or grey, got {given.get('colour')!r}")
    if given["kind"] == "image" and inputs[-1] != (1 if given["colour"] == "grey" else 3):
        raise ModelError(f"{path}: its contract says {given['colour']}, the network takes {inputs[-1]} channels")
    count = 2 * got["points"] if got["target"] == "points" else len(got["classes"])
    if int(np.prod(outputs)) != count:
        raise ModelError(
            f"{path}: expected a network of {count} outputs, as in its contract, got {int(np.prod(outputs))}"
        )
