"""From a network to its judgement: what is known beside the inputs reaches the scores and the terminal."""

import keras
import numpy as np
import pytest

from fer.base import DataSpec, Samples
from fer.evaluation.judge import judge, told
from fer.task import task_of

SPEC = DataSpec(name="toy", kind="landmarks", shape=(4, 3), classes=("happy", "sad"))


def test_a_planted_gap_by_pose_is_told(tmp_path):
    random = np.random.default_rng(0)
    points = random.normal(0, 1, (800, 4, 3)).astype(np.float32)
    yaw, size = random.uniform(0, 60, 800), random.uniform(20, 200, 800)
    wrong = random.random(800) < np.where(yaw > 45, 0.5, 0.1)
    samples = Samples(
        source=points,
        rows=np.arange(400, 800),
        targets=((points[:, 0, 0] > 0) ^ wrong)[400:].astype(int),
        names=[f"face {i}" for i in range(800)],
        proxies=lambda rows: {"face size": size[rows], "yaw": yaw[rows]},
    )
    inputs = keras.Input((4, 3))
    network = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs)))
    kernel = np.zeros((12, 2), np.float32)
    kernel[0] = (-5, 5)  # right wherever the label was not changed
    network.set_weights([kernel, np.zeros(2, np.float32)])

    metrics = judge(
        network,
        task_of(SPEC),
        samples,
        split="validation",
        output=tmp_path / "report",
        history=[],
        facts={},
        batch_size=64,
    )
    found = {each["trait"]: each for each in metrics["subgroups"]}
    assert (found["face size"]["found"], found["yaw"]["found"]) == (False, True)
    assert found["yaw"]["gap"] == pytest.approx(0.4, abs=0.1)
    assert f"accuracy differs by {100 * found['yaw']['gap']:.0f} points along yaw" in told(metrics)
    assert (tmp_path / "report/subgroups.png").exists()
