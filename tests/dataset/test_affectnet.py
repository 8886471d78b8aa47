import logging
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer import artifact
from fer.dataset.affectnet import CLASSES, AffectNet
from fer.errors import ConfigError, DataError
from fer.splits import Splits

COUNTS = {"train_set": 3, "val_set": 1}
"""Images of each of the eight classes."""


def tree(folder: Path) -> Path:
    """The layout of the copy for research: names are numbers, labels are text in .npy files of no dimension."""
    for part, each in COUNTS.items():
        for name in ("images", "annotations"):
            (folder / part / name).mkdir(parents=True)
        for number in range(8 * each):
            colour = (20 * (number % 8), 200 if part == "val_set" else 90, 7 * (number // 8))
            Image.new("RGB", (30, 40), colour).save(folder / part / f"images/{number}.jpg", quality=100, subsampling=0)
            for end, value in (("exp", str(number % 8)), ("aro", "0.25"), ("val", "-0.5"), ("lnd", "1.0")):
                np.save(folder / part / f"annotations/{number}_{end}.npy", np.array(value))
    return folder


def dataset(folder: Path, **changes) -> AffectNet:
    splits = Splits(train="train_set", validation="0.3", test="val_set")
    settings = {"path": str(folder), "classes": 8, "size": 32, "colour": True, "splits": splits, "seed": 0}
    return AffectNet(**(settings | {"cache": str(folder / "cache"), "bad_files": "stop"} | changes))


def error(folder: Path, **changes) -> str:
    with pytest.raises(DataError) as caught:
        dataset(folder, **changes).load("train")
    return str(caught.value)


def test_parts_and_classes_in_their_own_order(tmp_path):
    made = dataset(tree(tmp_path))
    assert made.spec().classes == CLASSES
    assert made.spec().classes[5:] == ("disgust", "anger", "contempt")
    assert {split: np.bincount(made.load(split).targets).tolist() for split in made.available()} == {
        "train": [2] * 8,
        "validation": [1] * 8,
        "test": [1] * 8,
    }


def test_seven_classes_leave_out_contempt(tmp_path):
    made = dataset(tree(tmp_path), classes=7)
    assert made.spec().classes == CLASSES[:7]
    assert np.bincount(made.load("test").targets).tolist() == [1] * 7


def test_images_are_decoded_when_they_are_asked_for(tmp_path):
    test = dataset(tree(tmp_path)).load("test")
    assert test.source.shape == (32, 32, 32, 3)
    assert test.inputs(slice(0, 3)).dtype == np.uint8
    for sample in (0, 5):
        number = int(re.findall(r"(\d+)\.jpg", test.name(sample))[0])
        np.testing.assert_allclose(test.inputs(sample)[16, 16], (20 * (number % 8), 200, 0), atol=4)
        assert test.targets[sample] == number % 8
    assert test.inputs(np.array([2, 0])).shape == (2, 32, 32, 3)
    assert test.inputs(np.array([2, 0]))[1].tolist() == test.inputs(0).tolist()
    assert dataset(tmp_path, colour=False).load("test").inputs(0).shape == (32, 32, 1)


def test_a_damaged_image_is_named_when_it_is_read(tmp_path):
    (tree(tmp_path) / "val_set/images/3.jpg").write_bytes(b"no image")
    test = dataset(tmp_path).load("test")
    with pytest.raises(DataError, match=r"val_set/images/3\.jpg cannot be read: cannot identify .*; get it again$"):
        test.inputs(slice(None))


def test_labels_are_read_as_text_or_numbers_and_others_than_expressions_left_out(tmp_path):
    place = tree(tmp_path) / "val_set/annotations"
    for number, value in enumerate((np.array(3), np.array([4], np.uint8), np.array("10"), np.array(b"7"))):
        np.save(place / f"{number}_exp.npy", value)
    test = dataset(tmp_path).load("test")
    labels = {re.findall(r"(\d+)\.jpg", test.name(row))[0]: int(test.targets[row]) for row in range(len(test))}
    assert [labels.get(str(number)) for number in range(5)] == [3, 4, None, 7, 4]


def test_images_and_annotations_without_their_other(tmp_path):
    (tree(tmp_path) / "train_set/images/3.jpg").unlink()
    text = "annotations/3_exp.npy: no image of that name; mend it, or leave it out: dataset.bad_files=skip"
    assert error(tmp_path) == f"affectnet: {tmp_path}/train_set/{text}"
    (tmp_path / "train_set/annotations/3_exp.npy").unlink()
    (tmp_path / "train_set/annotations/4_exp.npy").unlink()
    text = "4.jpg: no annotations/4_exp.npy; mend it, or leave it out: dataset.bad_files=skip"
    assert error(tmp_path) == f"affectnet: {tmp_path}/train_set/{text}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no label in it"), (b"happy", "no label in it"), (None, "expected a label from 0 to 10, got 11")],
)
def test_labels_that_cannot_be_used(tmp_path, content, reason):
    file = tree(tmp_path) / "train_set/annotations/0_exp.npy"
    if content is None:
        np.save(file, np.array("11"))
    else:
        file.write_bytes(content)
    assert error(tmp_path).startswith(f"affectnet: {tmp_path}/train_set/0.jpg: {reason}")


def test_bad_files_are_left_out_and_told_each_time(tmp_path, caplog):
    (tree(tmp_path) / "train_set/annotations/4_exp.npy").unlink()
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "fer"):
            made = dataset(tmp_path, bad_files="skip")
            assert len(made.load("train")) + len(made.load("validation")) == 23
        assert caplog.messages == [
            "affectnet: 1 of 32 samples cannot be read: train_set/4.jpg: no annotations/4_exp.npy"
        ]


def test_the_list_is_made_anew_when_a_folder_changes(tmp_path):
    assert len(dataset(tree(tmp_path)).load("test")) == 8
    Image.new("RGB", (30, 40)).save(tmp_path / "val_set/images/99.jpg")
    np.save(tmp_path / "val_set/annotations/99_exp.npy", np.array("2"))
    assert len(dataset(tmp_path).load("test")) == 9


def test_a_fingerprint_reads_no_pixels_and_tells_other_files(tmp_path):
    tree(tmp_path)
    before = artifact.fingerprint(dataset(tmp_path).load("test"))
    assert artifact.fingerprint(dataset(tmp_path).load("test")) == before
    (tmp_path / "val_set/images/3.jpg").write_bytes(b"no image")
    assert artifact.fingerprint(dataset(tmp_path).load("test")) != before


def test_nothing_there(tmp_path):
    assert error(tmp_path) == (
        f"affectnet: nothing to read at {tmp_path}: expected train_set/ and val_set/, each with images/ and "
        "annotations/; set dataset.path (its authors give AffectNet out for research: mohammadmahoor.com)"
    )
    with pytest.raises(ConfigError, match=r"^classes: expected one of 7, 8, got 6$"):
        dataset(tmp_path, classes=6)


def test_images_are_read_in_constant_memory(tmp_path):
    folder = tree(tmp_path) / "train_set"
    for number in range(24, 3000):
        (folder / f"images/{number}.jpg").symlink_to(folder / f"images/{number % 8}.jpg")
        (folder / f"annotations/{number}_exp.npy").symlink_to(folder / f"annotations/{number % 8}_exp.npy")
    train = dataset(tmp_path, size=64).load("train")
    train.inputs(slice(0, 64))
    tracemalloc.start()
    for start in range(0, len(train), 64):
        train.inputs(slice(start, start + 64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6 < len(train) * 64 * 64 * 3
