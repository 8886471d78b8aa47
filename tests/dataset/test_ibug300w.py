import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.dataset.ibug300w import Ibug300w
from fer.drawing import draw_face
from fer.errors import ConfigError, DataError
from fer.ibug68 import MIRROR
from fer.splits import Splits

FACES = {
    **{f"afw/{number}_1.jpg": number for number in range(10)},
    **{f"helen/trainset/{number}_1.jpg": 20 + number for number in range(20)},
    **{f"helen/testset/{number}_1.jpg": 50 + number for number in range(3)},
    "ibug/image_003_1.jpg": 60,
}
CORNER = np.array([60, 40])


def tree(folder: Path, names=FACES, change: Callable[[str, np.ndarray], np.ndarray] = lambda _, points: points) -> Path:
    """Drawn faces of 96 pixels, each in the lower right of an image of 160 by 140, in dlib's layout."""
    entries = []
    for name, seed in names.items():
        pixels, points = draw_face("happy", 96, np.random.default_rng(seed), colour=True)
        image = np.full((140, 160, 3), 90, np.uint8)
        image[40:136, 60:156] = pixels
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name, quality=95)
        marks = change(name, points + CORNER) - 0.5
        parts = "".join(f"<part name='{i:02}' x='{x:.3f}' y='{y:.3f}'/>" for i, (x, y) in enumerate(marks))
        low, high = points.min(axis=0) + CORNER, points.max(axis=0) + CORNER
        (left, top), (width, height) = low, high - low
        box = f"left='{left:.2f}' top='{top:.2f}' width='{width:.2f}' height='{height:.2f}'"
        entries.append(f"<image file='{name}'><box {box}>{parts}</box></image>")
    text = f"<dataset><images>{''.join(entries)}</images></dataset>"
    (folder / "labels_ibug_300W_train.xml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return tree(tmp_path_factory.mktemp("ibug"))


def dataset(folder: Path, **changes) -> Ibug300w:
    splits = Splits(train="train", validation="0.1", test="common+challenge")
    settings = {"path": str(folder), "size": 64, "colour": False, "margin": 0.15, "box_shift": 0.0, "box_scale": 0.0}
    settings |= {"splits": splits, "seed": 0, "cache": str(folder / "cache"), "bad_faces": "stop"}
    return Ibug300w(**(settings | changes))


def error(folder: Path, **changes) -> str:
    with pytest.raises(DataError) as caught:
        dataset(folder, **changes).load("train")
    return str(caught.value)


def test_parts_and_fractions_of_each_subset(faces):
    made = dataset(faces)
    assert made.spec().shape == (64, 64, 1)
    assert (made.spec().points, made.spec().mirror) == (68, MIRROR)
    sizes = {split: len(made.load(split)) for split in made.available()}
    assert sizes == {"train": 27, "validation": 3, "test": 4}
    held = [made.load("validation").name(row).split("/")[0] for row in range(3)]
    assert sorted(held) == ["afw", "helen", "helen"], "a tenth of the 10 and of the 20"


def test_a_part_can_be_judged_alone(faces):
    splits = Splits(train="train", validation="0.1", test="challenge")
    test = dataset(faces, splits=splits).load("test")
    assert [test.name(row) for row in range(len(test))] == ["ibug/image_003_1.jpg"]


def test_the_crop_is_the_box_with_its_margin(faces):
    train = dataset(faces, margin=0.25).load("train")
    assert train.inputs(slice(None)).dtype == np.uint8
    assert train.targets.shape == (27, 68, 2)
    sides = np.ptp(train.targets, axis=1).max(axis=1)
    np.testing.assert_allclose(sides, 64 / 1.5, atol=0.2)
    centres = (train.targets.min(axis=1) + train.targets.max(axis=1)) / 2
    np.testing.assert_allclose(centres, 32, atol=0.2)


def test_points_stay_on_their_pixels(faces):
    """The white of the teeth or the dark of the mouth is where the points say, whatever the crop."""
    for changes in ({}, {"box_shift": 0.2, "box_scale": 0.2}, {"margin": 1.0}, {"colour": True}):
        train = dataset(faces, size=96, **changes).load("train")
        image = train.inputs(0)[..., 0].astype(float)
        full, points = draw_face("happy", 96, np.random.default_rng(int(re.findall(r"\d+", train.name(0))[0])))
        step = np.ptp(points[:, 0]) / np.ptp(train.targets[0][:, 0])
        grid = np.stack(np.meshgrid(np.arange(-6, 7), np.arange(-6, 7)), axis=-1) / step
        centre, where = train.targets[0][48:].mean(axis=0), points[48:].mean(axis=0)
        seen = image[tuple((centre + grid).astype(int).reshape(-1, 2).T[::-1])]
        drawn = full[..., 0][tuple((where + grid * step).astype(int).reshape(-1, 2).T[::-1])]
        assert np.corrcoef(seen, drawn)[0, 1] > 0.75, changes


def test_boxes_move_by_up_to_their_share_and_always_alike(faces):
    still, moved = dataset(faces).load("train"), dataset(faces, box_shift=0.1).load("train")
    shifts = (moved.targets - still.targets).mean(axis=1) / (64 / 1.3)
    assert 0.05 < np.abs(shifts).max() <= 0.1 + 1e-6
    np.testing.assert_array_equal(dataset(faces, box_shift=0.1).load("train").targets, moved.targets)
    assert (dataset(faces, box_shift=0.1, seed=1).load("train").targets[0] != moved.targets[0]).any()


def test_boxes_grow_and_shrink_by_up_to_their_share(faces):
    still, scaled = dataset(faces).load("train"), dataset(faces, box_scale=0.1).load("train")
    ratios = np.ptp(still.targets, axis=1)[:, 0] / np.ptp(scaled.targets, axis=1)[:, 0]
    assert 0.9 <= ratios.min() < 0.97
    assert 1.03 < ratios.max() <= 1.1 + 1e-6


def test_the_faces_of_a_photo_and_their_mirrors_stay_together(tmp_path):
    names = {
        f"afw/{photo}_{face}{copy}.jpg": photo for photo in range(8) for face in (1, 2) for copy in ("", "_mirror")
    }
    splits = Splits(train="train", validation="0.25", test="0.25")
    made = dataset(tree(tmp_path, names), splits=splits)
    photos = [
        {made.load(split).name(row).split("_")[0] for row in range(len(made.load(split)))} for split in made.available()
    ]
    assert [len(each) for each in photos] == [4, 2, 2]
    assert len(set.union(*photos)) == 8


def test_a_bad_face_stops_or_is_left_out_and_told(tmp_path, caplog):
    tree(tmp_path)
    (tmp_path / "afw/3_1.jpg").unlink()
    text = f"ibug300w: {tmp_path}: afw/3_1.jpg: the image is not there; mend it, or leave out what cannot be used: "
    assert error(tmp_path) == f"{text}dataset.bad_faces=skip"
    with caplog.at_level(logging.WARNING, "fer"):
        assert len(dataset(tmp_path, bad_faces="skip").load("train")) == 26
    assert caplog.messages == ["ibug300w: 1 of 34 samples cannot be read: afw/3_1.jpg: the image is not there"]


def test_points_outside_the_image(tmp_path):
    def change(name: str, points: np.ndarray) -> np.ndarray:
        return points + ((70, 0) if name == "afw/3_1.jpg" else 0)

    assert error(tree(tmp_path, change=change)).startswith(
        f"ibug300w: {tmp_path}: afw/3_1.jpg: points lie up to 50 pixels outside the image of 160x140; "
    )


def test_damaged_image(tmp_path):
    (tree(tmp_path) / "afw/3_1.jpg").write_bytes(b"no image")
    assert "afw/3_1.jpg: cannot identify image file" in error(tmp_path)


def test_swapped_points_are_told(tmp_path, caplog):
    def change(name: str, points: np.ndarray) -> np.ndarray:
        return points[list(MIRROR)] if name in ("afw/1_1.jpg", "afw/4_1.jpg") else points

    with caplog.at_level(logging.WARNING, "fer"):
        dataset(tree(tmp_path, change=change)).load("train")
    assert caplog.messages == ["ibug300w: left and right points are swapped in 2 of 34 faces: afw/1_1.jpg, afw/4_1.jpg"]


def test_a_changed_annotation_gets_a_new_crop(tmp_path):
    before = dataset(tree(tmp_path)).load("train").targets
    file = tmp_path / "labels_ibug_300W_train.xml"
    file.write_text(re.sub(r"width='[\d.]+'", "width='120'", file.read_text()))
    assert (dataset(tmp_path).load("train").targets != before).any()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"size": 16}, "size: expected a value from 32 to 512, got 16"),
        ({"margin": 2.0}, "margin: expected a value from 0 to 1, got 2.0"),
        ({"box_shift": 0.6}, "box_shift: expected a value from 0 to 0.5, got 0.6"),
        ({"box_scale": -0.1}, "box_scale: expected a value from 0 to 0.5, got -0.1"),
        ({"bad_faces": "keep"}, "bad_faces: expected one of stop, skip, got 'keep'"),
    ],
)
def test_settings_out_of_range(tmp_path, change, text):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        dataset(tmp_path, **change)
