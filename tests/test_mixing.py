import numpy as np
import pytest

from fer.config import compose
from fer.errors import ConfigError
from fer.mixing import Mixing, mixed, mixed_labels

IMAGES = np.stack([np.full((4, 4, 1), level, np.float32) for level in (0, 100)])
LABELS = np.eye(2, dtype=np.float32)


def plan(**changes):
    nothing = {
        "partner": np.array([1, 0], np.int32),
        "share": np.ones(2, np.float32),
        "patch": np.zeros((2, 4), np.int32),
        "hole": np.zeros((2, 4), np.int32),
        "kept": np.ones(2, np.float32),
    }
    return nothing | changes


def test_mixup_by_hand():
    half = plan(share=np.array([0.25, 0.5], np.float32), kept=np.array([0.25, 0.5], np.float32))
    assert mixed(IMAGES, half)[:, 0, 0, 0].tolist() == [75, 50]
    assert mixed_labels(LABELS, half).tolist() == [[0.25, 0.75], [0.5, 0.5]]


def test_cutmix_by_hand():
    patch = np.array([[0, 0, 2, 4], [1, 1, 2, 2]], np.int32)
    first, second = mixed(IMAGES, plan(patch=patch))[..., 0]
    assert first.tolist() == [[100] * 4, [100] * 4, [0] * 4, [0] * 4]
    assert second.sum() == 1500
    assert second[1, 1] == 0


def test_erasing_sets_a_rectangle_to_the_mean():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    images = np.concatenate([image, image])
    erased = mixed(images, plan(hole=np.array([[0, 0, 1, 2], [0, 0, 0, 0]], np.int32)))
    assert erased[0, 0, :2, 0].tolist() == [7.5, 7.5]
    assert np.array_equal(erased[0, 1:], image[0, 1:])
    assert np.array_equal(erased[1], image[0])


def test_the_label_keeps_what_the_patch_leaves():
    drawn = Mixing(mixup=0, cutmix=1, erasing=0).draw(500, (10, 10), np.random.default_rng(0))
    top, left, bottom, right = drawn["patch"].T
    assert np.allclose(drawn["kept"], 1 - (bottom - top) * (right - left) / 100)
    assert 0 < drawn["kept"].min() < 0.2
    assert np.all(drawn["share"] == 1)
    assert sorted(drawn["partner"]) == list(range(500))


def test_one_of_the_two_is_chosen_for_each_batch():
    mixing = Mixing(mixup=0.2, cutmix=1, erasing=0)
    plans = [mixing.draw(8, (10, 10), np.random.default_rng(seed)) for seed in range(200)]
    mixups = [bool((each["share"] < 1).any()) for each in plans]
    assert all(is_mixup != bool(each["patch"].any()) for is_mixup, each in zip(mixups, plans, strict=True))
    assert 60 < sum(mixups) < 140


def test_erasing_has_the_papers_sizes():
    holes = Mixing(mixup=0, cutmix=0, erasing=0.5).draw(4000, (100, 100), np.random.default_rng(1))["hole"]
    area = (holes[:, 2] - holes[:, 0]) * (holes[:, 3] - holes[:, 1])
    assert 0.45 < (area > 0).mean() < 0.55
    assert area.max() <= 3400


def test_the_device_mixes_as_the_host_does():
    from keras import ops

    random = np.random.default_rng(3)
    images = random.uniform(0, 255, (16, 12, 12, 1)).astype(np.float32)
    for mixing in (Mixing(mixup=1, cutmix=0, erasing=1), Mixing(mixup=0, cutmix=1, erasing=0.5)):
        drawn = mixing.draw(16, (12, 12), random)
        tensors = {name: ops.convert_to_tensor(values) for name, values in drawn.items()}
        on_device = ops.convert_to_numpy(mixed(ops.convert_to_tensor(images), tensors, ops))
        np.testing.assert_allclose(on_device, mixed(images, drawn), atol=1e-3)


def test_labels_are_not_mixed_where_there_are_none():
    with pytest.raises(ConfigError) as caught:
        compose("train", "dataset.target=points", "loss=mse", "mixing.mixup=0.2")
    assert str(caught.value) == "mixing: expected mixup and cutmix to be 0, since synthetic has no classes"
