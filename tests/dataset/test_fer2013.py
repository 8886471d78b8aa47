import gzip
import logging
import lzma
import os
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.dataset.fer2013 import CLASSES, Fer2013
from fer.errors import ConfigError, DataError
from fer.splits import Splits

USAGES = ("Training", "PublicTest", "PrivateTest")
HEADER = "emotion,pixels,Usage"


def face(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (48, 48), np.uint8)


def text(pixels: np.ndarray) -> str:
    return " ".join(map(str, pixels.ravel()))


def rows(each: int = 3) -> list[str]:
    """Return `each` rows of every class of every part, as fer2013.csv has them."""
    return [
        f"{label},{text(face(100 * part + 10 * label + number))},{usage}"
        for part, usage in enumerate(USAGES)
        for label in range(7)
        for number in range(each)
    ]


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Fer2013]:
    def make(path: Path | str = "", splits: Sequence[str] = USAGES, bad_rows: str = "stop", seed: int = 0) -> Fer2013:
        train, validation, test = splits
        return Fer2013(
            path=str(path or tmp_path),
            splits=Splits(train=train, validation=validation, test=test),
            seed=seed,
            cache=str(tmp_path / "cache"),
            bad_rows=bad_rows,
        )

    return make


def write(folder: Path, lines: Sequence[str], name: str = "fer2013.csv") -> Path:
    file = folder / name
    file.write_text("\n".join(lines) + "\n")
    return file


