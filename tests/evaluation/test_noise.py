import numpy as np
import pytest

from fer.base import Samples
from fer.errors import DataError
from fer.evaluation import noise

CLASSES = ("angry", "happy", "sad")


def planted(count: int = 600, wrong: int = 30) -> tuple[noise.OutOfSample, np.ndarray]:
    """Predictions of a good model for labels of which some were changed."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, count)
    probabilities = 0.05 + 0.85 * np.eye(3)[truth] + random.uniform(0, 0.05, (count, 3))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = truth.copy()
    changed = random.permutation(count)[:wrong]
    labels[changed] = (truth[changed] + 1) % 3
    return noise.OutOfSample(rows=np.arange(count), labels=labels, probabilities=probabilities), changed


def test_changed_labels_are_found_and_no_others():
    found, changed = planted()
    which = noise.suspects(found, CLASSES)
    assert set(which.tolist()) == set(changed.tolist())


def test_the_least_believed_come_first_with_what_they_should_be():
    found, _ = planted()
    which = noise.suspects(found, CLASSES)
    told = noise.describe(found, which, [f"face {i}" for i in range(600)], CLASSES)
    assert [each["p_given"] for each in told] == sorted(each["p_given"] for each in told)
    first = told[0]
    label = CLASSES.index(first["given"])
    assert first["suggested"] == CLASSES[(label - 1) % 3]
    assert first["name"] == f"face {first['row']}"
    counts = noise.count(found.labels, which, CLASSES)
    assert (counts["samples"], counts["suspects"]) == (600, 30)
    assert sum(each["suspects"] for each in counts["classes"].values()) == 30


def test_runs_are_joined_and_repeats_averaged():
    def samples(*rows: int) -> Samples:
        return Samples(
            source=np.zeros((9, 2, 2, 1), np.uint8), rows=np.array(rows), targets=np.array(rows) % 3, names=["x"] * 9
        )

    first = samples(4, 2), np.array([[1.0, 0, 0], [0, 1, 0]])
    second = samples(2, 7), np.array([[0, 0, 1.0], [0, 1, 0]])
    found = noise.gather([first, second])
    assert found.rows.tolist() == [2, 4, 7]
    assert found.labels.tolist() == [2, 1, 1]
    assert found.probabilities.tolist() == [[0, 0.5, 0.5], [1, 0, 0], [0, 1, 0]]


def test_a_class_without_samples_is_named():
    found, _ = planted()
    rows = found.labels != 2
    part = noise.OutOfSample(rows=found.rows[rows], labels=found.labels[rows], probabilities=found.probabilities[rows])
    with pytest.raises(DataError, match=r"^noise: class sad has no samples among the predictions; add folds$"):
        noise.suspects(part, CLASSES)
