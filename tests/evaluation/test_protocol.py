import keras
import numpy as np
import pytest

from fer.base import Samples
from fer.config import compose
from fer.errors import ConfigError, DataError
from fer.evaluation import protocol

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 1), np.uint8)


def rows(*chosen: int, source: np.ndarray = PIXELS) -> Samples:
    return Samples(source=source, rows=np.array(chosen), targets=np.zeros(len(chosen), int), names=["x"] * len(source))


class OverTheBatch(keras.layers.Layer):
    """Attention between the samples of a batch, as some published networks have it."""

    def call(self, inputs):
        weights = keras.ops.exp(inputs @ keras.ops.transpose(inputs) / 8)
        return weights @ inputs / keras.ops.sum(weights, axis=-1, keepdims=True)


def network(*layers: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((24, 24, 1))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    for layer in (keras.layers.Dense(8, activation="relu"), *layers, keras.layers.Dense(7, activation="softmax")):
        x = layer(x)
    return keras.Model(inputs, x)


class TestIndependence:
    def test_attention_over_the_batch_is_refused(self):
        with pytest.raises(ConfigError) as error:
            protocol.demand_independence(network(OverTheBatch()), rows(*range(40)))
        text = str(error.value)
        assert text.startswith("model: the prediction of one sample changes by up to 0.")
        assert text.endswith("so scores would depend on the batches")

    @pytest.mark.parametrize("layer", [keras.layers.BatchNormalization, keras.layers.LayerNormalization])
    def test_layers_that_only_train_on_batches_pass(self, layer):
        protocol.demand_independence(network(layer()), rows(*range(40)))

    def test_every_image_model_of_ours_passes(self):
        run = compose("train", "augmentation=none")
        protocol.demand_independence(
            run.model.build(run.dataset.spec()), rows(*range(40), source=np.repeat(np.repeat(PIXELS, 2, 1), 2, 2))
        )

    def test_one_sample_is_enough(self):
        protocol.demand_independence(network(), rows(3))


class TestSplits:
    def test_that_share_samples_are_refused(self):
        splits = {"train": rows(0, 1, 2, 3), "validation": rows(4, 5), "test": rows(2, 3, 6)}
        with pytest.raises(DataError, match=r"^toy: test and train share 2 samples; give each split its own$"):
            protocol.demand_apart(splits, "toy")

    def test_a_test_split_that_is_all_in_validation_is_refused(self):
        copy = PIXELS.copy()
        splits = {"train": rows(0, 1), "validation": rows(4, 5, 6), "test": rows(5, 6, source=copy)}
        with pytest.raises(DataError) as error:
            protocol.demand_apart(splits, "toy")
        assert str(error.value) == (
            "toy: every sample of test is in validation too, so that the test split would choose the epoch; "
            "give validation other samples, such as a fraction of train (dataset.splits.validation=0.1)"
        )

    def test_some_copies_are_for_the_audit_to_tell(self):
        splits = {"train": rows(0, 1), "validation": rows(4, 5, 6), "test": rows(5, 7, source=PIXELS.copy())}
        protocol.demand_apart(splits, "toy")
        protocol.demand_apart({"train": rows(0, 1), "validation": rows(4)}, "toy")


class TestLooks:
    def test_are_counted_for_the_run_and_its_sweep(self, tmp_path):
        for name in ("0-a", "1-b"):
            (tmp_path / name).mkdir()
        assert protocol.look(tmp_path / "0-a", "test1") == {"run": 1, "sweep": 1}
        assert protocol.look(tmp_path / "0-a", "test1") == {"run": 2, "sweep": 2}
        assert protocol.look(tmp_path / "1-b", "test1") == {"run": 1, "sweep": 3}
        assert protocol.look(tmp_path / "1-b", "test2") == {"run": 1, "sweep": 1}

    def test_are_stamped_beside_the_score(self):
        facts = {
            "config": {"dataset": {"splits": {"train": "Training", "validation": "0.1", "test": "PublicTest"}}},
            "monitor": {"name": "val_accuracy"},
            "combined": {"by": "outputs", "runs": [{}, {}]},
        }
        assert protocol.stamp(facts, "test", {"run": 2, "sweep": 5}, "flip") == {
            "judged on": "test (PublicTest)",
            "trained on": "Training",
            "epoch chosen by": "val_accuracy on validation (0.1)",
            "starting weights": "unknown",
            "test-time augmentation": "flip",
            "combined": "2 runs by outputs",
            "looks at this test split": {"run": 2, "sweep": 5},
        }

    def test_nothing_is_needed(self):
        assert protocol.stamp({}, "validation", None)["judged on"] == "validation"


@pytest.mark.parametrize("part", ["PrivateTest", "PublicTest+PrivateTest"])
def test_a_test_part_cannot_choose_the_epoch(tmp_path, part):
    with pytest.raises(ConfigError) as error:
        compose(
            "train",
            "augmentation=none",
            "dataset=fer2013",
            f"dataset.splits.validation={part}",
            "dataset.splits.test=none",
        )
    assert str(error.value) == (
        "dataset.splits.validation: PrivateTest is for the last look and cannot choose the epoch; "
        "name another part, or a fraction of train such as 0.1"
    )
