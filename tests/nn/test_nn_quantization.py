import keras
import numpy as np
import pytest
from keras import layers

from fer.nn.quantization import CompressedConv2D, CompressedDepthwiseConv2D, FakeQuant, is_rounded
from fer.nn.rewriting import compress, plain


def network() -> keras.Model:
    """Convolution, BatchNorm, ReLU6, depthwise, a residual add, a separable convolution, a nested head."""
    inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(8, 3, use_bias=False)(x)
    x = shortcut = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.SeparableConv2D(8, 3, activation="relu")(x)
    x = layers.AveragePooling2D(2)(layers.LeakyReLU()(x))
    x = layers.GlobalAveragePooling2D()(x)
    head = keras.Sequential([layers.Dense(6, activation="relu"), layers.Dense(4, activation="softmax")], name="head")
    whole = keras.Model(inputs, head(x), name="small")
    random = np.random.default_rng(0)
    for layer in whole._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, each.shape) for each in layer.get_weights()])
    return whole


IMAGES = np.random.default_rng(1).integers(0, 256, (32, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def float_network() -> keras.Model:
    return network()


def rounded_and_seen(float_network: keras.Model) -> keras.Model:
    rewritten = compress(float_network, rounds=True, pruning=None)
    rewritten(IMAGES, training=True)
    return rewritten


def test_folding_alone_changes_nothing(float_network):
    pruning = {"sparsity": 0.5, "pattern": "unstructured", "steps": 10}
    rewritten = compress(float_network, rounds=False, pruning=pruning)
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in rewritten.layers)
    np.testing.assert_allclose(rewritten(IMAGES), float_network(IMAGES), atol=1e-5)


def test_names_of_the_network_are_not_given_again(float_network):
    keras.utils.clear_session()  # as in a new process, where Keras begins to count names again
    taken = [layer.name for layer in float_network._flatten_layers()]
    assert "add" in taken
    rewritten = compress(float_network, rounds=True, pruning=None)
    assert len({operation.name for operation in rewritten.operations}) == len(rewritten.operations)


def test_rounding_changes_little_and_something(float_network):
    rewritten = rounded_and_seen(float_network)
    assert is_rounded(rewritten) and not is_rounded(float_network)
    difference = np.abs(np.subtract(rewritten(IMAGES), float_network(IMAGES)))
    assert 1e-4 < difference.max() < 0.1


def test_kernels_have_a_scale_for_each_channel(float_network):
    rewritten = rounded_and_seen(float_network)
    for layer, axis in ((CompressedConv2D, 3), (CompressedDepthwiseConv2D, 2)):
        found = next(each for each in rewritten.layers if type(each) is layer)
        kernel = np.asarray(keras.ops.convert_to_numpy(found.effective()))
        for channel in np.moveaxis(kernel, axis, 0):
            scale = np.abs(channel).max() / 127
            np.testing.assert_allclose(channel / scale, np.rint(channel / scale), atol=1e-3)


def test_ranges_follow_the_extremes_of_the_batches():
    layer = FakeQuant()
    layer(np.array([-2.0, 6.0], np.float32), training=True)
    assert (float(layer.low.numpy()), float(layer.high.numpy())) == (-2, 6)
    layer(np.array([1.0, 16.0], np.float32), training=True)
    assert (float(layer.low.numpy()), float(layer.high.numpy())) == (pytest.approx(-1.98), pytest.approx(6.1))
    np.testing.assert_allclose(layer(np.array([100.0], np.float32)), [6.1], atol=0.05)
    assert float(layer.high.numpy()) == pytest.approx(6.1), "nothing moves outside training"


def test_averages_are_rounded_in_the_range_of_what_they_average_and_halves_away_from_the_integers_zero():
    layer = FakeQuant()
    layer(np.array([0.0, 255.0], np.float32), training=True)
    averages = np.array([0.25, 0.5, 1.5, 200.5, 500.0], np.float32)  # the integers are from -128 to 127
    np.testing.assert_array_equal(layer(averages, averages=True), [0, 0, 1, 201, 255])
    layer(averages, training=True, averages=True)
    assert (float(layer.low.numpy()), float(layer.high.numpy())) == (0, 255)


def test_gradients_pass_within_the_range_outside_training_too():
    import tensorflow as tf

    layer = FakeQuant()
    layer(np.array([-1.0, 2.0], np.float32), training=True)
    values = tf.constant([-3.0, -0.5, 0.7, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(layer(values))
    np.testing.assert_array_equal(tape.gradient(total, values), [0, 1, 1, 0])


def test_a_range_can_be_made_wider():
    layer = FakeQuant(0.01)
    layer(np.array([-1.0, 1.0], np.float32), training=True)
    np.testing.assert_allclose([layer.low.numpy(), layer.high.numpy()], [-1.01, 1.01])
    assert FakeQuant.from_config(layer.get_config()).wider == 0.01


@pytest.mark.parametrize("pruning", [None, {"sparsity": 0.5, "pattern": "2:4", "steps": 1}])
def test_a_saved_network_comes_back_the_same(float_network, tmp_path, pruning):
    from fer.nn.weights import load_network

    rewritten = compress(float_network, rounds=True, pruning=pruning)
    rewritten(IMAGES, training=True)
    rewritten.save(tmp_path / "a.keras")
    np.testing.assert_array_equal(load_network(tmp_path / "a.keras")(IMAGES), rewritten(IMAGES))


def test_the_plain_twin_computes_the_same(float_network):
    rewritten = rounded_and_seen(float_network)
    for layer in rewritten.layers:
        if isinstance(layer, FakeQuant):
            layer.integers = False  # which the file's kernels will round themselves
    twin = plain(rewritten, ranges=True)
    np.testing.assert_allclose(twin(IMAGES), rewritten(IMAGES), atol=1e-6)
    without = plain(rewritten, ranges=False)
    assert {type(layer).__module__.partition(".")[0] for layer in without.layers} == {"keras"}


def test_its_int8_file_computes_in_integers_and_agrees(float_network, tmp_path):
    from fer.config import compose
    from fer.deployment.operations import operations
    from fer.device.runner import Runner

    rewritten = rounded_and_seen(float_network)
    expected = np.asarray(rewritten(IMAGES))
    file = compose("export", "export=int8").export.write(rewritten, tmp_path / "int8", IMAGES)
    steps = operations(file.read_bytes())
    kinds = {kind for step in steps[:-1] for _, kind in step.outputs}
    assert kinds == {"INT8"}, [(step.name, step.layer) for step in steps if step.outputs[0][1] != "INT8"]
    runner = Runner(file.read_bytes(), kernels="own")
    assert np.abs(np.stack([runner(image) for image in IMAGES]) - expected).max() < 0.03


def _convolutions(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.Conv2D(8, 3, 2, padding="same")(layers.Conv2D(8, 3, activation="relu")(x))
    return layers.DepthwiseConv2D(3, 2, depth_multiplier=2, activation="relu6")(layers.DepthwiseConv2D(3)(x))


def _residual(x: keras.KerasTensor) -> keras.KerasTensor:
    pooled = layers.Conv2D(8, 1)(layers.AveragePooling2D(2, padding="same")(x))
    x = layers.ReLU(6.0)(layers.Add()([layers.Conv2D(8, 3, 2, padding="same")(x), pooled]))
    return layers.GlobalAveragePooling2D()(x)


def _sizes(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.LeakyReLU()(layers.AveragePooling2D(2)(layers.MaxPooling2D(3, 1)(x)))
    return layers.GlobalAveragePooling2D()(x)


def _one_axis(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.MaxPooling1D(2)(layers.Conv1D(6, 3, activation="relu")(layers.Reshape((143, 8))(x)))


@pytest.mark.parametrize("middle", [_convolutions, _residual, _sizes, _one_axis])
def test_a_rounded_network_gives_the_integers_of_its_file(tmp_path, middle):
    from fer.config import compose
    from fer.device.runner import Runner

    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(keras.ops.image.resize(inputs, (11, 13)))
    x = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.Dense(6)(layers.Dense(16, activation="relu")(layers.Flatten()(middle(x))))
    rewritten = compress(keras.Model(inputs, x), rounds=True, pruning=None)
    rewritten(IMAGES, training=True)
    file = compose("export", "export=int8").export.write(rewritten, tmp_path / "int8", IMAGES)
    runner = Runner(file.read_bytes(), kernels="own")
    given, expected = np.stack([runner(image) for image in IMAGES]), np.asarray(rewritten(IMAGES))
    assert len(np.unique(given)) > 50
    np.testing.assert_allclose(given, expected.reshape(given.shape), atol=1e-6)


@pytest.mark.parametrize(("size", "exact_too"), [((28, 30), False), ((6, 24), True)])
def test_images_are_resized_as_the_integers_of_the_file_will(tmp_path, size, exact_too):
    from fer.config import compose
    from fer.device.runner import Runner

    inputs = keras.Input((12, 12, 3), name="image")
    rewritten = compress(keras.Model(inputs, keras.ops.image.resize(inputs, size)), rounds=True, pruning=None)
    rewritten(np.array([0, 255], np.float32)[:, None, None, None] * np.ones((12, 12, 3), np.float32), training=True)
    exporter = compose("export", "export=int8").export
    runner = Runner(exporter.write(rewritten, tmp_path / "int8", IMAGES).read_bytes(), kernels="reference")
    given = np.stack([runner(image) for image in IMAGES[:8]])
    np.testing.assert_array_equal(given, np.asarray(rewritten(IMAGES[:8])).reshape(given.shape))
    exact = np.asarray(keras.ops.image.resize(IMAGES[:8], size)).reshape(given.shape)
    assert ((np.abs(given - exact) > 0.51).mean() < 0.05) == exact_too, "where 1024ths of a pixel say it exactly"