def test_the_csv_is_read_by_usage(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    write(tmp_path, [HEADER, *rows()])

    train, test = dataset().load("train"), dataset().load("test")

    assert (len(train), len(test)) == (21, 21)
    assert train.inputs([4]).shape == (1, 48, 48, 1)
    np.testing.assert_array_equal(train.inputs(4)[..., 0], face(11))
    np.testing.assert_array_equal(test.inputs(4)[..., 0], face(211))
    assert train.targets.dtype == np.int64
    assert train.targets.tolist() == np.repeat(range(7), 3).tolist()
    assert train.name(4) == "fer2013.csv row 5"
    assert test.name(0) == "fer2013.csv row 43"
    assert isinstance(train.source, np.memmap)


def test_the_spec_reads_no_pixels(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    (tmp_path / "fer2013.csv").write_text("nothing that could be read")

    spec = dataset().spec()

    assert (spec.name, spec.kind, spec.shape, spec.classes) == ("fer2013", "image", (48, 48, 1), CLASSES)
    assert not (tmp_path / "cache").exists()


def pack_zip(file: Path) -> None:
    with zipfile.ZipFile(f"{file}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "not this one")
        archive.write(file, f"fer2013/{file.name}")


PACKERS: dict[str, Callable[[Path], object]] = {
    ".gz": lambda file: Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes())),
    ".xz": lambda file: Path(f"{file}.xz").write_bytes(lzma.compress(file.read_bytes())),
    ".zip": pack_zip,
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("as_folder", [True, False])
def test_packed_files_are_read(tmp_path: Path, dataset: Callable[..., Fer2013], suffix: str, as_folder: bool) -> None:
    file = write(tmp_path, [HEADER, *rows(1)])
    PACKERS[suffix](file)
    file.unlink()

    train = dataset(tmp_path if as_folder else f"{file}{suffix}").load("train")

    assert len(train) == 7
    assert train.name(6) == f"fer2013.csv{suffix} row 7"


def test_icml_face_data_has_spaces_and_another_order(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    cells = [row.split(",") for row in rows(1)]
    write(tmp_path, ["emotion, Usage, pixels", *(f"{a},{c},{b}" for a, b, c in cells)], "icml_face_data.csv")

    train = dataset().load("train")

    assert train.targets.tolist() == list(range(7))
    np.testing.assert_array_equal(train.inputs(3)[..., 0], face(30))


def test_quotes_and_windows_line_ends_and_a_byte_order_mark(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    cells = [row.split(",") for row in rows(1)]
    lines = ['"emotion","pixels","Usage"', *(f'{a},"{b}","{c}"' for a, b, c in cells), ""]
    (tmp_path / "fer2013.csv").write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())

    assert len(dataset().load("train")) == 7


def copy_as_folders(folder: Path, prefix: bool = True, names: Sequence[str] = CLASSES) -> None:
    for part, (usage, top) in enumerate(zip(USAGES, ("train", "test", "test"), strict=True)):
        for label, name in enumerate(names):
            file = folder / top / name / f"{f'{usage}_' if prefix else ''}{1000 * part + label}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face(100 * part + 10 * label)).save(file)


def test_the_image_folders_are_read_by_the_prefix(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    copy_as_folders(tmp_path)

    test = dataset().load("test")

    assert sorted(test.targets) == list(range(7))
    happy = int(np.flatnonzero(test.targets == 3)[0])
    np.testing.assert_array_equal(test.inputs(happy)[..., 0], face(230))
    assert test.name(happy) == "test/happy/PrivateTest_2003.png"


def test_other_words_for_the_classes(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    copy_as_folders(tmp_path, names=["anger", "Disgust", "FEAR", "happiness", "sadness", "surprised", "neutral"])

    train = dataset().load("train")

    for sample, label in enumerate(train.targets):
        np.testing.assert_array_equal(train.inputs(sample)[..., 0], face(10 * label))


def test_image_folders_without_prefixes(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    copy_as_folders(tmp_path, prefix=False)

    assert len(dataset(splits=("test", "0.5", "Training")).load("train")) == 7
    with pytest.raises(DataError, match=re.escape("no rows with Usage PublicTest in")):
        dataset().load("train")


def test_an_unknown_class_folder(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    copy_as_folders(tmp_path, names=["angry", "disgust", "fear", "hapy", "sad", "surprise", "neutral"])

    text = f"fer2013: {tmp_path}/test: expected class folders {', '.join(CLASSES)}; got hapy; did you mean 'happy'?"
    with pytest.raises(DataError, match=re.escape(text)):
        dataset().load("train")


def test_images_that_are_bad(tmp_path: Path, dataset: Callable[..., Fer2013], caplog: pytest.LogCaptureFixture) -> None:
    copy_as_folders(tmp_path)
    (tmp_path / "train/sad/Training_4.png").write_bytes(b"no image")
    Image.new("L", (96, 96)).save(tmp_path / "train/sad/Training_44.png")
    Image.new("L", (48, 48)).save(tmp_path / "train/sad/Training_444.png")

    with pytest.raises(DataError, match=r"train/sad/Training_4\.png: cannot identify image file .*bad_rows=skip$"):
        dataset().load("train")
    with caplog.at_level(logging.WARNING):
        assert len(dataset(bad_rows="skip").load("train")) == 7
    assert "fer2013: 2 of 23 samples cannot be read: train/sad/Training_4.png: cannot identify" in caplog.text
    assert "expected 48x48 pixels, got 96x96 (dataset=image_folder takes any size)" in caplog.text


def broken(column: int, value: str) -> str:
    cells = rows(1)[3].split(",")
    cells[column] = value
    return ",".join(cells)


BAD_ROWS = {
    "pixel count": (broken(1, "1 2 3"), "expected 2304 pixels, got 3"),
    "no pixels": (broken(1, ""), "expected 2304 pixels, got 0"),
    "bright": (broken(1, "256 " + text(face(0)).split(" ", 1)[1]), "expected pixels from 0 to 255, got 256"),
    "dark": (broken(1, "-1 " + text(face(0)).split(" ", 1)[1]), "expected pixels from 0 to 255, got -1"),
    "words": (broken(1, "x " + text(face(0))), "expected pixels that are whole numbers with spaces between them"),
    "label": (broken(0, "7"), "expected a label from 0 to 6, got '7'"),
    "label word": (broken(0, "happy"), "expected a label from 0 to 6, got 'happy'"),
    "usage": (
        broken(2, "Trainin"),
        "expected Usage Training, PublicTest, PrivateTest; got 'Trainin'; did you mean 'Training'?",
    ),
    "columns": (broken(2, "Training,Training"), "expected 3 columns, got 4"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_stops_or_is_left_out(
    tmp_path: Path, dataset: Callable[..., Fer2013], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    line, reason = BAD_ROWS[kind]
    file = write(tmp_path, [HEADER, *rows(1)[:2], line, *rows(1)[2:]])

    expected = f"fer2013: {file} row 3: {reason}; mend it, or leave what cannot be read out: dataset.bad_rows=skip"
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        dataset().load("train")
    assert list((tmp_path / "cache").iterdir()) == []

    for _ in range(2):  # decoded, then from the cache
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            train = dataset(bad_rows="skip").load("train")
        assert train.targets.tolist() == list(range(7))
        assert train.name(2) == "fer2013.csv row 4"
        assert caplog.messages == [f"fer2013: 1 of 22 samples cannot be read: row 3: {reason}"]


def test_a_csv_that_is_cut_off(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    file = write(tmp_path, [HEADER, *rows(1)])
    file.write_bytes(file.read_bytes()[:-20])

    text = f"{file} row 21: expected 3 columns, got 2 (the file ends in this row: it looks cut off); mend it, or"
    with pytest.raises(DataError, match=re.escape(text)):
        dataset().load("train")


@pytest.mark.parametrize("suffix", PACKERS)
def test_an_archive_that_is_cut_off(tmp_path: Path, dataset: Callable[..., Fer2013], suffix: str) -> None:
    file = write(tmp_path, [HEADER, *rows(1)])
    PACKERS[suffix](file)
    file.unlink()
    packed = Path(f"{file}{suffix}")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])

    for bad_rows in ("stop", "skip"):
        with pytest.raises(
            DataError,
            match=rf"^fer2013: {re.escape(str(packed))} is damaged or cut off after line \d+ \(.*\); get it again$",
        ):
            dataset(bad_rows=bad_rows).load("train")
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_columns(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    file = write(tmp_path, ["emotion,pixels", "0,1 2 3"])

    text = f"fer2013: {file}: expected the columns emotion, pixels, Usage; got emotion, pixels"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().load("train")


@pytest.mark.parametrize(
    ("content", "text"),
    [("", "expected the columns emotion, pixels, Usage; got nothing"), (HEADER, "has no rows that can be used")],
)
def test_an_empty_file(tmp_path: Path, dataset: Callable[..., Fer2013], content: str, text: str) -> None:
    (tmp_path / "fer2013.csv").write_text(content)

    with pytest.raises(DataError, match=re.escape(text)):
        dataset().load("train")


def test_a_zip_of_something_else(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    with zipfile.ZipFile(tmp_path / "fer2013.csv.zip", "w") as archive:
        archive.writestr("train/happy/1.jpg", "")

    text = (
        f"fer2013: {tmp_path}/fer2013.csv.zip holds no fer2013.csv or icml_face_data.csv; "
        "if it holds image folders, unzip it"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().load("train")


def test_nothing_there_says_what_is_accepted_and_where_to_get_it(
    tmp_path: Path, dataset: Callable[..., Fer2013]
) -> None:
    text = (
        f"fer2013: nothing to read at {tmp_path}/data: expected fer2013.csv or icml_face_data.csv, plain or as .gz, "
        ".xz or .zip, or a folder with train/<class>/ and test/<class>/; set dataset.path, or get the data with "
        "`python -m fer prepare dataset=fer2013 download=true`, or by hand from Kaggle (dataset msambare/fer2013, or "
        "competition challenges-in-representation-learning-facial-expression-recognition-challenge)"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset(tmp_path / "data").spec()
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset(tmp_path / "data").load("train")


def test_a_missing_part_stops_before_the_training(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    write(tmp_path, [HEADER, *(row for row in rows() if "Private" not in row)])

    text = (
        f"fer2013: no rows with Usage PrivateTest in {tmp_path} (seen: Training 21, PublicTest 21); needed for "
        "splits.test: set dataset.splits.test to one of these, or to a fraction of train such as 0.1, or to none"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().load("train")


def test_a_split_that_is_none(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    write(tmp_path, [HEADER, *rows(1)])

    text = "fer2013: there is no test split, since splits.test is none"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset(splits=("Training", "PublicTest", "none")).load("test")


def test_fractions_of_training(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    write(tmp_path, [HEADER, *rows()])
    held = dataset(splits=("Training", "0.4", "PublicTest"))

    train, validation, test = (held.load(split) for split in ("train", "validation", "test"))  # type: ignore[arg-type]

    assert np.bincount(train.targets).tolist() == [2] * 7
    assert np.bincount(validation.targets).tolist() == [1] * 7
    assert len(test) == 21
    assert not set(train.rows) & set(validation.rows)


def test_a_changed_file_is_read_again(tmp_path: Path, dataset: Callable[..., Fer2013]) -> None:
    file = write(tmp_path, [HEADER, *rows(1)])
    dataset().load("train")
    write(tmp_path, [HEADER, *rows(2)])
    assert len(dataset().load("train")) == 14

    before = len(list((tmp_path / "cache").iterdir()))
    dataset(seed=1, splits=("Training", "0.4", "none")).load("train")
    assert len(list((tmp_path / "cache").iterdir())) == before, "a new split must not decode again"
    os.utime(file, (time.time(), time.time() + 5))
    dataset().load("train")
    assert len(list((tmp_path / "cache").iterdir())) == before + 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"bad_rows": "skp"}, "bad_rows: expected one of stop, skip, got 'skp'; did you mean 'skip'?"),
    ],
)
def test_settings_out_of_range(dataset: Callable[..., Fer2013], settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        dataset(**settings)
