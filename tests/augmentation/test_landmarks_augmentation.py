import numpy as np
import pytest

from fer.augmentation.landmarks import Landmarks
from fer.base import DataSpec
from fer.errors import ConfigError
from fer.mesh478 import mirror_of

SPEC = DataSpec(name="test", kind="landmarks", shape=(72, 3), classes=("a", "b"), mirror=mirror_of("expression"))
FACES = np.random.default_rng(0).normal(0, 1, (400, 72, 3)).astype(np.float32)
LABELS = np.arange(400) % 2


def changed(spec: DataSpec = SPEC, faces: np.ndarray = FACES, seed: int = 1, **settings: float) -> np.ndarray:
    nothing = {"jitter": 0.0, "rotation": 0.0, "turn": 0.0, "scale": 0.0, "mirror": 0.0, "dropout": 0.0}
    augment = Landmarks(**(nothing | settings)).build(spec)
    inputs, targets = augment(faces, LABELS, seed)
    assert targets is LABELS
    assert (inputs.dtype, inputs.shape) == (np.float32, faces.shape)
    return inputs


def test_nothing_is_changed_where_nothing_is_asked_for():
    np.testing.assert_allclose(changed(), FACES, atol=1e-6)


def test_the_same_seed_gives_the_same_batch():
    some = {"jitter": 0.1, "rotation": 9.0, "turn": 9.0, "scale": 0.1, "mirror": 0.5, "dropout": 0.1}
    np.testing.assert_array_equal(changed(**some), changed(**some))
    assert (changed(**some) != changed(**some, seed=2)).any()


def test_a_mirror_changes_sides_and_points():
    mirrored = changed(mirror=1.0)
    np.testing.assert_allclose(mirrored, FACES[:, list(SPEC.mirror)] * (-1, 1, 1), atol=1e-6)
    np.testing.assert_allclose(changed(faces=mirrored, mirror=1.0), FACES, atol=1e-6)
    half = np.isclose(changed(mirror=0.5), FACES, atol=1e-6).all(axis=(1, 2)).mean()
    assert 0.4 < half < 0.6


def test_turns_keep_all_distances_and_stay_below_their_limit():
    for settings in ({"rotation": 10.0}, {"turn": 10.0}):
        turned = changed(**settings)
        np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), np.linalg.norm(FACES, axis=-1), rtol=1e-4)
        assert np.abs(turned - FACES).max() > 0.1
    turned = changed(rotation=10.0)
    angles = np.angle((turned[:, 0, 0] + 1j * turned[:, 0, 1]) / (FACES[:, 0, 0] + 1j * FACES[:, 0, 1]), deg=True)
    assert 9 < np.abs(angles).max() <= 10.01
    np.testing.assert_allclose(turned[..., 2], FACES[..., 2], atol=1e-6)


def test_scale_jitter_and_dropout_have_their_size():
    ratios = changed(scale=0.2)[:, 0, 0] / FACES[:, 0, 0]
    assert 0.8 <= ratios.min() < 0.82
    assert 1.18 < ratios.max() <= 1.2
    assert (changed(jitter=0.05) - FACES).std() == pytest.approx(0.05, rel=0.02)
    dropped = (changed(dropout=0.1) == 0).all(axis=-1)
    assert dropped.mean() == pytest.approx(0.1, abs=0.01)


def test_points_of_two_dimensions_turn_in_the_image_alone():
    spec = DataSpec(name="test", kind="landmarks", shape=(72, 2), classes=("a", "b"), mirror=SPEC.mirror)
    flat = FACES[..., :2].copy()
    np.testing.assert_allclose(changed(spec, flat, turn=20.0), flat, atol=1e-6)
    assert np.abs(changed(spec, flat, rotation=20.0) - flat).max() > 0.1


def test_points_that_are_not_centred_are_refused():
    spec = DataSpec(name="faces", kind="landmarks", shape=(72, 3), classes=("a", "b"))
    with pytest.raises(ConfigError) as caught:
        changed(spec)
    assert str(caught.value) == ("augmentation: expected points of faces that are centred (dataset.shape.centre=true)")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"jitter": -1.0}, "jitter: expected 0 or more, got -1.0"),
        ({"rotation": 200.0}, "rotation: expected a value from 0 to 180, got 200.0"),
        ({"turn": 95.0}, "turn: expected a value from 0 to 90, got 95.0"),
        ({"scale": 1.0}, "scale: expected a value from 0 to 0.9, got 1.0"),
        ({"mirror": 2.0}, "mirror: expected a value from 0 to 1, got 2.0"),
        ({"dropout": 1.0}, "dropout: expected a value from 0 to 0.99, got 1.0"),
    ],
)
def test_settings_out_of_range(settings, text):
    with pytest.raises(ConfigError) as caught:
        changed(**settings)
    assert str(caught.value) == text
