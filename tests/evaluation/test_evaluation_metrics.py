import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss

from fer.evaluation import metrics

CLASSES = ("angry", "happy", "sad")
LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.5, 0.2, 0.3]],
    dtype=np.float32,
)


class TestClassification:
    def test_scores(self):
        scores = metrics.classification(PROBABILITIES, LABELS, CLASSES)
        assert scores["samples"] == 6
        assert scores["accuracy"] == 4 / 6
        assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
        assert scores["macro_f1"] == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
        assert scores["loss"] == pytest.approx(log_loss(LABELS, PROBABILITIES), rel=1e-6)
        assert scores["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
        assert scores["per_class"]["happy"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "samples": 2})
        assert scores["per_class"]["sad"] == {"precision": 0, "recall": 0, "f1": 0, "samples": 1}

    def test_is_ready_for_json(self):
        scores = metrics.classification(PROBABILITIES, LABELS, CLASSES)
        assert json.loads(json.dumps(scores)) == scores

    def test_class_without_samples_is_listed_and_does_not_lower_the_balanced_accuracy(self):
        rng = np.random.default_rng(0)
        labels, probabilities = rng.integers(0, 2, 50), rng.dirichlet([2, 2, 0.1], 50)
        scores = metrics.classification(probabilities, labels, CLASSES)
        assert scores["per_class"]["sad"]["samples"] == 0
        assert len(scores["confusion"]) == 3
        seen = labels == probabilities.argmax(axis=1)
        expected = np.mean([seen[labels == label].mean() for label in (0, 1)])
        assert scores["balanced_accuracy"] == pytest.approx(expected)

    def test_balanced_accuracy_is_that_of_scikit_learn(self):
        expected = balanced_accuracy_score(LABELS, PROBABILITIES.argmax(axis=1))
        assert metrics.classification(PROBABILITIES, LABELS, CLASSES)["balanced_accuracy"] == expected

    @pytest.mark.parametrize(
        ("correct", "samples", "low", "high"),
        # Newcombe (1998), table I, method 3: the worked examples of the score interval.
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_interval_is_that_of_newcombe(self, correct, samples, low, high):
        labels = np.zeros(samples, dtype=int)
        probabilities = np.tile([0.0, 1.0], (samples, 1))
        probabilities[:correct] = [1.0, 0.0]
        interval = metrics.classification(probabilities, labels, ("a", "b"))["accuracy_interval"]
        assert interval == pytest.approx([low, high], abs=5e-5)

    def test_interval_of_one_sample_stays_in_range(self):
        low, high = metrics.classification(np.array([[1.0, 0.0]]), np.array([0]), ("a", "b"))["accuracy_interval"]
        assert 0 < low < 1
        assert high == 1

    def test_loss_of_a_certain_mistake_is_finite(self):
        scores = metrics.classification(np.array([[0.0, 1.0]]), np.array([0]), ("a", "b"))
        assert scores["loss"] == pytest.approx(-np.log(1e-7))

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"^probabilities: expected \(6, 3\), got \(6, 2\)$"):
            metrics.classification(PROBABILITIES[:, :2], LABELS, CLASSES)

    def test_no_samples(self):
        with pytest.raises(ValueError, match=r"^probabilities: expected \('1 or more', 3\), got \(0, 3\)$"):
            metrics.classification(np.zeros((0, 3)), np.zeros(0, dtype=int), CLASSES)


def test_flat_has_scalars_alone():
    flat = metrics.flat(metrics.classification(PROBABILITIES, LABELS, CLASSES))
    assert flat["accuracy"] == 4 / 6
    assert flat["f1/happy"] == pytest.approx(0.8)
    assert flat["recall/angry"] == pytest.approx(2 / 3)
    assert all(isinstance(value, int | float) for value in flat.values())
    assert not {"confusion", "per_class", "accuracy_interval"} & set(flat)
