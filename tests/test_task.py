import numpy as np
import pytest

from fer.base import DataSpec
from fer.task import Classification, LandmarkRegression, task_of

CLASSES = DataSpec(name="test", kind="image", shape=(48, 48, 1), classes=("a", "b", "c"))
POINTS = DataSpec(name="test", kind="image", shape=(20, 40, 1), points=2, mirror=(1, 0))  # 20 high, 40 wide


def test_the_data_chooses_the_task():
    assert type(task_of(CLASSES)) is Classification
    assert type(task_of(POINTS)) is LandmarkRegression
    assert (task_of(CLASSES).score, task_of(CLASSES).mode) == ("accuracy", "max")
    assert (task_of(POINTS).score, task_of(POINTS).mode) == ("nme", "min")


def test_labels_become_one_hot_rows():
    encoded = task_of(CLASSES).encode(np.array([2, 0]))
    np.testing.assert_array_equal(encoded, [[0, 0, 1], [1, 0, 0]])
    assert encoded.dtype == np.float32


def test_probabilities_stay_as_they_are():
    outputs = np.array([[0.2, 0.3, 0.5]], np.float32)
    assert task_of(CLASSES).decode(outputs) is outputs


def test_points_become_shares_of_the_image_around_its_centre():
    corners = np.array([[[0, 0], [40, 20]], [[20, 10], [30, 5]]], np.float32)
    encoded = task_of(POINTS).encode(corners)
    np.testing.assert_array_equal(encoded, [[-0.5, -0.5, 0.5, 0.5], [0, 0, 0.25, -0.25]])
    assert encoded.dtype == np.float32


def test_points_come_back():
    points = np.random.default_rng(0).uniform(-5, 45, (6, 2, 2)).astype(np.float32)
    task = task_of(POINTS)
    np.testing.assert_allclose(task.decode(task.encode(points)), points, atol=1e-5)


@pytest.mark.parametrize(("spec", "names"), [(CLASSES, ["accuracy"]), (POINTS, ["nme"])])
def test_the_score_is_among_the_metrics(spec, names):
    assert [metric.name for metric in task_of(spec).metrics()] == names


def test_accuracy_is_that_of_the_likeliest_class():
    task = task_of(CLASSES)
    [metric] = task.metrics()
    metric.update_state(task.encode(np.array([0, 1, 2, 2])), np.eye(3, dtype=np.float32)[[0, 2, 2, 2]])
    assert float(metric.result()) == 0.75
