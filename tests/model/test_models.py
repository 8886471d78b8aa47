"""What holds for every model and target."""

import re
import zipfile

import keras
import numpy as np
import pytest

from fer.base import DataSpec
from fer.config import compose
from fer.drawing import EXPRESSIONS, MIRROR

SMALL = {
    "cnn48": ("model.filters=[4,8]", "model.kernels=[9,6]", "model.units=[8]"),
    "residual_regressor": ("model.entry=[4,8]", "model.residual=[8]", "model.middle_blocks=1", "model.exit=[8,8,8]"),
    "mobilenetv2": ("model.weights=none", "model.alpha=0.35", "model.input_size=48", "model.units=8"),
}
SPECS = {
    "classes": DataSpec(name="test", kind="image", shape=(48, 48, 1), classes=EXPRESSIONS),
    "points": DataSpec(name="test", kind="image", shape=(56, 56, 3), points=68, mirror=MIRROR),
}


@pytest.fixture(scope="module", params=[(model, target) for model in SMALL for target in SPECS], ids="-".join)
def trained(request):
    """A network whose BatchNorm has seen images, images, and what it predicts for them."""
    model, target = request.param
    spec = SPECS[target]
    network = compose("train", f"model={model}", *SMALL[model]).model.build(spec)
    images = np.random.default_rng(0).integers(0, 256, (5, *spec.shape), np.uint8)
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(images, training=True)
    return network, spec, images, network.predict(images, verbose=0)


def test_it_predicts_what_the_data_asks_for(trained):
    _, spec, images, predicted = trained
    assert predicted.shape == (len(images), spec.outputs)
    assert predicted.dtype == np.float32
    if spec.target == "classes":
        np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-6)
        assert (predicted > 0).all()
    else:
        assert predicted.min() < 0 < predicted.max(), "coordinates are not squeezed by an activation"


def test_a_prediction_does_not_depend_on_its_neighbours(trained):
    network, _, images, together = trained
    before = [np.array(weight) for weight in network.get_weights()]
    alone = np.concatenate([keras.ops.convert_to_numpy(network(images[i : i + 1])) for i in range(len(images))])
    np.testing.assert_allclose(alone, together, atol=1e-4)
    assert np.ptp(together, axis=0).max() > 1e-4, "images differ, and so do their predictions"
    assert all(map(np.array_equal, before, network.get_weights())), "a call without `training` trains nothing"


def test_plain_keras_loads_it_and_predicts_the_same(trained, tmp_path):
    network, _, images, predicted = trained
    network.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        text = file.read("config.json").decode()
    modules = set(re.findall(r'"module": "([^"]*)"', text))
    assert {module.partition(".")[0] for module in modules} == {"keras"}
    assert "fer>" not in text
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(again.predict(images, verbose=0), predicted)


@pytest.mark.slow
def test_trained_for_integers_it_gives_those_of_its_file(trained, tmp_path):
    from fer.device.runner import Runner
    from fer.nn.rewriting import compress

    network, spec, images, _ = trained
    rounded = compress(network, rounds=True, pruning=None)
    rounded(images.astype(np.float32), training=True)
    file = compose("export", "export=int8").export.write(rounded, tmp_path / "int8", images)
    runner = Runner(file.read_bytes(), kernels="own")
    given = np.stack([runner(image) for image in images])
    softmax = 0.5 / 256 if spec.target == "classes" else 0  # the file alone rounds its results
    np.testing.assert_allclose(given, rounded.predict(images, verbose=0).reshape(given.shape), atol=softmax + 1e-6)
