import numpy as np
import pytest

from fer.deployment.gate import interval, scores


def test_scores_average_to_accuracy():
    outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert scores(outputs, np.array([0, 0, 0])).tolist() == [1, 0, 1]
    assert scores(outputs, np.array([[0.7, 0.3], [0.1, 0.9], [0.4, 0.6]])).tolist() == [1, 1, 0], "soft labels"


def test_scores_average_to_nme():
    truth = np.random.default_rng(0).random((3, 68, 2)) * 40
    truth[:, 36], truth[:, 45] = (0, 0), (10, 0)
    assert scores(truth + np.array([3, 4]), truth) == pytest.approx([0.5] * 3)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        low, high = interval(random.normal(0.3, 1, 200), resamples=400, seed=trial)
        hits += low <= 0.3 <= high
    assert 0.90 < hits / 200 < 0.99


def test_pairs_that_never_differ_have_no_spread():
    assert interval(np.zeros(50), resamples=100, seed=0) == (0, 0)
