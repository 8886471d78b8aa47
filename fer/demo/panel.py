"""Models that are asked about the same picture."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from fer.annotate import annotate
from fer.detection import Finder, Found, cut
from fer.errors import ConfigError, DataError
from fer.network import KerasNetwork, Network, open_network
from fer.predictor import Prediction, Predictor
from fer.runs.demo import DemoRun

KEPT = 4
"""Models that stay open; the one that was opened first is closed for another."""

EXPLAINED = 6
"""Faces of a picture at most that are shown one by one."""


@dataclass(frozen=True, kw_only=True)
class FaceAnswer:
    """What is shown of one face.

    Attributes:
        prediction: what the model says.
        crop: uint8 (height, width, 3), the face.
        heat: uint8 (height, width, 3), what spoke for the class over what the network was given; None where there is
            no Grad-CAM.
    """

    prediction: Prediction
    crop: np.ndarray
    heat: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model says of a picture.

    Attributes:
        model: its name.
        about: what it takes and gives, in words.
        picture: uint8 (height, width, 3) with boxes, classes, and points or mesh drawn.
        found: how many faces there are.
        faces: the largest of them.
        network: milliseconds of the network for each face.
        whole: milliseconds for each face: detector, crop and network; of a picture without one, the detector's.
        note: what else a visitor should know.
    """

    model: str
    about: str
    picture: np.ndarray
    found: int
    faces: list[FaceAnswer]
    network: float
    whole: float
    note: str = ""


class Panel:
    """Opens models when they are first asked, and asks one at a time: detectors and interpreters take one caller.

    While a model is being opened, those that are open answer.

    Args:
        models: by name.
        run: the detector and the backend.
    """

    def __init__(self, models: dict[str, Path], run: DemoRun) -> None:
        self.models, self._run = models, run
        self._opening, self._asking = Lock(), Lock()
        self._kept: dict[str, Predictor] = {}
        self._finders: dict[bool, Finder] = {}

    def __call__(self, picture: np.ndarray, names: Sequence[str], *, small: bool, explain: bool) -> list[Answer]:
        """Ask models about the faces of a picture.

        Args:
            picture: uint8 (height, width, 3), RGB.
            names: of the models.
            small: look for small faces too, which takes longer.
            explain: add Grad-CAM where the model has it.

        Raises:
            FerError: a model or the detector cannot be used.
        """
        predictors = [self._opened(name) for name in names]
        with self._asking:
            seen: dict[int, tuple[list[Found], float]] = {}
            for finder in {id(each.finder): each.finder for each in predictors}.values():
                began = time.perf_counter()
                finder.depth = 2 if small else 0
                seen[id(finder)] = finder(picture), time.perf_counter() - began
            return [
                _answer(name, each, picture, *seen[id(each.finder)], explain=explain)
                for name, each in zip(names, predictors, strict=True)
            ]

    def warm(self, name: str) -> None:
        """Open a model and the detector before anybody asks.

        Raises:
            FerError: it cannot be used.
        """
        self._opened(name)

    def close(self) -> None:
        """Free the detectors."""
        with self._asking:
            for finder in self._finders.values():
                finder.close()

    def _opened(self, name: str) -> Predictor:
        if name not in self.models:
            raise DataError(f"there is no model {name!r}; load the page again")
        kept = self._kept.get(name)
        if kept is None:
            with self._opening:
                kept = self._kept.get(name) or self._open(self.models[name])  # another visitor may have opened it
                self._kept[name] = kept
                if len(self._kept) > KEPT:
                    del self._kept[next(iter(self._kept))]
        return kept

    def _open(self, path: Path) -> Predictor:
        if path.suffix != ".tflite":
            self._run.runtime.apply(seed=0)
        network = _Timed(open_network(str(path)))
        network([network.nothing()])  # the first call of a network takes longer
        return Predictor(network, self._finder(network.contract["input"]["kind"] == "landmarks"))

    def _finder(self, needs_mesh: bool) -> Finder:
        """Return the detector that all models share; "none" looks for a mesh in the crop for those that need it."""
        own = needs_mesh and self._run.detector != "facemesh"
        if own not in self._finders:
            run = self._run
            try:
                finder = Finder(run.detector, run.detector_file, run.mesh, needs_mesh=own)
            except ConfigError as error:
                raise DataError(f"this model cannot be asked here: {error}") from error
            finder(np.full((64, 64, 3), 128, np.uint8))  # MediaPipe may not be imported while TensorFlow is
            self._finders[own] = finder
        return self._finders[own]


