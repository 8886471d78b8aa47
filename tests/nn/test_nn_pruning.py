import keras
import numpy as np
import pytest
from keras import ops

from fer.nn.pruning import Pruning


def masks(pruning: Pruning, kernel: np.ndarray, steps: int) -> list[np.ndarray]:
    pruning.build(keras.layers.Layer())
    return [ops.convert_to_numpy(pruning.mask(ops.convert_to_tensor(kernel), True)) for _ in range(steps)]


def test_the_smallest_weights_go_along_the_cubic_schedule():
    kernel = np.random.default_rng(0).permutation(np.arange(1, 1001)).reshape(10, 100).astype(np.float32)
    found = masks(Pruning(sparsity=0.8, pattern="unstructured", steps=10), kernel, 12)
    shares = [1 - mask.mean() for mask in found]
    expected = [0.8 * (1 - (1 - min(step, 10) / 10) ** 3) for step in range(1, 13)]
    assert shares == pytest.approx(expected, abs=1e-3)
    assert kernel[found[-1] == 0].max() < kernel[found[-1] == 1].min()


def test_two_of_four_neighbours_along_the_inputs_go():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 5)).astype(np.float32)
    last = masks(Pruning(sparsity=0.5, pattern="2:4", steps=2), kernel, 2)[-1]
    groups, sizes = (np.reshape(each, (18, 4, 5)) for each in (last, np.abs(kernel)))
    assert (groups.sum(axis=1) == 2).all()
    kept = np.where(groups == 1, sizes, np.inf).min(axis=1)
    assert (kept > np.where(groups == 0, sizes, -np.inf).max(axis=1)).all()


def test_a_kernel_that_has_no_groups_of_four_stays():
    assert masks(Pruning(sparsity=0.5, pattern="2:4", steps=1), np.ones((3, 3, 1, 5), np.float32), 1)[0].all()


def test_nothing_counts_outside_training():
    pruning = Pruning(sparsity=0.5, pattern="unstructured", steps=1)
    pruning.build(keras.layers.Layer())
    assert ops.convert_to_numpy(pruning.mask(ops.ones((4, 4)), False)).all()
