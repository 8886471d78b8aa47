import keras
import numpy as np
import pytest

from fer.base import DataSpec
from fer.config import compose
from fer.errors import ConfigError

SPEC = DataSpec(
    name="test", kind="landmarks", shape=(72, 3), classes=("neutral", "frowning", "smile", "smile_with_teeth")
)
ON_POINTS = ("dataset.input=landmarks", "augmentation=landmarks")


def recipe(name: str, *changes: str):
    return compose("train", f"model={name}", *ON_POINTS, *changes).model


def test_the_architecture_of_the_1d_cnn():
    network = recipe("landmark_cnn", "model.filters=[8,16]", "model.kernels=[3,5]", "model.units=20").build(SPEC)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == [
        *("InputLayer", "Reshape", "Conv1D", "MaxPooling1D", "Conv1D", "MaxPooling1D", "Flatten", "Dense", "Dense")
    ]
    shapes = [layer.output.shape[1:] for layer in network.layers]
    assert shapes == [(72, 3), (216, 1), (214, 8), (107, 8), (103, 16), (51, 16), (816,), (20,), (4,)]
    assert [layer.activation.__name__ for layer in network.layers if hasattr(layer, "activation")] == [
        *("relu", "relu", "relu", "softmax")
    ]


def test_the_mixer_is_no_larger_than_the_1d_cnn_it_stands_beside():
    cnn, mixer = (recipe(name).build(SPEC) for name in ("landmark_cnn", "landmark_mixer"))
    assert mixer.count_params() <= cnn.count_params()


def test_the_mixer_sees_which_point_is_which():
    network = recipe("landmark_mixer").build(SPEC)
    faces = np.random.default_rng(0).normal(0, 1, (3, 72, 3)).astype(np.float32)
    shuffled = faces[:, np.random.default_rng(1).permutation(72)]
    answers = [keras.ops.convert_to_numpy(network(each)) for each in (faces, shuffled)]
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_the_mlp_takes_out_the_mean_of_each_coordinate():
    network = recipe("landmark_mlp").build(SPEC)
    faces = np.random.default_rng(0).normal(3, 2, (512, 72, 3)).astype(np.float32)
    scaled = keras.ops.convert_to_numpy(network.get_layer("scale")(faces.reshape(512, -1), training=True))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-2)
    assert [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)] == [512, 512, 4]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["landmark_cnn", "landmark_mixer", "landmark_mlp"])
def test_it_learns_drawn_expressions_from_their_points(name, smoke):
    from fer.training import train

    words = (f"model={name}", *ON_POINTS, "dataset.train=350", "dataset.test=70", "training.epochs=12")
    result = train(smoke(*words, "optimizer.learning_rate=3e-3"))
    assert result.metrics["accuracy"] > 0.6
    [network] = [keras.models.load_model(result.folder / "model.keras", compile=False)]
    assert network.input_shape == (None, 68, 2)


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("landmark_cnn", "model.filters=[8]", "model.filters: expected two values of 1 or more, got [8]"),
        ("landmark_cnn", "model.units=0", "model.units: expected 1 or more, got 0"),
        (
            "landmark_cnn",
            "model.activation=rely",
            "model.activation: expected one of relu, elu, selu, gelu, silu, leaky_relu, tanh, got 'rely'; "
            "did you mean 'relu'?",
        ),
        ("landmark_mixer", "model.blocks=0", "model.blocks: expected 1 or more, got 0"),
        ("landmark_mixer", "model.dropout=1", "model.dropout: expected a value from 0 to 0.99, got 1.0"),
        ("landmark_mlp", "model.units=[]", "model.units: expected one or more values of 1 or more, got []"),
        ("landmark_mlp", "model.dropout=1", "model.dropout: expected a value from 0 to 0.99, got 1.0"),
    ],
)
def test_values_out_of_range(name, change, text):
    with pytest.raises(ConfigError) as caught:
        recipe(name, change)
    assert str(caught.value) == text


def test_kernels_that_leave_nothing():
    with pytest.raises(ConfigError, match=r"^model\.kernels: \[200, 20\] leave nothing of 216 values$"):
        recipe("landmark_cnn", "model.kernels=[200,20]").build(SPEC)
