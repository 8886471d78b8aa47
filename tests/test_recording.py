"""The file of a capture: each row is there at once, and it is reopened, mended and refused as it should be."""

import re

import pytest

from fer.errors import DataError, RunError
from fer.mesh_csv import HEADER, header
from fer.recording import Recording

CLASSES = ("neutral", "smile")
ROW = ",".join(["smile", *["0"] * (len(HEADER) - 1)]) + "\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "faces.csv"


def fill(path, *takes):
    with Recording(path, CLASSES) as recording:
        for label, rows in takes:
            for number in range(rows):
                recording.add(label, ROW.replace("smile", label), new_take=not number)
    return path.read_text()


def test_each_row_is_in_the_file_at_once(path):
    with Recording(path, CLASSES) as recording:
        assert path.read_text() == header()
        recording.add("smile", ROW, new_take=True)
        assert path.read_text() == header() + ROW
        assert recording.counts == {"neutral": 0, "smile": 1}


def test_reopening_goes_on(path):
    before = fill(path, ("smile", 2), ("neutral", 1))
    with Recording(path, CLASSES) as recording:
        assert recording.counts == {"neutral": 1, "smile": 2}
        recording.add("smile", ROW, new_take=True)
    assert path.read_text() == before + ROW


@pytest.mark.parametrize("cut", [1, 700, len(ROW) - 1])
def test_a_row_that_a_crash_cut_off_is_taken_away(path, caplog, cut):
    before = fill(path, ("smile", 2))
    path.write_text(before[:-cut])
    with Recording(path, CLASSES) as recording:
        assert recording.counts["smile"] == 1
    assert path.read_text() == header() + ROW
    assert caplog.messages == [f"{path}: its last row was not finished and is gone"]


def test_a_header_that_a_crash_cut_off_is_written_again(path):
    path.parent.mkdir()
    path.write_text(header()[:300])
    assert fill(path, ("smile", 1)) == header() + ROW


def test_undo_takes_back_a_take_at_a_time_and_nothing_of_before(path):
    before = fill(path, ("smile", 1))
    with Recording(path, CLASSES) as recording:
        for label, new_take in (("smile", True), ("smile", False), ("neutral", True)):
            recording.add(label, ROW, new_take=new_take)
        assert (recording.undo(), dict(recording.counts)) == (1, {"neutral": 0, "smile": 3})
        recording.add("neutral", ROW, new_take=True)
        assert [recording.undo() for _ in range(4)] == [1, 2, 0, 0]
        assert recording.counts == {"neutral": 0, "smile": 1}
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (header().replace(",x477,y477,z477", ""), "expected 478 points, got 477 points"),
        ("name,age\nanna,3\n", "expected 478 points, got the columns name, age"),
    ],
)
def test_another_csv_is_refused_and_left_alone(path, text, expected):
    path.parent.mkdir()
    path.write_text(text)
    line = f"output: {path} is there already and is not a file of ours: {expected}; choose another with output="
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        Recording(path, CLASSES)
    assert path.read_text() == text


def test_rows_of_another_class_are_refused(path):
    fill(path, ("smile", 1))
    line = (
        f"output: {path} holds rows of class smile, expected neutral, frowning; "
        "name all classes with classes=, or choose another file with output="
    )
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        Recording(path, ("neutral", "frowning"))


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(
        RunError, match=f"^output: cannot write {tmp_path}: Is a directory; choose another with output=$"
    ):
        Recording(tmp_path, CLASSES)
