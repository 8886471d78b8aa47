import time
from collections import Counter

import keras
import numpy as np
import pytest

from fer.base import DataSpec, Samples
from fer.config import compose
from fer.pipeline import Batches, class_weights, oversampled
from fer.task import task_of

SPEC = DataSpec(name="test", kind="image", shape=(8, 8, 1), classes=("a", "b", "c"))
LABELS = np.array([0] * 13 + [1] * 7 + [2] * 2)


def samples() -> Samples:
    """22 images; each pixel of an image is its number. They are every other row of what a dataset holds."""
    source = np.repeat(np.arange(44, dtype=np.uint8) // 2, 64).reshape(44, 8, 8, 1)
    source[1::2] = 255
    return Samples(source=source, rows=np.arange(0, 44, 2), targets=LABELS, names=[str(row) for row in range(44)])


def batches(**settings) -> Batches:
    return Batches(samples(), task_of(SPEC), **{"batch_size": 5, "seed": 0, **settings})


def content(some: Batches) -> list[tuple[np.ndarray, ...]]:
    return [some[index] for index in range(len(some))]


def numbers(some: list[tuple[np.ndarray, ...]]) -> list[int]:
    """Return the numbers of the images, in order."""
    return np.concatenate([batch[0] for batch in some])[:, 0, 0, 0].tolist()


def equal(ones, others) -> bool:
    return len(ones) == len(others) and all(
        len(one) == len(other) and all(map(np.array_equal, one, other)) for one, other in zip(ones, others, strict=True)
    )


def stamp(inputs: np.ndarray, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Write the seed into a pixel, after as long as it says: threads finish in another order than they began."""
    time.sleep(seed % 7 / 500)
    inputs = inputs.copy()
    inputs[:, 1, 1, 0] = seed % 251
    return inputs, targets


def test_every_sample_comes_once_an_epoch_with_its_own_label():
    some = batches()
    for epoch in range(3):
        some.begin(epoch)
        seen = content(some)
        assert [len(inputs) for inputs, _ in seen] == [5, 5, 5, 5, 2], "the rest is a smaller batch"
        assert sorted(numbers(seen)) == list(range(22))
        labels = np.concatenate([encoded.argmax(axis=1) for _, encoded in seen])
        np.testing.assert_array_equal(labels, LABELS[numbers(seen)])


def test_images_stay_bytes_and_labels_are_encoded():
    inputs, encoded = batches()[0]
    assert (inputs.dtype, inputs.shape) == (np.uint8, (5, 8, 8, 1))
    assert (encoded.dtype, encoded.shape) == (np.float32, (5, 3))


def test_the_order_is_that_of_seed_and_epoch():
    some = batches(augment=stamp)
    epochs = []
    for epoch in (0, 1, 2):
        some.begin(epoch)
        epochs.append(content(some))
    orders = [numbers(seen) for seen in epochs]
    assert len(set(map(tuple, [*orders, range(22)]))) == 4, "no two alike, and none as it was"
    some.begin(1)
    assert equal(content(some), epochs[1]), "after a resume"
    assert equal([some[index] for index in reversed(range(len(some)))][::-1], epochs[1]), "in any order"
    other = batches(seed=1)
    other.begin(1)
    assert numbers(content(other)) != orders[1]


def test_each_batch_of_each_epoch_is_augmented_with_a_seed_of_its_own():
    seeds = []
    some = batches(augment=lambda inputs, targets, seed: (inputs, targets) if seeds.append(seed) is None else None)
    for epoch in range(3):
        some.begin(epoch)
        content(some)
    assert len(set(seeds)) == 15
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_without_a_seed_the_order_is_the_samples_own():
    some = batches(seed=None)
    for epoch in (0, 1):
        some.begin(epoch)
        assert numbers(content(some)) == list(range(22))


def test_class_weights_are_those_by_hand():
    np.testing.assert_allclose(class_weights(np.array([3, 1, 2])), [6 / 9, 2, 1])


def test_weights_come_with_their_samples_and_count_each_class_the_same():
    total = Counter()
    for inputs, encoded, weights in content(batches(balance="class_weights")):
        assert weights.dtype == np.float32
        labels = LABELS[inputs[:, 0, 0, 0]]
        np.testing.assert_array_equal(encoded.argmax(axis=1), labels)
        np.testing.assert_allclose(weights, (22 / (3 * np.array([13, 7, 2])))[labels], rtol=1e-6)
        for label, weight in zip(labels, weights, strict=True):
            total[int(label)] += float(weight)
    np.testing.assert_allclose([total[label] for label in range(3)], [22 / 3] * 3, rtol=1e-6)


def test_oversampling_shows_every_class_as_often_and_all_of_its_samples():
    some = batches(balance="oversample")
    assert len(some) == 8, "3 classes of 13 make 39, in batches of 5"
    orders = []
    for epoch in range(2):
        some.begin(epoch)
        orders.append(numbers(content(some)))
        assert Counter(LABELS[orders[-1]].tolist()) == {0: 13, 1: 13, 2: 13}
        assert set(orders[-1]) == set(range(22))
        assert max(Counter(orders[-1][:20]).values()) < 13, "shuffled"
    assert orders[0] != orders[1]
    some.begin(0)
    assert numbers(content(some)) == orders[0]


def test_oversampling_leaves_equal_classes_alone():
    drawn = oversampled(np.array([1, 0, 1, 0]), np.random.default_rng(0))
    assert sorted(drawn) == [0, 1, 2, 3]


class Recorder(keras.Model):
    """A model that notes the batches it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.built = True
        self.seen = []

    def call(self, inputs):
        return inputs[:, 0, 0]

    def train_step(self, data):
        # a callback hears of a batch when the next one may have begun: wait, so that what could run ahead does
        time.sleep(0.002)
        self.seen.append(tuple(np.array(part) for part in data))
        return {"loss": 0.0}

    def test_step(self, data):
        return {"loss": 0.0}


class Begin(keras.callbacks.Callback):
    """Sets the epoch and keeps what was seen in it, as a training does."""

    def __init__(self, some: Batches) -> None:
        super().__init__()
        self.batches = some
        self.epochs = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.model.seen = []
        self.batches.begin(epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs[epoch] = self.model.seen


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("balance", ["none", "class_weights", "oversample"])
def test_fit_sees_each_epoch_in_its_own_order(workers, balance):
    """Nothing of an epoch is left over for the next one, whatever was prepared ahead."""
    some = batches(augment=stamp, workers=workers, balance=balance)
    model, begin = Recorder(), Begin(some)
    model.compile(run_eagerly=True)
    first = 2  # as after a resume
    validation = batches(seed=None, workers=workers)
    model.fit(
        some, validation_data=validation, initial_epoch=first, epochs=6, shuffle=False, verbose=0, callbacks=[begin]
    )
    assert list(begin.epochs) == [2, 3, 4, 5]
    expected = batches(augment=stamp, balance=balance)
    for epoch, seen in begin.epochs.items():
        expected.begin(epoch)
        assert equal(seen, content(expected)), f"epoch {epoch}"


@pytest.mark.parametrize("workers", [1, 3])
def test_predictions_come_in_the_samples_own_order(workers):
    model = Recorder()
    some = batches(seed=None, augment=stamp, workers=workers)
    assert model.predict(some, verbose=0)[:, 0].tolist() == list(range(22))


def test_real_augmentation_is_the_same_for_any_number_of_workers():
    augment = compose("train", "augmentation=strong").augmentation.build(SPEC)
    seen = []
    for workers in (1, 3):
        some = batches(augment=augment, workers=workers)
        model, begin = Recorder(), Begin(some)
        model.compile(run_eagerly=True)
        model.fit(some, epochs=2, shuffle=False, verbose=0, callbacks=[begin])
        seen.append([*begin.epochs[0], *begin.epochs[1]])
    assert equal(*seen)
    assert not equal(seen[0][:5], seen[0][5:])


def test_class_balanced_weights_are_those_by_hand():
    weights = class_weights(np.array([1, 2]), beta=0.5)
    effective = np.array([1.0, 1.5])  # (1 - 0.5^n) / (1 - 0.5)
    expected = 3 / effective / (1 / effective @ [1, 2])
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert class_weights(np.array([4, 0, 4])).tolist() == [1, 0, 1]
