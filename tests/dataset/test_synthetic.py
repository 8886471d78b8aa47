import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.base import SPLITS
from fer.dataset.synthetic import Synthetic
from fer.drawing import EXPRESSIONS, MIRROR
from fer.errors import ConfigError


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Synthetic]:
    def make(**changes: object) -> Synthetic:
        settings = {
            "size": 32,
            "colour": False,
            "input": "image",
            "target": "classes",
            "train": 21,
            "validation": 14,
            "test": 7,
        }
        return Synthetic(**(settings | {"seed": 0, "cache": str(tmp_path / "cache")} | changes))  # type: ignore[arg-type]

    return make


def test_faces_of_every_class(dataset: Callable[..., Synthetic]) -> None:
    train = dataset().load("train")

    assert train.inputs(slice(None)).shape == (21, 32, 32, 1)
    assert train.inputs(0).dtype == np.uint8
    assert train.targets.dtype == np.int64
    assert np.bincount(train.targets).tolist() == [3] * 7
    assert train.name(3) == "synthetic train face 3 (happy)"
    assert isinstance(train.source, np.memmap)


def test_points(dataset: Callable[..., Synthetic]) -> None:
    made = dataset(target="points", colour=True)
    train = made.load("train")

    assert train.inputs(0).shape == made.spec().shape == (32, 32, 3)
    assert train.targets.shape == (21, 68, 2)
    assert train.targets.dtype == np.float32
    assert train.targets.min() >= 0
    assert train.targets.max() <= 32
    assert (made.spec().points, made.spec().mirror, made.spec().classes) == (68, MIRROR, ())


def test_points_as_inputs(dataset: Callable[..., Synthetic]) -> None:
    made = dataset(input="landmarks")
    train = made.load("train")

    assert (made.spec().kind, made.spec().shape, made.spec().mirror) == ("landmarks", (68, 2), MIRROR)
    faces = train.inputs(slice(None))
    assert (faces.dtype, faces.shape, train.targets.tolist()[:3]) == (np.float32, (21, 68, 2), [0, 1, 2])
    np.testing.assert_allclose(faces[:, 36] + faces[:, 45], 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(faces[:, 45] - faces[:, 36], axis=1), 1, atol=1e-6)


def test_the_spec_draws_nothing(tmp_path: Path, dataset: Callable[..., Synthetic]) -> None:
    spec = dataset().spec()

    assert (spec.name, spec.kind, spec.shape, spec.classes) == ("synthetic", "image", (32, 32, 1), EXPRESSIONS)
    assert not (tmp_path / "cache").exists()


def test_splits_are_different_faces(dataset: Callable[..., Synthetic]) -> None:
    splits = [dataset().load(split) for split in SPLITS]

    assert [len(samples) for samples in splits] == [21, 14, 7]
    faces = {samples.inputs(row).tobytes() for samples in splits for row in range(len(samples))}
    assert len(faces) == 21 + 14 + 7


def test_a_split_keeps_its_faces_when_sizes_change(dataset: Callable[..., Synthetic]) -> None:
    before, after = dataset(), dataset(train=28, validation=7)

    np.testing.assert_array_equal(before.load("test").inputs(slice(None)), after.load("test").inputs(slice(None)))
    np.testing.assert_array_equal(before.load("train").inputs(slice(21)), after.load("train").inputs(slice(21)))


def test_the_seed_makes_other_faces(dataset: Callable[..., Synthetic]) -> None:
    assert (dataset().load("test").inputs(0) != dataset(seed=1).load("test").inputs(0)).any()


def test_a_split_is_drawn_once(tmp_path: Path, dataset: Callable[..., Synthetic]) -> None:
    dataset().load("test")
    (folder,) = (tmp_path / "cache").iterdir()
    before = (folder / "inputs.npy").stat().st_mtime_ns

    dataset(train=700).load("test")

    assert list((tmp_path / "cache").iterdir()) == [folder]
    assert (folder / "inputs.npy").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"size": 10}, "size: expected a value from 24 to 512, got 10"),
        ({"target": "point"}, "target: expected one of classes, points, got 'point'; did you mean 'points'?"),
        ({"input": "points"}, "input: expected one of image, landmarks, got 'points'"),
        (
            {"input": "landmarks", "target": "points"},
            "target: expected classes with input=landmarks, got 'points'",
        ),
        ({"validation": 3}, "validation: expected 7 or more, got 3"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
    ],
)
def test_settings_out_of_range(dataset: Callable[..., Synthetic], change: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        dataset(**change)
