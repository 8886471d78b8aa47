import keras
import numpy as np
import pytest
import tensorflow as tf

from fer.base import DataSpec
from fer.config import compose
from fer.drawing import EXPRESSIONS, MIRROR

SMALL = {
    "cnn48": ("model.filters=[4,8]", "model.kernels=[9,6]", "model.units=[8]"),
    "mobilenetv2": ("model.weights=none", "model.alpha=0.35", "model.input_size=48", "model.units=8"),
}
SPECS = {
    "cnn48": DataSpec(name="test", kind="image", shape=(56, 56, 3), points=68, mirror=MIRROR),
    "mobilenetv2": DataSpec(name="test", kind="image", shape=(48, 48, 1), classes=EXPRESSIONS),
}

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")


def run(path, images: np.ndarray) -> np.ndarray:
    """Run a .tflite file on one image after another."""
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    [given], [got] = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == got["dtype"] == np.float32
    results = []
    for image in images:
        interpreter.set_tensor(given["index"], image[None].astype(np.float32))
        interpreter.invoke()
        results.append(interpreter.get_tensor(got["index"])[0])
    return np.stack(results)


@pytest.mark.parametrize("model", ["cnn48", pytest.param("mobilenetv2", marks=pytest.mark.slow)])
def test_the_file_predicts_what_the_network_does(model, tmp_path):
    spec = SPECS[model]
    network = compose("train", f"model={model}", *SMALL[model]).model.build(spec)
    images = np.random.default_rng(0).integers(0, 256, (4, *spec.shape), np.uint8)
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(images, training=True)  # BatchNorm has seen images
    expected = network.predict(images, verbose=0)
    weights = network.get_weights()
    file = compose("export", "run=latest").export.write(network, tmp_path / "fp32")
    assert file == tmp_path / "fp32.tflite"
    assert [path.name for path in tmp_path.iterdir()] == ["fp32.tflite"]
    np.testing.assert_allclose(run(file, images), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-4, "images differ, and so do their predictions"
    assert all(map(np.array_equal, weights, network.get_weights()))
