import keras
import numpy as np
import pytest
from PIL import Image

from fer.base import DataSpec
from fer.config import compose
from fer.evaluation import charts, explain
from fer.nn.images import outputs

GREY = DataSpec(name="toy", kind="image", shape=(32, 32, 1), classes=("left", "right"))


def toned() -> keras.Model:
    """A network whose first class is how light an image is, the second how dark."""
    inputs = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(2, 1, name="tones")(keras.layers.Rescaling(1 / 255)(inputs))
    trunk = keras.Model(inputs, x, name="trunk")
    pooled = keras.layers.GlobalAveragePooling2D()(trunk(inputs))
    network = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", use_bias=False)(pooled))
    trunk.get_layer("tones").set_weights([np.array([[[[1.0, -1.0]]]]), np.array([0.0, 1.0])])
    network.layers[-1].set_weights([np.eye(2)])
    return network


def test_the_map_lies_on_what_speaks_for_the_class():
    faces = np.zeros((2, 32, 32, 1), np.uint8)
    faces[:, 8:20, 4:12] = 255
    maps = explain.grad_cam(toned(), faces, np.array([0, 1]))
    patch = np.zeros((32, 32), bool)
    patch[8:20, 4:12] = True

    assert maps.shape == (2, 32, 32)
    assert maps[0, patch].min() > 0.99
    assert maps[1, ~patch].min() > 0.99
    assert (maps[0] > 0.5).sum() == patch.sum()


def test_the_network_is_left_as_it_was():
    network = toned()
    faces = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    before = np.asarray(network(faces))
    explain.grad_cam(network, faces, np.array([0, 1]))
    np.testing.assert_array_equal(np.asarray(network(faces)), before)


@pytest.mark.parametrize(
    ("overrides", "layer"),
    [
        (["model=cnn48"], "conv2d"),
        (["model=mobilenetv2", "model.weights=none", "model.alpha=0.35", "model.input_size=48"], "out_relu"),
    ],
)
def test_any_model_of_ours_is_explained_without_a_layers_name(overrides, layer):
    run = compose("train", "augmentation=none", *overrides)
    network = run.model.build(GREY)
    assert explain.feature_layer(network).name.startswith(layer)
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    maps = explain.grad_cam(network, faces, np.array([0, 1, 0]), batch_size=2)

    assert maps.shape == (3, 32, 32)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() <= maps.max() <= 1


def test_the_gradient_is_that_of_a_finite_difference():
    network = toned()
    layer = explain.feature_layer(network)
    faces = np.full((1, 32, 32, 1), 128, np.uint8)
    features, gradients = explain._derived(network, layer, faces, np.array([0]))
    head = network.layers[-1].get_weights()[0]

    def log_probability(values):
        logits = values.mean(axis=(0, 1, 2)) @ head
        return logits[0] - np.log(np.exp(logits).sum())

    for place in (3, 40, 1000):
        moved = features.copy()
        moved.flat[place] += 1
        slope = (log_probability(moved) - log_probability(features)) / 1
        assert gradients.flat[place] == pytest.approx(slope, rel=0.01)


def test_a_network_without_a_convolution_is_refused():
    inputs = keras.Input((8, 8, 1))
    network = keras.Model(inputs, outputs(GREY)(keras.layers.Flatten()(inputs)), name="flat")
    with pytest.raises(ValueError, match=r"^network flat: expected a convolution, got none$"):
        explain.feature_layer(network)


def test_hiding_the_points_that_decide_lets_the_probability_fall():
    random = np.random.default_rng(0)
    mean = random.uniform(0, 100, (60, 2)).astype(np.float32)
    mouth = np.linalg.norm(mean - mean[7], axis=1).argsort()[:5]
    faces = np.repeat(mean[None], 3, axis=0)
    faces[:, mouth, 1] += 20

    def predict(points):
        smile = (points[:, mouth, 1] - mean[mouth, 1]).mean(axis=1) / 20
        return np.stack([smile, 1 - smile], axis=1)

    falls = explain.occlusion(predict, faces, np.array([0, 0, 1]), mean)

    assert falls.shape == (3, 60)
    assert falls[0, mouth].min() > 0
    assert falls[0].sum() >= falls[0, mouth].sum() > 0
    np.testing.assert_allclose(falls[2], -falls[0], atol=1e-6)
    assert (np.delete(falls[0], mouth) == 0).sum() > 30


def test_neighbourhoods_are_near():
    points = np.array([[0, 0], [0, 1], [10, 0], [10, 1.0]])
    regions = explain.neighbourhoods(points, 2)
    assert regions.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("kind", ["image", "landmarks"])
def test_the_explanations_of_a_report_are_drawn(tmp_path, kind):
    random = np.random.default_rng(0)
    texts = [("happy", "sad", "leaked"), ("sad", "happy", "")]
    if kind == "image":
        faces, maps = random.integers(0, 256, (2, 16, 16, 3), np.uint8), random.random((2, 2, 16, 16))
        charts.explanations(tmp_path / "x.png", faces, maps, texts)
    else:
        charts.point_explanations(tmp_path / "x.png", random.random((2, 60, 3)), random.normal(0, 1, (2, 2, 60)), texts)
    with Image.open(tmp_path / "x.png") as image:
        assert min(image.size) > 200
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50
