import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer import annotations
from fer.annotations import Face
from fer.errors import DataError

POINTS = np.stack([np.arange(68) + 10, np.arange(68) % 7 + 20], axis=1)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (100, 80)).save(path)


def parts(points=POINTS) -> str:
    return "".join(f"<part name='{number:02}' x='{x}' y='{y}'/>" for number, (x, y) in enumerate(points))


def entry(file: str, inside: str = "", box: str = "top='15' left='5' width='80' height='30'") -> str:
    return f"<image file='{file}'><box {box}>{inside or parts()}</box></image>"


def xml(folder: Path, *entries: str, name: str = "labels_ibug_300W_train.xml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"<?xml version='1.0'?><dataset><images>{''.join(entries)}</images></dataset>")
    return folder


def only(folder: Path) -> Face | str:
    [found] = annotations.read(folder)
    return found


def test_dlib_counts_pixels_from_their_centres(tmp_path):
    image(tmp_path / "afw/1.jpg")
    face = only(xml(tmp_path, entry("afw/1.jpg")))
    assert face.image == tmp_path / "afw/1.jpg"
    assert (face.name, face.part, face.box.tolist()) == ("afw/1.jpg", "train", [5, 15, 80, 30])
    np.testing.assert_array_equal(face.points, POINTS + 0.5)


def test_parts_come_in_any_order(tmp_path):
    image(tmp_path / "1.jpg")
    shuffled = "".join(sorted(re.findall("<part.*?/>", parts()), reverse=True))
    np.testing.assert_array_equal(only(xml(tmp_path, entry("1.jpg", shuffled))).points, POINTS + 0.5)


def test_several_faces_of_one_image_have_numbers(tmp_path):
    image(tmp_path / "1.jpg")
    two = entry("1.jpg").replace("</image>", f"<box top='1' left='1' width='9' height='9'>{parts()}</box></image>")
    assert [face.name for face in annotations.read(xml(tmp_path, two))] == ["1.jpg face 1", "1.jpg face 2"]


def test_folders_tell_the_part_and_otherwise_the_file(tmp_path):
    names = ("helen/trainset/1.jpg", "lfpw/testset/2.jpg", "ibug/3.jpg", "mine/4.jpg")
    for name in names:
        image(tmp_path / name)
    xml(tmp_path, entry(names[0]))
    xml(tmp_path, *map(entry, names[1:]), name="labels_ibug_300W_test.xml")
    xml(tmp_path, *map(entry, names), name="labels_ibug_300W.xml")  # all of them again
    assert [face.part for face in annotations.read(tmp_path)] == ["train", "common", "challenge", "test"]
    assert len(list(annotations.read(tmp_path / "labels_ibug_300W.xml"))) == 4


def test_subsets_and_photos():
    assert annotations.subset_of("afw/afw/1_2.jpg") == "afw"
    assert annotations.subset_of("HELEN/trainset/1.jpg") == "helen/trainset"
    assert annotations.subset_of("lfpw/1.jpg") == "other"
    photos = ("afw/134212_1.jpg", "afw/134212_2_mirror.jpg", "afw/134212_1.jpg face 2")
    assert {annotations.photo_of(name) for name in photos} == {"afw/134212"}
    assert annotations.photo_of("lfpw/image_0001.png") != annotations.photo_of("lfpw/image_0002.png")


def test_pts_count_pixels_from_one(tmp_path):
    image(tmp_path / "ibug/a.png")
    lines = "\n".join(f"{x} {y}" for x, y in POINTS)
    (tmp_path / "ibug/a.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    face = only(tmp_path)
    assert (face.name, face.part) == ("ibug/a.png", "challenge")
    np.testing.assert_array_equal(face.points, POINTS - 0.5)
    np.testing.assert_array_equal(face.box, [9.5, 19.5, 67, 6])


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (parts(POINTS[:67]), "expected 68 parts, got 67"),
        (parts().replace("name='67'", "name='68'"), "expected parts named 00 to 67, got 00, 01, 02, 03, 04, 05, "),
        (parts().replace("x='10'", "x='nan'"), "expected numbers, got a box or points that are not finite"),
        (parts().replace("x='10'", "x='ten'"), "could not convert string to float: 'ten'"),
    ],
)
def test_faces_that_cannot_be_used_say_why(tmp_path, inside, reason):
    image(tmp_path / "1.jpg")
    assert only(xml(tmp_path, entry("1.jpg", inside))).startswith(f"1.jpg: {reason}")


def test_other_mistakes_of_an_xml_file(tmp_path):
    image(tmp_path / "1.jpg")
    assert only(xml(tmp_path, entry("2.jpg"))) == "2.jpg: the image is not there"
    assert only(xml(tmp_path, "<image file='1.jpg'/>")) == "1.jpg: has no <box>"
    flat = entry("1.jpg", box="top='15' left='5' width='80' height='0'")
    assert only(xml(tmp_path, flat)) == "1.jpg: expected a box with a width and a height, got 80 by 0"


def test_mistakes_of_pts_files(tmp_path):
    (tmp_path / "a.pts").write_text("version: 1\n{\n1 2\n}\n")
    assert only(tmp_path) == "a.pts: no image of that name beside it"
    image(tmp_path / "a.png")
    assert only(tmp_path) == "a.pts: expected 68 lines of x and y between braces, got 1"


def test_damaged_or_missing_files(tmp_path):
    file = tmp_path / "labels_ibug_300W_train.xml"
    file.write_text("<dataset><images>")
    with pytest.raises(DataError) as caught:
        list(annotations.read(tmp_path))
    assert str(caught.value) == (f"ibug300w: {file} is damaged (no element found: line 1, column 17); get it again")
    file.write_text("<svg/>")
    with pytest.raises(DataError) as caught:
        list(annotations.read(tmp_path))
    assert str(caught.value) == f"ibug300w: {file}: expected dlib's <dataset> with <images>, got <svg>"
    with pytest.raises(DataError) as caught:
        list(annotations.read(tmp_path / "empty"))
    assert str(caught.value) == (
        f"ibug300w: nothing to read at {tmp_path}/empty: expected labels_ibug_300W_train.xml (dlib's, an XML file or "
        "the folder that holds it), or images with .pts files beside them; set dataset.path to a copy of 300-W "
        "(ibug.doc.ic.ac.uk/resources/300-W, for research) or of dlib's ibug_300W_large_face_landmark_dataset"
    )
