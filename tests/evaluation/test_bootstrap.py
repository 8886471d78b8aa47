import time

import numpy as np
import pytest
from scipy.stats import binomtest

from fer.evaluation import bootstrap, metrics

PRIOR = np.array([0.13, 0.015, 0.138, 0.249, 0.182, 0.116, 0.17])
"""The class shares of FER2013's PublicTest."""


def predictions(count: int, accuracy: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = random.choice(7, count, p=PRIOR)
    right = random.random(count) < accuracy
    return labels, np.where(right, labels, random.integers(0, 7, count))


def table(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.bincount(labels * 7 + predicted, minlength=49).reshape(7, 7)


class TestInterval:
    def test_is_that_of_the_normal_approximation_where_there_are_many(self):
        values = np.random.default_rng(0).exponential(size=4000)
        low, high = bootstrap.interval(values)
        half = 1.96 * values.std() / 4000**0.5
        assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)

    def test_counting_distinct_values_is_drawing_samples(self, monkeypatch):
        hits = np.arange(900) % 3 > 0
        counted = bootstrap.interval(hits)
        monkeypatch.setattr(bootstrap, "FEW", 1)
        monkeypatch.setattr(bootstrap, "AT_ONCE", 100_000)  # several chunks
        assert bootstrap.interval(hits) == pytest.approx(counted, abs=0.002)

    def test_of_equal_values_has_no_width(self):
        assert bootstrap.interval(np.full(5, 0.25)) == (0.25, 0.25)

    @pytest.mark.parametrize("values", [np.array([]), np.array([1.0, np.nan]), np.ones((2, 2))])
    def test_refuses_what_has_no_mean(self, values):
        with pytest.raises(ValueError, match=r"^values: expected 1 or more finite numbers in one row, got shape"):
            bootstrap.interval(values)

    def test_ten_thousand_resamples_take_less_than_two_seconds(self):
        values = np.random.default_rng(0).random(3589)
        start = time.process_time()
        bootstrap.interval(values)
        bootstrap.score_intervals(np.random.default_rng(0).integers(0, 200, (7, 7)))
        assert time.process_time() - start < 2

    @pytest.mark.parametrize("count", [300])
    def test_covers_the_truth_95_times_in_100(self, count):
        random = np.random.default_rng(1)
        truth, cover = 0.65, np.zeros(2)
        for _ in range(500):
            hits = random.random(count) < truth
            errors = random.gamma(4, 0.01, count)
            for which, (values, mean) in enumerate(((hits, truth), (errors, 0.04))):
                low, high = bootstrap.interval(values, resamples=500, seed=int(random.integers(2**31)))
                cover[which] += low <= mean <= high
        assert (abs(cover / 500 - 0.95) <= 0.02).all(), cover


class TestScores:
    def test_are_those_of_the_metrics(self):
        random = np.random.default_rng(3)
        labels, predicted = predictions(300, 0.6, random)
        labels[labels == 1] = 0  # a class without samples, yet predicted
        probabilities = np.eye(7)[predicted]
        expected = metrics.classification(probabilities, labels, [str(label) for label in range(7)])
        scores = bootstrap.class_scores(table(labels, predicted))
        for name in ("accuracy", "balanced_accuracy", "macro_f1"):
            assert scores[name] == pytest.approx(expected[name])
        assert scores["f1/3"] == pytest.approx(expected["per_class"]["3"]["f1"])
        assert np.isnan(scores["recall/1"])

    def test_intervals_cover_the_truth_95_times_in_100(self):
        random = np.random.default_rng(2)
        accuracy = 0.6
        confusion = PRIOR[:, None] * (accuracy * np.eye(7) + (1 - accuracy) / 7)
        truth = bootstrap.class_scores((confusion * 1e9).astype(np.int64))
        cover = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), 0)
        for _ in range(500):
            drawn = random.multinomial(3589, confusion.ravel() / confusion.sum()).reshape(7, 7)
            intervals = bootstrap.score_intervals(drawn, resamples=400, seed=int(random.integers(2**31)))
            for name in cover:
                low, high = intervals[name]
                cover[name] += low <= truth[name] <= high
        assert all(465 <= count <= 485 for count in cover.values()), cover


