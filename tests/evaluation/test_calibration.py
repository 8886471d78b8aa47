import numpy as np
import pytest

from fer.evaluation import calibration


def certain(confidence: float, accuracy: float, count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of class 0 with one confidence, of which a share is right."""
    probabilities = np.tile([confidence, 1 - confidence], (count, 1))
    return probabilities, (np.arange(count) >= accuracy * count).astype(int)


def drawn(sharpness: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is calibrated, made too sure (or unsure) by a factor."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (count, 5))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (random.random((count, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(max=4)
    powers = np.exp(sharpness * logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


def test_ece_is_the_gap_of_confidence_and_accuracy():
    assert calibration.ece(*certain(0.9, 0.7)) == pytest.approx(0.2)
    assert calibration.ece(*certain(0.7, 0.7)) == pytest.approx(0)


def test_ece_weighs_bins_by_their_samples():
    a, b = certain(0.9, 0.7, 100), certain(0.6, 0.6, 300)
    both = np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])
    assert calibration.ece(*both) == pytest.approx(0.2 / 4)
    bins = calibration.reliability(*both)
    assert [each["share"] for each in bins] == [0.75, 0.25]
    assert bins[1] == pytest.approx({"confidence": 0.9, "accuracy": 0.7, "share": 0.25})


def test_full_confidence_has_a_bin():
    assert calibration.reliability(np.array([[1.0, 0.0]]), np.array([0]))[0]["accuracy"] == 1


def test_interval_holds_the_error():
    probabilities, labels = certain(0.9, 0.7, 400)
    low, high = calibration.ece_interval(probabilities, labels)
    assert low < 0.2 < high
    assert high - low == pytest.approx(2 * 1.96 * (0.7 * 0.3 / 400) ** 0.5, rel=0.1)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0, 3.0])
def test_temperature_undoes_what_made_the_model_too_sure(sharpness):
    probabilities, labels = drawn(sharpness)
    temperature = calibration.fit_temperature(probabilities, labels)
    assert temperature == pytest.approx(sharpness, rel=0.05)
    assert calibration.ece(calibration.scale(probabilities, temperature), labels) < 0.015


def test_scaling_keeps_rows_sums_and_order():
    probabilities, _ = drawn(1.0, 100)
    scaled = calibration.scale(probabilities, 2.5)
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    np.testing.assert_array_equal(scaled.argsort(axis=1), probabilities.argsort(axis=1))
    np.testing.assert_allclose(calibration.scale(probabilities, 1.0), probabilities, atol=1e-9)


def test_a_certain_model_has_a_temperature_too():
    probabilities, labels = np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 1])
    assert 0.05 <= calibration.fit_temperature(probabilities, labels) <= 20.01


def test_judge_without_a_validation_split_scales_nothing():
    found = calibration.judge(*certain(0.9, 0.7), None)
    assert (found["temperature"], "scaled" in found) == (None, False)
    scaled = calibration.judge(*certain(0.9, 0.7), 2.0)["scaled"]
    assert scaled["ece"] == pytest.approx(abs(0.75 - 0.7), abs=1e-6)  # 3 : 1 after the root


class TestSelective:
    def test_of_a_model_that_knows_when_it_errs(self):
        probabilities = np.array([[0.9, 0.1]] * 5 + [[0.6, 0.4]] * 5)
        labels = np.array([0] * 5 + [1] * 5)
        found = calibration.selective(probabilities, labels)
        assert found["accuracy"] == {"0.5": 1.0, "0.8": 5 / 8, "0.9": 5 / 9, "1": 0.5}
        assert found["aurc"] == pytest.approx(np.mean([0] * 5 + [k / (5 + k) for k in range(1, 6)]))
        assert found["curve"][-1] == [1.0, 0.5]

    def test_of_one_sample(self):
        assert calibration.selective(np.array([[1.0, 0.0]]), np.array([1]))["accuracy"]["0.5"] == 0
