from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from fer.base import Model
from fer.config import compose
from fer.errors import ConfigError
from fer.runs.train import TrainRun


@dataclass(kw_only=True)
class OnLandmarks(Model):
    kind: ClassVar[str] = "landmarks"
    targets: ClassVar[tuple[str, ...]] = ("classes",)

    def build(self, spec):
        raise AssertionError("never built")


@dataclass(kw_only=True)
class OnImages(OnLandmarks):
    kind: ClassVar[str] = "image"


def refusal(run: TrainRun, **changes) -> str:
    with pytest.raises(ConfigError) as caught:
        replace(run, **changes)
    return str(caught.value)


def test_a_model_of_another_kind_of_input_is_refused():
    assert refusal(compose("train"), model=OnLandmarks(weights="none")) == (
        "model: takes landmarks, but dataset synthetic has images; "
        "choose another, or dataset=facemesh_csv with what `python -m fer extract` finds in them"
    )


def test_a_model_that_cannot_predict_the_targets_is_refused():
    run = compose("train", "dataset.target=points", "loss=mse")
    assert refusal(run, model=OnImages(weights="none")) == (
        "model: predicts classes, but dataset synthetic has points; choose another"
    )
