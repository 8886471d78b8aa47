"""A row of the landmark CSV says everything of a face, and is read back as it was."""

import csv
import gzip

import numpy as np
import pytest

from fer.landmarks import BLENDSHAPES, Face
from fer.mesh_csv import HEADER, MeshCsv, header, row
from fer.workers import Images


@pytest.fixture
def face():
    rng = np.random.default_rng(0)
    points, blendshapes = rng.normal(300, 200, (478, 3)).astype(np.float32), rng.random(52).astype(np.float32)
    return Face(points=points, blendshapes=blendshapes, pose=(-3.5, 12.25, 0.0))


def test_the_header_names_facts_pose_blendshapes_and_points():
    assert HEADER[:11] == (
        *("label", "part", "subject", "session", "source", "frame", "width", "height"),
        *("pitch", "yaw", "roll"),
    )
    assert HEADER[11:63] == BLENDSHAPES
    assert HEADER[63:66] == ("x0", "y0", "z0") and HEADER[-3:] == ("x477", "y477", "z477")
    assert len(HEADER) == len(set(HEADER)) == 8 + 3 + 52 + 3 * 478
    assert header() == ",".join(HEADER) + "\n"


def test_a_row_is_read_back(face):
    line = row(face, label="smile", subject="anna, 2", session="s", source='a "b".mp4', frame=7, size=(640, 480))
    [cells] = csv.reader([line])
    assert cells[:8] == ["smile", "", "anna, 2", "s", 'a "b".mp4', "7", "640", "480"]
    assert list(map(float, cells[8:11])) == [-3.5, 12.25, 0]
    np.testing.assert_allclose(np.array(cells[11:63], float), face.blendshapes, atol=5.1e-5)
    np.testing.assert_allclose(np.array(cells[63:], float).reshape(478, 3), face.points, atol=5.1e-4)
    assert all(len(cell.partition(".")[2]) == 3 for cell in cells[63:])


def test_an_extraction_packs_the_images_that_have_a_face(face, tmp_path):
    images = Images(
        pixels=np.zeros((3, 20, 30, 1), np.uint8),
        labels=["happy", "sad", "happy"],
        parts=["Training"] * 3,
        names=["row 1", "row 2", "row 3"],
        rows=[0, 1, 2],
        split="train",
    )
    file = tmp_path / "faces.csv.gz"
    output = MeshCsv(packed=True)
    output.begin(file)
    for faces in ([face, None, face], [None, None, None]):
        with file.open("ab") as out:
            out.write(output.make(images, faces, file))
    with gzip.open(file, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    seen = [
        (each["label"], each["part"], each["source"], each["frame"], each["width"], each["height"]) for each in rows
    ]
    assert seen == [("happy", "Training", f"row {number}", "0", "30", "20") for number in (1, 3)]