class _Timed:
    """A network that says how long it took the last time."""

    def __init__(self, network: Network) -> None:
        self.inner, self.name, self.contract, self.seconds = network, network.name, network.contract, 0.0

    def __call__(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        began = time.perf_counter()
        outputs = self.inner(inputs)
        self.seconds = time.perf_counter() - began
        return outputs

    def nothing(self) -> np.ndarray:
        """Return an input of zeros."""
        given = self.contract["input"]
        return np.zeros(given["shape"], np.uint8 if given["kind"] == "image" else np.float32)


def _answer(
    name: str, predictor: Predictor, picture: np.ndarray, found: list[Found], seconds: float, *, explain: bool
) -> Answer:
    began, network = time.perf_counter(), predictor.network
    predictions = predictor.predict([picture], [found])[0]
    whole, count = seconds + time.perf_counter() - began, max(1, len(found))
    assert isinstance(network, _Timed)
    shown = list(zip(found, predictions, strict=True))[:EXPLAINED]
    heat, note = _heat(predictor, picture, shown) if explain and found else ([None] * len(shown), "")
    mesh = predictor.family == "landmarks"
    drawn = annotate(picture, [(None, replace(each, probabilities={})) for each in predictions], mesh)
    return Answer(
        model=name,
        about=_about(predictor),
        picture=drawn,
        found=len(found),
        faces=[
            FaceAnswer(prediction=each, crop=_crop(predictor, picture, box), heat=spoke)
            for (box, each), spoke in zip(shown, heat, strict=True)
        ],
        network=1000 * network.seconds / count if found else 0.0,
        whole=1000 * whole / count,
        note=note,
    )


def _about(predictor: Predictor) -> str:
    given, got = predictor.network.contract["input"], predictor.network.contract["output"]
    shape = given["shape"]
    takes = f"{shape[1]}x{shape[0]} {given['colour']}" if given["kind"] == "image" else f"{shape[0]} points of the mesh"
    gives = f"{len(got['classes'])} classes" if got["target"] == "classes" else f"{got['points']} points"
    return f"{gives} from {takes}"


def _crop(predictor: Predictor, picture: np.ndarray, found: Found) -> np.ndarray:
    """Return the face; with its mesh or not, all of them are cut as for a network of images."""
    if predictor.finder.kind == "none":
        return picture
    return cut(picture, found.box, predictor.finder.kind, "classes", 0.1)[0]


def _heat(
    predictor: Predictor, picture: np.ndarray, shown: Sequence[tuple[Found, Prediction]]
) -> tuple[list[np.ndarray | None], str]:
    """Return Grad-CAM over what the network was given for each face, and why there is none."""
    assert isinstance(predictor.network, _Timed)
    network = predictor.network.inner
    if not isinstance(network, KerasNetwork) or predictor.family != "classes":
        return [None] * len(shown), "Grad-CAM needs a run whose network takes images and gives classes."
    from fer.evaluation.explain import grad_cam

    inputs = np.stack(predictor.inputs(picture, [found for found, _ in shown]))
    classes = np.array([predictor.classes.index(each.label) for _, each in shown])
    try:
        maps = grad_cam(network.model, inputs, classes)
    except ValueError as error:
        return [None] * len(shown), f"No Grad-CAM: {error}."
    return [_over(given, each) for given, each in zip(inputs, maps, strict=True)], ""


def _over(given: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map over a grey picture, enlarged so that it can be seen."""
    grey = cv2.resize(given.mean(axis=-1).astype(np.uint8), (192, 192), interpolation=cv2.INTER_CUBIC)
    large = cv2.resize(heat, (192, 192), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap((255 * large).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return (0.5 * grey[..., None] + 0.5 * colours).astype(np.uint8)
