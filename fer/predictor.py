"""The Python API: a trained run or an exported file that is asked about images."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer.detection import Finder, Found, cut
from fer.device.faces import Box
from fer.device.model import in_colour, in_range, resized
from fer.errors import DataError
from fer.landmarks import Face, FaceMesh
from fer.mesh_shape import Shape, prepare
from fer.network import Network, open_network

LARGEST = 89_000_000
"""Pixels of an image at most: 267 MB when decoded. Pillow warns from a little more on."""

Image = np.ndarray | str | Path | bytes
"""uint8 (height, width, 3) RGB or (height, width) grey, or the path or the content of an image file."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is said of one face.

    Attributes:
        box: x, y, width and height of the face in pixels of the image, as the detector found it.
        label: the likeliest class; empty where the network predicts points.
        confidence: its probability, in [0, 1].
        probabilities: of each class, in the network's order; empty where it predicts points.
        points: float32 (points, 2), pixels of the image: what the network predicts; empty where it predicts classes.
        mesh: the face mesh that the face was found with, or None.
    """

    box: Box
    label: str = ""
    confidence: float = 0.0
    probabilities: dict[str, float] = field(default_factory=dict)
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.float32))
    mesh: Face | None = None


class Predictor:
    """Finds the faces of an image, and says what a network sees in them.

    Attributes:
        classes: of the network, in its order; empty where it predicts points.
        family: "classes" (of images), "landmarks" (classes of face meshes) or "points" (of images).

    Example:
        >>> from fer import Predictor
        >>> with Predictor.load("run", detector="none") as p:  # a run folder, or a .tflite file
        ...     face = p.classify("face.png")
        ...     faces = p("face.png")
        >>> face.label in p.classes, round(sum(face.probabilities.values()), 3)
        (True, 1.0)
        >>> [each.box.width for each in faces]
        [256]
    """

    def __init__(self, network: Network, finder: Finder, margin: float | None = None) -> None:
        """Put the two together; `margin` in place of the one that the network was trained with."""
        self.network, self.finder = network, finder
        given, got = network.contract["input"], network.contract["output"]
        self._given, self.classes = given, tuple(got["classes"])
        self.family = "landmarks" if given["kind"] == "landmarks" else got["target"]
        self._margin = float(given.get("crop_margin", 0.0)) if margin is None else margin
        if self.family == "landmarks" and not network.contract.get("landmarks"):
            raise DataError(f"{network.name}: does not say how its landmarks are prepared; export the run again")

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        detector: str = "facemesh",
        detector_file: str | None = None,
        mesh: FaceMesh | None = None,
        margin: float | None = None,
    ) -> "Predictor":
        """Open a run folder, "latest", or a .tflite file.

        Args:
            path: of it; None for the network that comes with the repository.
            detector: "facemesh"; "haar" or "yunet" of OpenCV; or "none", for images that are face crops.
            detector_file: YuNet's .onnx file, or another cascade's .xml.
            mesh: settings of the face mesh; None for those of conf/mesh/facemesh.yaml, with up to 50 faces.
            margin: around a face's box on each side, as a share of its longer side; None for that of the training.

        Raises:
            FerError: the run, the file or the detector cannot be used; it says why.
        """
        if mesh is None:
            from fer.config import compose

            mesh = compose("predict").mesh
        assert mesh is not None
        network = open_network(None if path is None else str(path))
        needs = network.contract["input"]["kind"] == "landmarks"
        return cls(network, Finder(detector, detector_file, mesh, needs_mesh=needs), margin)

    def __call__(self, image: Image) -> list[Prediction]:
        """Find the faces of an image and predict each, largest first.

        Raises:
            DataError: the file cannot be read as an image, or is too large.
        """
        pixels = read(image)
        return self.predict([pixels], [self.finder(pixels)])[0]

    def classify(self, crop: Image) -> Prediction:
        """Predict one face crop as it is; a network of landmarks looks for the mesh in it.

        Raises:
            DataError: the file cannot be read as an image, is too large, or there is no mesh in it.
        """
        pixels = read(crop)
        height, width = pixels.shape[:2]
        mesh = None
        if self.family == "landmarks":
            meshes = self.finder(pixels)
            if not meshes:
                raise DataError("no face is found in this crop, so there are no landmarks to classify")
            mesh = meshes[0].mesh
        outputs = self.network([self._input(pixels, mesh)])[0]
        found = Found(box=Box(0, 0, width, height), mesh=mesh)
        return self._prediction(outputs, found, np.zeros(2, np.float32), (width, height))

    def predict(self, images: Sequence[np.ndarray], found: Sequence[Sequence[Found]]) -> list[list[Prediction]]:
        """Predict the faces of several images in one batch.

        Args:
            images: uint8 (height, width, 3) each, RGB.
            found: the faces of each.
        """
        jobs = [self._job(image, each) for image, faces in zip(images, found, strict=True) for each in faces]
        outputs = iter(self.network([job[0] for job in jobs]) if jobs else ())
        places = iter(jobs)
        return [[self._prediction(next(outputs), each, *next(places)[1:]) for each in faces] for faces in found]

    def inputs(self, image: np.ndarray, found: Sequence[Found]) -> list[np.ndarray]:
        """Return what the network is given for each face of an image, uint8 (height, width, 3) in RGB."""
        return [self._job(image, each)[0] for each in found]

    def _job(self, image: np.ndarray, found: Found) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Return the network's input, and the corner and the size of the square that it shows."""
        if self.family == "landmarks":
            return self._input(image, found.mesh), np.zeros(2, np.float32), (1, 1)
        if self.finder.kind == "none":
            return self._input(image, None), np.zeros(2, np.float32), (image.shape[1], image.shape[0])
        pixels, corner = cut(image, found.box, self.finder.kind, self.family, self._margin)
        return self._input(pixels, None), corner, (pixels.shape[1], pixels.shape[0])

    def _input(self, pixels: np.ndarray, mesh: Face | None) -> np.ndarray:
        if mesh is not None and self.family == "landmarks":
            return prepare(mesh.points[None], np.array([mesh.pose]), Shape(**self.network.contract["landmarks"]))[0]
        height, width, _ = self._given["shape"]
        return in_range(in_colour(resized(pixels, height, width), self._given["colour"]), self._given["range"])

    def _prediction(self, outputs: np.ndarray, found: Found, corner: np.ndarray, size: tuple[int, int]) -> Prediction:
        if self.family == "points":
            points = (outputs.reshape(-1, 2) + np.float32(0.5)) * np.array(size, np.float32) + corner
            return Prediction(box=found.box, points=points, mesh=found.mesh)
        probabilities = dict(zip(self.classes, outputs.tolist(), strict=True))
        label = self.classes[int(outputs.argmax())]
        return Prediction(
            box=found.box, label=label, confidence=probabilities[label], probabilities=probabilities, mesh=found.mesh
        )

    def close(self) -> None:
        """Free the detector."""
        self.finder.close()

    def __enter__(self) -> "Predictor":
        """Return the predictor."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def read(image: Any, largest: int = LARGEST) -> np.ndarray:
    """Return an image as uint8 (height, width, 3), RGB: an array's own pixels, or a decoded file (the first picture).

    Raises:
        DataError: the file is no image, damaged, or of more than `largest` pixels; nothing is decoded of such a one.
        ValueError: an array is of another shape or type.
    """
    if isinstance(image, bytes):
        return _decoded(io.BytesIO(image), "this picture", largest)
    if not isinstance(image, np.ndarray):
        file = Path(image).expanduser()
        if not file.is_file():
            raise DataError(f"{file}: no such file")
        return _decoded(str(file), str(file), largest)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"expected a uint8 image (height, width, 3) in RGB, got {image.dtype} {image.shape}")
    return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2) if image.size == np.prod(image.shape[:2]) else image


def _decoded(file: str | io.BytesIO, name: str, largest: int) -> np.ndarray:
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    from fer.images import read_image

    try:
        with Pillow.open(file) as opened:  # reads the header alone
            width, height = opened.size
        if width * height > largest:
            raise DataError(
                f"{name}: {width}x{height} pixels are too many (at most {largest:,}); make it smaller first"
            )
        return np.asarray(read_image(file, colour=True))
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise DataError(f"{name}: more than {largest:,} pixels; make it smaller first") from None
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        reason = "no known format" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{name}: cannot be read as an image ({reason}); is it damaged?") from error
