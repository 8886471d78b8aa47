import numpy as np
import pytest

from fer.base import Samples
from fer.deployment.calibration import choose
from fer.errors import ConfigError


def samples(labels: list[int], start: int = 0) -> Samples:
    """Images that all differ; those of two calls overlap where their numbers do."""
    images = np.arange(start, start + len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones(
        (1, 4, 4, 1), np.uint8
    )
    return Samples(source=images, rows=np.arange(len(labels)), targets=np.array(labels), names=[""] * len(labels))


def numbers(chosen: np.ndarray) -> list[int]:
    return chosen[:, 0, 0, 0].tolist()


def test_classes_come_in_equal_numbers_while_they_last():
    train = samples([0] * 80 + [1] * 30 + [2] * 10)
    chosen = numbers(choose(train, samples([0], start=200), 60, seed=1))
    counts = np.bincount(train.targets[chosen])
    assert counts.tolist() == [25, 25, 10]
    assert len(set(chosen)) == 60
    assert numbers(choose(train, samples([0], start=200), 60, seed=1)) == chosen
    assert numbers(choose(train, samples([0], start=200), 60, seed=2)) != chosen


def test_exact_copies_of_judged_images_are_passed_over():
    train, judged = samples([0, 1] * 50), samples([0] * 40, start=10)
    assert numbers(choose(train, judged, 100, seed=0)) == [*range(10), *range(50, 100)]


def test_the_split_that_judges_cannot_calibrate():
    split = samples([0, 1] * 50)
    with pytest.raises(ConfigError) as caught:
        choose(split, split, 50, seed=0)
    assert str(caught.value) == (
        "export.calibration: expected 32 or more training samples, got 0 of 100; 100 are also in the split that judges "
        "the file, which may not calibrate it"
    )


def test_too_few_samples_are_refused():
    with pytest.raises(ConfigError, match=r"^export.calibration: expected 32 or more training samples, got 20 of 20$"):
        choose(samples([0] * 20), samples([0], start=100), 50, seed=0)


def test_points_and_soft_labels_are_drawn_too():
    base = samples([0] * 50)
    points = Samples(source=base.source, rows=base.rows, targets=np.zeros((50, 68, 2), np.float32), names=base.names)
    soft = Samples(source=base.source, rows=base.rows, targets=np.eye(2)[[0] * 25 + [1] * 25], names=base.names)
    judged = samples([0], start=100)
    assert len(choose(points, judged, 32, seed=0)) == 32
    assert (np.array(numbers(choose(soft, judged, 32, seed=0))) < 25).sum() == 16
