from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest

from fer.base import DataSpec, Stage
from fer.config import compose
from fer.errors import ConfigError

TINY = ("model=mobilenetv2", "model.alpha=0.35", "model.input_size=48")
BATCH_NORM = keras.layers.BatchNormalization


def spec(classes: int = 7, shape: tuple[int, ...] = (48, 48, 1)) -> DataSpec:
    return DataSpec(name="test", kind="image", shape=shape, classes=tuple("abcdefgh"[:classes]))


@cache
def recipe(*overrides: str):
    return compose("train", *TINY, "model.weights=none", *overrides).model


def pretrained(**settings):
    """A recipe that fine-tunes, which needs no weights until it builds."""
    return replace(recipe(), **{"weights": "imagenet", **settings})


def bare_base(alpha: float = 0.35) -> keras.Model:
    return keras.applications.MobileNetV2(input_shape=(48, 48, 3), alpha=alpha, include_top=False, weights=None)


def base_of(network: keras.Model) -> keras.Model:
    return network.get_layer("trunk").get_layer("base")


def same(ones: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


@pytest.fixture(scope="module")
def built() -> keras.Model:
    return recipe().build(spec())


@pytest.fixture
def network(built):
    """The same network for all tests, as it was built."""
    weights = built.get_weights()
    yield built
    built.set_weights(weights)
    for layer in built._flatten_layers():
        layer.trainable = True


def test_its_head_is_the_published_one(network):
    first, dense, second, output = network.get_layer("head").layers
    assert (first.rate, second.rate) == (0.5, 0.3)
    assert (dense.units, dense.activation.__name__) == (256, "relu")
    assert isinstance(dense.kernel_regularizer, keras.regularizers.L2)
    assert float(dense.kernel_regularizer.l2) == pytest.approx(1e-4)
    assert (output.units, output.activation.__name__, output.name) == (7, "softmax", "outputs")
    assert isinstance(base_of(network).layers[-1], keras.layers.GlobalAveragePooling2D)
    # 1280 features; the base itself has 410,208 parameters at a width of 0.35
    assert network.count_params() == 410_208 + (1280 * 256 + 256) + (256 * 7 + 7)


def test_its_base_sees_grey_as_three_equal_channels_from_minus_1_to_1(network):
    trunk = network.get_layer("trunk")
    seen = keras.Model(trunk.input, trunk.get_layer("scale").output)
    image = np.zeros((1, 48, 48, 1), np.float32)
    image[0, 0, :3, 0] = (0, 127.5, 255)
    values = keras.ops.convert_to_numpy(seen(image))
    assert values.shape == (1, 48, 48, 3)
    np.testing.assert_allclose(values[0, 0, :3], [[-1] * 3, [0] * 3, [1] * 3], atol=1e-6)


def test_its_base_sees_colours_in_their_order_at_its_own_size():
    built = recipe().build(spec(shape=(60, 80, 3)))
    trunk = built.get_layer("trunk")
    seen = keras.Model(trunk.input, trunk.get_layer("scale").output)
    image = np.full((1, 60, 80, 3), (0, 51, 255), np.uint8)
    values = keras.ops.convert_to_numpy(seen(image))
    assert values.shape == (1, 48, 48, 3)
    np.testing.assert_allclose(values[0, 20, 20], [-1, -0.6, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "epochs", "stages"),
    [
        ({"weights": "none"}, 12, [Stage(name="all", epochs=12)]),
        (
            {},
            12,
            [Stage(name="head", epochs=5, frozen_trunk=True), Stage(name="fine-tune", epochs=7, rate=0.1)],
        ),
        (
            {"head_epochs": 2, "fine_tune": 3, "fine_tune_rate": 0.5},
            3,
            [Stage(name="head", epochs=2, frozen_trunk=True), Stage(name="fine-tune", epochs=1, rate=0.5)],
        ),
        ({"fine_tune": 0}, 3, [Stage(name="head", epochs=3, frozen_trunk=True)]),
        ({"head_epochs": 0}, 3, [Stage(name="fine-tune", epochs=3, rate=0.1)]),
    ],
)
def test_its_stages(settings, epochs, stages):
    assert pretrained(**settings).stages(epochs) == stages


def test_a_head_that_leaves_no_epoch_to_fine_tune_is_refused():
    with pytest.raises(ConfigError) as caught:
        pretrained().stages(5)
    assert str(caught.value) == (
        "model.head_epochs: expected fewer than the 5 training.epochs, got 5; "
        "lower it, raise training.epochs, or train the head alone with model.fine_tune=0"
    )


def trained_layers(network: keras.Model) -> set[str]:
    """Return the names of the layers with weights that a step would change."""
    return {layer.name for layer in network._flatten_layers() if layer._trainable_variables and layer.trainable}


def with_weights(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers if layer.weights and not isinstance(layer, BATCH_NORM)}


def head_layers(network: keras.Model) -> set[str]:
    return {layer.name for layer in network.get_layer("head").layers if layer.weights}


def test_the_head_alone_is_trained_first(network):
    model = pretrained()
    head, tune = model.stages(12)
    model.thaw(network, head)
    assert len(network.trainable_variables) == 4
    assert trained_layers(network) == head_layers(network)
    model.thaw(network, tune)
    model.thaw(network, head)
    assert trained_layers(network) == head_layers(network), "whatever came before"


def test_then_all_layers_but_batch_norm(network):
    model = pretrained()
    for stage in model.stages(12):
        model.thaw(network, stage)
    assert trained_layers(network) == head_layers(network) | with_weights(base_of(network))


def test_or_the_last_two_blocks(network):
    model = pretrained(fine_tune=2)
    for stage in model.stages(12):
        model.thaw(network, stage)
    blocks = {"Conv_1", "block_16_expand", "block_16_depthwise", "block_16_project"}
    assert trained_layers(network) == head_layers(network) | blocks


def test_each_block_more_adds_layers_until_all_are_trained(network):
    counts = []
    for blocks in range(1, 20):
        model = pretrained(fine_tune=blocks)
        model.thaw(network, model.stages(12)[-1])
        counts.append(len(trained_layers(network)))
    assert sorted(set(counts)) == counts
    assert trained_layers(network) == head_layers(network) | with_weights(base_of(network))


def test_random_weights_are_trained_everywhere(network):
    model = recipe()
    [stage] = model.stages(12)
    network.trainable = False
    model.thaw(network, stage)
    base = base_of(network)
    norms = {layer.name for layer in base.layers if isinstance(layer, BATCH_NORM)}
    assert len(norms) == 52
    assert trained_layers(network) == head_layers(network) | with_weights(base) | norms


def step(network: keras.Model) -> dict[str, set[str]]:
    """Take one training step and return which layers of the base it changed, and in which variables."""
    before = {weight.path: np.array(weight) for weight in network.weights}
    random = np.random.default_rng(0)
    network.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", run_eagerly=True)
    network.train_on_batch(random.integers(0, 256, (4, 48, 48, 1), np.uint8), np.eye(7, dtype=np.float32)[:4])
    return {
        layer.name: {each.name for each in layer.weights if not np.array_equal(np.array(each), before[each.path])}
        for layer in base_of(network).layers
    }


def test_a_step_of_fine_tuning_changes_no_batch_norm(network):
    model = pretrained()
    model.thaw(network, model.stages(12)[-1])
    changed = step(network)
    norms = {layer.name for layer in base_of(network).layers if isinstance(layer, BATCH_NORM)}
    assert all(not changed[name] for name in norms)
    assert "kernel" in changed["Conv_1"]


def test_a_step_from_random_weights_moves_the_statistics(network):
    model = recipe()
    model.thaw(network, *model.stages(12))
    changed = step(network)
    assert {"moving_mean", "moving_variance"} <= changed["Conv_1_bn"]
    assert {"moving_mean", "moving_variance"} <= changed["bn_Conv1"]


def test_a_step_of_the_head_changes_nothing_in_the_base(network):
    model = pretrained()
    model.thaw(network, model.stages(12)[0])
    assert not any(step(network).values())


def test_a_h5_file_fills_the_base(tmp_path):
    base = bare_base()
    file = tmp_path / "base.weights.h5"
    base.save_weights(file)
    network = recipe(f"model.weights={file}").build(spec())
    assert same(base_of(network).get_weights(), base.get_weights())


def test_a_run_of_other_classes_gives_its_trunk(network, tmp_path):
    model = pretrained(fine_tune=2)
    model.thaw(network, model.stages(12)[-1])  # a finished run has fixed layers
    network.save(tmp_path / "model.keras")
    other = recipe(f"model.weights={tmp_path / 'model.keras'}").build(spec(classes=3))
    assert same(other.get_layer("trunk").get_weights(), network.get_layer("trunk").get_weights())
    assert other.output_shape == (None, 3)
    started = other.get_layer("head").layers[1].get_weights()[0]
    assert not np.array_equal(started, network.get_layer("head").layers[1].get_weights()[0]), "the head is a new one"
    assert len(other.trainable_variables) > 100, "what was fixed in the run is not fixed here"


def test_a_h5_file_of_another_width_does_not_fit(tmp_path):
    file = tmp_path / "base.weights.h5"
    bare_base(alpha=0.5).save_weights(file)
    with pytest.raises(ConfigError) as caught:
        recipe(f"model.weights={file}").build(spec())
    assert str(caught.value).startswith(f"weights: {file} does not fit base: ")
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_not_passed_over(tmp_path):
    file = tmp_path / "base.npz"
    file.write_bytes(b"weights")
    with pytest.raises(ConfigError) as caught:
        recipe(f"model.weights={file}").build(spec())
    assert str(caught.value).startswith(f"weights: {file} does not fit base: ")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["model.weights=no/base.h5"], "model.weights: no such file or folder: no/base.h5"),
        (["model.input_size=32"], "model.input_size: expected a value from 48 to 224, got 32"),
        (["model.fine_tune_rate=0"], "model.fine_tune_rate: expected more than 0, got 0.0"),
        (["model.l2=-1"], "model.l2: expected 0 or more, got -1.0"),
        (
            ["model.weights=imagenet", "model.alpha=0.6", "training.epochs=9"],
            "model.alpha: expected one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, got 0.6; did you mean '0.5'?",
        ),
    ],
)
def test_settings_that_make_no_network_are_refused(overrides, text):
    with pytest.raises(ConfigError) as caught:
        compose("train", *TINY, "model.weights=none", *overrides)
    assert str(caught.value) == text


@pytest.mark.parametrize("blocks", ["20", "-1", "some"])
def test_blocks_that_there_are_not_are_refused(blocks):
    with pytest.raises(ConfigError, match=r"^model\.fine_tune: expected one of all, 0, 1, .*, 19, got "):
        recipe(f"model.fine_tune={blocks}")
