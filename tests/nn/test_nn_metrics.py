import keras
import numpy as np
import pytest

from fer.base import DataSpec
from fer.drawing import MIRROR, draw_face
from fer.evaluation.points import landmarks
from fer.nn.metrics import NormalisedMeanError
from fer.task import task_of

SPEC = DataSpec(name="test", kind="image", shape=(64, 64, 1), points=68, mirror=MIRROR)


def faces(count: int) -> np.ndarray:
    return np.stack([draw_face("happy", 64, np.random.default_rng(number))[1] for number in range(count)])


def test_nme_of_a_shift_is_its_length_over_the_distance_of_the_eyes():
    truth = np.zeros((1, 68, 2), np.float32)
    truth[0, 45] = (10, 0)  # 36 is at the origin
    metric = NormalisedMeanError(name="nme")
    metric.update_state(truth.reshape(1, -1), (truth + np.float32([3, 4])).reshape(1, -1))
    assert float(metric.result()) == pytest.approx(0.5)


def test_nme_agrees_with_the_evaluation():
    truth = faces(5)
    predicted = truth + np.random.default_rng(1).normal(0, 2, truth.shape).astype(np.float32)
    task = task_of(SPEC)
    metric = NormalisedMeanError(name="nme")
    for part in (slice(0, 3), slice(3, 5)):  # batches of unequal size count by their samples
        metric.update_state(task.encode(truth[part]), task.encode(predicted[part]))
    assert float(metric.result()) == pytest.approx(landmarks(predicted, truth)["nme"], rel=1e-5)
    metric.reset_state()
    metric.update_state(task.encode(truth), task.encode(truth))
    assert float(metric.result()) == 0


def test_a_sample_of_no_weight_does_not_count():
    truth = faces(2)
    predicted = truth.copy()
    predicted[1] += 7
    metric = NormalisedMeanError(name="nme")
    metric.update_state(truth.reshape(2, -1), predicted.reshape(2, -1), sample_weight=np.array([1.0, 0.0]))
    assert float(metric.result()) == 0


def test_it_is_found_by_its_registered_name():
    config = keras.saving.serialize_keras_object(NormalisedMeanError(name="nme"))
    assert isinstance(keras.saving.deserialize_keras_object(config), NormalisedMeanError)
