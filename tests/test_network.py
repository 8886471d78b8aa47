import numpy as np

from fer import Predictor
from fer.device.verify import verify
from fer.drawing import draw_face
from fer.network import SHIPPED


def test_the_network_of_the_repository_is_small_and_unchanged():
    assert SHIPPED.stat().st_size <= 2_000_000
    verify(SHIPPED)


def test_the_network_of_the_repository_answers_where_none_is_named():
    face, _ = draw_face("happy", 96, np.random.default_rng(0))
    with Predictor.load(detector="none") as predictor:
        found = predictor.classify(face)
        assert predictor.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert found.label == max(found.probabilities, key=found.probabilities.get)