class TestPaired:
    def test_models_that_err_equally_often_are_not_different_and_a_better_one_is(self):
        random = np.random.default_rng(0)
        labels = random.choice(7, 3589, p=PRIOR)
        seeds = [np.where(random.random(3589) < 0.62, labels, (labels + 1) % 7) for _ in range(2)]
        better = np.where(random.random(3589) < 0.1, labels, seeds[0])
        alike = bootstrap.paired_scores(labels, *seeds, classes=7)
        assert not any(difference.different for difference in alike.values())
        found = bootstrap.paired_scores(labels, better, seeds[0], classes=7)
        assert found["accuracy"].value == pytest.approx((better == labels).mean() - (seeds[0] == labels).mean())
        assert all(difference.different and difference.p < 0.001 for difference in found.values())

    def test_the_joint_counts_give_what_the_differences_give(self):
        random = np.random.default_rng(5)
        labels, a = predictions(2000, 0.62, random)
        _, noise = predictions(2000, 0.3, random)
        b = np.where(random.random(2000) < 0.9, a, noise)
        joint = bootstrap.paired_scores(labels, a, b, classes=7)["accuracy"]
        alone = bootstrap.paired_bootstrap((a == labels).astype(float) - (b == labels))
        assert joint.value == pytest.approx(alone.value)
        assert (joint.low, joint.high, joint.p) == pytest.approx((alone.low, alone.high, alone.p), abs=0.003)

    def test_false_alarms_are_as_rare_as_promised(self):
        random = np.random.default_rng(6)
        alarms = 0
        for _ in range(1000):
            differences = random.choice([-1, 0, 1], 500, p=[0.1, 0.8, 0.1])
            found = bootstrap.paired_bootstrap(differences, resamples=400, seed=int(random.integers(2**31)))
            alarms += found.different
        assert 30 <= alarms <= 70

    def test_of_one_model_with_itself(self):
        nothing = bootstrap.paired_bootstrap(np.zeros(10))
        assert nothing == bootstrap.Difference(value=0, low=0, high=0, p=1)

    def test_refuses_other_samples(self):
        with pytest.raises(ValueError, match=r"^predictions: expected one of each of the samples, got 3, 2, 3$"):
            bootstrap.paired_scores(np.zeros(3, int), np.zeros(2, int), np.zeros(3, int), classes=2)


class TestMcNemar:
    @pytest.mark.parametrize(
        ("only_a", "only_b", "p"),
        # The two-sided binomial test by hand: 2 * P(X <= min) of n tosses of a coin.
        [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (0, 10, 2 / 1024), (9, 3, 2 * 299 / 4096), (4, 4, 1.0)],
    )
    def test_is_exact(self, only_a, only_b, p):
        a = np.array([True] * only_a + [False] * only_b + [True, False] * 7)
        b = np.array([False] * only_a + [True] * only_b + [True, False] * 7)
        assert bootstrap.mcnemar(a, b) == (only_a, only_b, pytest.approx(p))

    def test_is_exact_for_many(self):
        a = np.arange(20_000) < 10_150
        assert bootstrap.mcnemar(a, ~a).p == pytest.approx(binomtest(10_150, 20_000).pvalue, rel=1e-9)

    def test_refuses_other_samples(self):
        with pytest.raises(ValueError, match=r"^b_correct: expected the 3 samples of a_correct, got 2$"):
            bootstrap.mcnemar(np.ones(3, bool), np.ones(2, bool))


def test_spread_over_seeds():
    assert bootstrap.spread([0.60, 0.62, 0.64]) == (pytest.approx(0.62), pytest.approx(0.02), 3)
    assert np.isnan(bootstrap.spread([0.6]).deviation)
    runs = [{"accuracy": 0.6, "loss": 1.0}, {"accuracy": 0.7}]
    assert list(bootstrap.spreads(runs)) == ["accuracy"]
