import keras
import numpy as np
import pytest

from fer.errors import ConfigError
from fer.nn.weights import load_weights


def network(units: int = 3, layers: int = 2) -> keras.Model:
    return keras.Sequential(
        [keras.Input((4,)), *(keras.layers.Dense(units, name=f"dense_{i}") for i in range(layers))], name="small"
    )


def same(one: keras.Model, other: keras.Model) -> bool:
    return all(map(np.array_equal, one.get_weights(), other.get_weights()))


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_a_file_gives_its_weights_bit_for_bit(tmp_path, name):
    source, target = network(), network()
    assert not same(source, target)
    (source.save if name.endswith(".keras") else source.save_weights)(tmp_path / name)
    load_weights(target, str(tmp_path / name))
    assert same(source, target)


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    source, target = network(), network()
    source.save(tmp_path / "model.keras")
    load_weights(target, "~/model.keras")
    assert same(source, target)


def test_a_part_is_taken_where_there_is_one(tmp_path):
    inputs = keras.Input((4,))
    trunk = keras.Model(inputs, keras.layers.Dense(3)(inputs), name="trunk")
    whole = keras.Model(inputs, keras.layers.Dense(2)(trunk(inputs)))
    whole.save(tmp_path / "whole.keras")
    target = network(layers=1)
    load_weights(target, str(tmp_path / "whole.keras"), part="trunk")
    assert same(trunk, target)
    network(layers=1).save(tmp_path / "without.keras")
    load_weights(target, str(tmp_path / "without.keras"), part="trunk")
    assert not same(trunk, target), "a file without that part is taken whole"


def test_the_outputs_begin_anew_for_other_classes(tmp_path, caplog):
    source, target = (
        keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(3, name="hidden"), keras.layers.Dense(classes, name="outputs")]
        )
        for classes in (7, 8)
    )
    source.save(tmp_path / "model.keras")
    before = target.layers[1].get_weights()
    with caplog.at_level("INFO"):
        load_weights(target, str(tmp_path / "model.keras"))
    assert all(map(np.array_equal, source.layers[0].get_weights(), target.layers[0].get_weights()))
    assert all(map(np.array_equal, before, target.layers[1].get_weights()))
    assert caplog.messages == ["the outputs begin anew: the file has 7 of them, this dataset wants 8"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (network(layers=3), "expected 4 arrays, got 6"),
        (network(units=5), "expected small/dense_0/kernel of shape (4, 3), got (4, 5)"),
    ],
    ids=["depth", "width"],
)
def test_a_model_that_does_not_fit_is_refused_and_nothing_is_changed(tmp_path, source, reason):
    file = tmp_path / "model.keras"
    source.save(file)
    target = network()
    before = target.get_weights()
    with pytest.raises(ConfigError) as caught:
        load_weights(target, str(file))
    assert str(caught.value) == f"weights: {file} does not fit small: {reason}"
    assert all(map(np.array_equal, before, target.get_weights()))


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5", "model.txt"])
@pytest.mark.parametrize("content", [b"not a model", b"PK\x03\x04 half a zip", b""])
def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_weights(network(), str(file))
    assert str(caught.value).startswith(f"weights: {file} does not fit small: ")
    assert "\n" not in str(caught.value)


def test_a_model_with_layers_of_its_own_is_refused_in_one_line(tmp_path):
    class Strange(keras.layers.Layer):
        def call(self, x):
            return x

    file = tmp_path / "model.keras"
    keras.Sequential([keras.Input((4,)), Strange()]).save(file)
    with pytest.raises(ConfigError) as caught:
        load_weights(network(), str(file))
    assert str(caught.value).startswith(f"weights: {file} does not fit small: ")
    assert "Strange" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_holds_code_is_not_run(tmp_path):
    file = tmp_path / "model.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x)]).save(file)
    with pytest.raises(ConfigError, match="Lambda"):
        load_weights(network(), str(file))
