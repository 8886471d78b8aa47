"""Image augmentation by albumentations, written in YAML."""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer.base import Augment, Augmentation, DataSpec
from fer.errors import ConfigError, did_you_mean


@dataclass(kw_only=True)
class Albumentations(Augmentation):
    """A chain of albumentations transforms (Buslaev et al. 2020), applied to image and points together.

    Attributes:
        transforms: in order, each a name and its arguments: `- Affine: {rotate: [-10, 10], p: 0.8}`. Names, arguments
            and their values are checked against the installed library when the config is loaded.
    """

    transforms: list[dict[str, Any]]

    def __post_init__(self) -> None:
        """Check every transform by building it."""
        if self.transforms:
            self._transforms()

    def kinds(self) -> tuple[str, ...]:
        """Return images, and with no transforms anything."""
        return ("image",) if self.transforms else ("image", "landmarks")

    def build(self, spec: DataSpec) -> Augment | None:
        """Return the function that changes one batch, or None without transforms."""
        if not self.transforms:
            return None
        if spec.kind != "image":
            raise ConfigError(f"augmentation: expected none, since {spec.name} has {spec.kind}, not images")
        for index, transform in enumerate(self._transforms()):
            _rehearse(f"transforms[{index}]", transform, spec)
        return _Batch(self._transforms, np.array(spec.mirror, np.int64))

    def _transforms(self) -> list[Any]:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for a newer version otherwise
        try:
            import albumentations
        except ImportError as error:  # OpenCV without the libraries of a desktop
            raise ConfigError(
                f"augmentation: albumentations cannot be imported ({error}); on Debian and Ubuntu "
                "`apt-get install libgl1 libglib2.0-0` brings what OpenCV needs, or choose augmentation=none"
            ) from error
        return [_transform(albumentations, index, entry) for index, entry in enumerate(self.transforms)]


def _transform(library: Any, index: int, entry: dict[str, Any]) -> Any:
    where = f"transforms[{index}]"
    if len(entry) != 1:
        raise ConfigError(f"{where}: expected one name with its arguments, got {entry}")
    [(name, arguments)] = entry.items()
    kind = getattr(library, name, None)
    if not (isinstance(kind, type) and issubclass(kind, library.BasicTransform)):
        known = [each for each in dir(library) if isinstance(getattr(library, each), type)]
        raise ConfigError(f"{where}: albumentations has no transform {name!r}{did_you_mean(name, known)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in (arguments or {}).items()}
    known = list(inspect.signature(kind).parameters)
    for key in values:
        if key not in known:
            raise ConfigError(f"{where}: {name} takes no {key!r}{did_you_mean(key, known)} (known: {', '.join(known)})")
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if "further information" not in line]
        raise ConfigError(f"{where}: {name}: {' '.join(lines)}") from error


def _rehearse(where: str, transform: Any, spec: DataSpec) -> None:
    """Try a transform on one blank image, so that one that does not fit the data fails before the training starts."""
    batch = _Batch(lambda: [transform], np.array(spec.mirror, np.int64))
    transform.p = 1.0
    image, points = np.zeros(spec.shape, np.uint8), np.full((spec.points, 2), spec.shape[0] / 2, np.float32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of points that a change of colours alone has no use for
            batch(image[np.newaxis], points[np.newaxis], 0)
    except Exception as error:  # whatever a transform of the library raises
        name, reason = type(transform).__name__, " ".join(str(error).split())[:200]
        raise ConfigError(f"augmentation.{where}: {name} does not fit images of {spec.shape}: {reason}") from error


class _Batch:
    """The Augment of a chain: a compose for each thread, since one keeps its random state."""

    def __init__(self, transforms: Any, mirror: np.ndarray) -> None:
        self.transforms = transforms
        self.mirror = mirror
        self.local = threading.local()

    def __call__(self, inputs: np.ndarray, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        compose = self._compose()
        compose.set_random_seed(seed)
        changed = np.empty_like(inputs)
        if not len(self.mirror):
            for index, image in enumerate(inputs):
                changed[index] = _same(image, compose(image=image)["image"])
            return changed, targets
        moved = np.empty_like(targets)
        for index, (image, points) in enumerate(zip(inputs, targets, strict=True)):
            picture, its_points = self._with_points(compose, image, points)
            changed[index], moved[index] = _same(image, picture), _same(points, its_points)
        return changed, moved

    def _compose(self) -> Any:
        if not hasattr(self.local, "compose"):
            import albumentations

            points = albumentations.KeypointParams(format="xy", remove_invisible=False) if len(self.mirror) else None
            self.local.compose = albumentations.Compose(self.transforms(), keypoint_params=points)
        return self.local.compose

    def _with_points(self, compose: Any, image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change image and points; three markers beside them tell whether the face came out mirrored."""
        height, width = image.shape[:2]
        markers = np.array([[0, 0], [width, 0], [0, height]], np.float32)
        half = np.float32(0.5)  # 0 is the centre of the first pixel to albumentations, and its corner in our points
        changed = compose(image=image, keypoints=np.concatenate([points, markers]) - half)
        moved = np.asarray(changed["keypoints"], np.float32) + half
        origin, right, down = moved[-3:]
        (ax, ay), (bx, by) = right - origin, down - origin
        moved = moved[:-3]
        return changed["image"], moved[self.mirror] if ax * by < ay * bx else moved


def _same(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Demand that a transform kept size and type, which the batch's array would otherwise hide."""
    if after.shape != before.shape or after.dtype != before.dtype:
        raise ValueError(f"expected {before.dtype} {before.shape}, got {after.dtype} {after.shape}")
    return after
