import json

import numpy as np
import pytest

from fer import Predictor
from fer.device.contract import unpack
from fer.device.verify import verify
from fer.drawing import draw_face
from fer.network import SHIPPED


@pytest.mark.parametrize("name", ["mien", "landmark_cnn"])
def test_the_networks_of_the_repository_are_small_and_unchanged(name):
    file = SHIPPED.with_name(f"{name}.tflite")
    assert file.stat().st_size <= 2_000_000
    verify(file)
    contract = unpack(file).contract
    assert contract == json.loads(file.with_suffix(".json").read_text())


def test_the_network_of_the_repository_answers_where_none_is_named():
    face, _ = draw_face("happy", 96, np.random.default_rng(0))
    with Predictor.load(detector="none") as predictor:
        found = predictor.classify(face)
        assert predictor.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert found.label == max(found.probabilities, key=found.probabilities.get)
