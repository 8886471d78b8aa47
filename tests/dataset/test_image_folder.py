import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.dataset.image_folder import ImageFolder
from fer.errors import ConfigError, DataError
from fer.splits import Splits

DEFAULT = ("train", "validation|0.1", "test|0.1")


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., ImageFolder]:
    def make(
        size: int = 32, colour: bool = True, splits: Sequence[str] = DEFAULT, bad_images: str = "stop", seed: int = 0
    ) -> ImageFolder:
        train, validation, test = splits
        return ImageFolder(
            path=str(tmp_path / "data"),
            size=size,
            colour=colour,
            splits=Splits(train=train, validation=validation, test=test),
            seed=seed,
            cache=str(tmp_path / "cache"),
            bad_images=bad_images,
        )

    return make


def save(file: Path, image: Image.Image | None = None, **options: object) -> Path:
    """Write an image; without one, noise that part, class and name alone decide: cuts depend on the pixels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([*"/".join(file.parts[-3:]).encode()]).integers(0, 256, (40, 30, 3), np.uint8)
    (image or Image.fromarray(noise)).save(file, **options)
    return file


def fill(folder: Path, count: int = 10, classes: Sequence[str] = ("happy", "sad")) -> None:
    for name in classes:
        for number in range(count):
            save(folder / name / f"{number}.png")


def lengths(dataset: ImageFolder) -> list[int]:
    return [len(dataset.load(split)) for split in ("train", "validation", "test")]


def test_the_default_takes_the_folders_that_there_are(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    for part, count in (("train", 10), ("val", 4), ("Test", 3)):
        fill(tmp_path / "data" / part, count)

    assert lengths(dataset()) == [20, 8, 6]


def test_the_default_cuts_what_is_missing_out_of_train(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    fill(tmp_path / "data" / "train")
    fill(tmp_path / "data" / "test", 3)

    assert lengths(dataset()) == [18, 2, 6]


def test_bare_class_folders_are_cut_by_the_seed(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    fill(tmp_path / "data")

    one, same, other = dataset(), dataset(), dataset(seed=1)

    assert lengths(one) == [16, 2, 2]
    assert one.load("test").rows.tolist() == same.load("test").rows.tolist()
    assert one.load("test").rows.tolist() != other.load("test").rows.tolist()
    assert one.load("train").targets.tolist() == [0] * 8 + [1] * 8


def test_the_spec_reads_no_image(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    for name in ("sad", "happy", ".hidden", "__MACOSX"):
        (tmp_path / "data" / name).mkdir(parents=True)

    spec = dataset(size=96, colour=False).spec()

    assert (spec.name, spec.shape, spec.classes) == ("image_folder", (96, 96, 1), ("happy", "sad"))


def test_suffixes_letter_case_and_depth(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    names = ["a.PNG", "b.jpg", "c.JPEG", "d.bmp", "deep/er/e.WebP"]
    for name in ("happy", "sad"):
        for file in names:
            save(tmp_path / "data" / name / file)
        (tmp_path / "data" / name / "notes.txt").write_text("no image")

    train = dataset(splits=("train", "0.2", "none")).load("train")

    assert sorted(train.names) == [f"{name}/{file}" for name in ("happy", "sad") for file in names]


def only(
    dataset: ImageFolder, image: Image.Image, tmp_path: Path, suffix: str = ".png", **options: object
) -> np.ndarray:
    """Return how one image arrives."""
    file = save(tmp_path / "data" / "a" / f"0{suffix}", image, **options)
    for folder in "ab":
        for number in range(1, 3):
            save(tmp_path / "data" / folder / f"{number}.png")
    row = list(dataset.store.names).index(f"a/{file.name}")
    return np.asarray(dataset.store.inputs[row])


GREY = Image.fromarray(np.tile(np.arange(0, 256, 8, np.uint8), (32, 1)))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (32, 32), 100), (100, 100, 100)),
        (Image.new("RGB", (32, 32), (10, 20, 30)), (10, 20, 30)),
        (Image.new("RGBA", (32, 32), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (32, 32), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("LA", (32, 32), (0, 128)), (127, 127, 127)),
        (Image.new("RGB", (32, 32), (10, 20, 30)).convert("P", palette=Image.Palette.ADAPTIVE), (10, 20, 30)),
        (Image.new("1", (32, 32), 1), (255, 255, 255)),
        (Image.fromarray(np.full((32, 32), 128 * 257, np.uint16)), (128, 128, 128)),
    ],
    ids=["L", "RGB", "RGBA", "clear RGBA", "LA", "P", "1", "I;16"],
)
def test_every_mode_becomes_8_bit_rgb(
    tmp_path: Path, dataset: Callable[..., ImageFolder], image: Image.Image, expected: tuple[int, ...]
) -> None:
    pixels = only(dataset(), image, tmp_path)

    assert pixels.dtype == np.uint8
    assert pixels.shape == (32, 32, 3)
    assert (pixels == expected).all()


def test_cmyk_becomes_rgb(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    pixels = only(dataset(), Image.new("RGB", (32, 32), (250, 10, 10)).convert("CMYK"), tmp_path, ".jpg", quality=95)

    np.testing.assert_allclose(pixels.mean((0, 1)), (250, 10, 10), atol=4)


def test_colour_can_be_dropped(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    pixels = only(dataset(colour=False), Image.new("RGB", (32, 32), (255, 0, 0)), tmp_path)

    assert pixels.shape == (32, 32, 1)
    assert (pixels == 76).all(), "the luma of ITU-R 601-2"


def test_the_camera_was_turned(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    pixels = only(dataset(colour=False), GREY, tmp_path, exif=exif)

    np.testing.assert_array_equal(pixels[..., 0], np.rot90(np.asarray(GREY), -1))


def test_large_images_are_resized_with_antialias(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (320, 160))
    source = dataset(colour=False)
    pixels = only(source, Image.fromarray(stripes), tmp_path)

    assert abs(int(pixels.min()) - 127) < 10
    assert abs(int(pixels.max()) - 127) < 10
    assert [320, 320] in source.store.sizes.tolist()


def test_corrupt_images_stop_and_are_listed(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    data = tmp_path / "data"
    fill(data)
    cut_off = data / "happy" / "0.png"
    cut_off.write_bytes(cut_off.read_bytes()[:500])
    (data / "sad" / "3.png").write_bytes(b"no image")

    text = (
        rf"^image_folder: {re.escape(str(data))}: 2 of 20 samples cannot be read: happy/0.png \(.+\); "
        r"sad/3.png \(cannot identify image file .+\); remove them, or leave them out with dataset.bad_images=skip$"
    )
    with pytest.raises(DataError, match=text):
        dataset().load("train")
    assert list((tmp_path / "cache").iterdir()) == []


def test_corrupt_images_can_be_left_out(
    tmp_path: Path, dataset: Callable[..., ImageFolder], caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "data", 20)
    for number in range(12):
        (tmp_path / "data" / "sad" / f"{number}.png").write_bytes(b"no image")

    with caplog.at_level(logging.WARNING):
        assert sum(lengths(dataset(bad_images="skip"))) == 28

    (message,) = caplog.messages
    assert message.startswith("image_folder: 12 of 40 samples cannot be read: sad/0.png (cannot identify image file")
    assert message.endswith("; ...")
    assert message.count("(cannot identify") == 10


def test_a_class_of_corrupt_images_alone(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    fill(tmp_path / "data")
    for file in (tmp_path / "data" / "sad").iterdir():
        file.write_bytes(b"no image")

    text = "image_folder: class sad has no samples left in the train split, of 0 before the cut"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset(bad_images="skip").load("train")


def test_an_empty_class(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    fill(tmp_path / "data")
    (tmp_path / "data" / "fear").mkdir()

    text = f"image_folder: no .png, .jpg, .jpeg, .bmp, .webp images in {tmp_path}/data/fear"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().load("train")


def test_classes_that_differ_between_splits(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    data = tmp_path / "data"
    fill(data / "train")
    fill(data / "test", classes=("happy", "sadness"))

    text = f"image_folder: {data}/test must have the class folders of {data}/train; missing: sad; unknown: sadness"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().spec()


def test_too_few_classes(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)

    text = f"image_folder: expected two or more class folders in {tmp_path}/data/train, got none"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().spec()


def test_two_folders_for_one_part(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    for part in ("train", "val", "validation"):
        fill(tmp_path / "data" / part, 1)

    text = f"image_folder: {tmp_path}/data has both val/ and validation/; keep one of them"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().spec()


def test_no_folder(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    text = (
        f"image_folder: no such folder: {tmp_path}/data: expected train/<class>/ with validation/ and test/ or "
        "without, or bare <class>/ folders, of .png, .jpg, .bmp or .webp images; set dataset.path"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset().spec()


def test_a_part_that_is_missing(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    fill(tmp_path / "data" / "train")

    text = (
        f"image_folder: no images of part test in {tmp_path}/data (seen: train 20); needed for splits.test: "
        "set dataset.splits.test to one of these, or to a fraction of train such as 0.1, or to none"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        dataset(splits=("train", "0.1", "test")).load("train")


def test_what_changes_pixels_is_decoded_anew(tmp_path: Path, dataset: Callable[..., ImageFolder]) -> None:
    fill(tmp_path / "data")

    assert dataset().load("train").source.shape == (20, 32, 32, 3)
    assert dataset(size=16).load("train").source.shape == (20, 16, 16, 3)
    assert dataset(colour=False).load("train").source.shape == (20, 32, 32, 1)
    save(tmp_path / "data" / "sad" / "more.png")
    assert dataset().load("train").source.shape == (21, 32, 32, 3)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"size": 8}, "size: expected a value from 16 to 1024, got 8"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"bad_images": "drop"}, "bad_images: expected one of stop, skip, got 'drop'"),
    ],
)
def test_settings_out_of_range(dataset: Callable[..., ImageFolder], settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        dataset(**settings)


def test_the_size_of_images_is_known_where_it_differs(dataset, tmp_path):
    fill(tmp_path / "data/train")
    alike = dataset().load("train")
    assert alike.proxies is not None and alike.proxies(alike.rows) == {}
    save(tmp_path / "data/train/happy/0.png", Image.new("RGB", (90, 160)))
    changed = dataset()
    found = changed.proxies(np.arange(20))["image size"].tolist()
    sizes = dict(zip(changed.store.names, found, strict=True))
    assert (sizes["train/happy/0.png"], sizes["train/sad/1.png"]) == (120, pytest.approx((40 * 30) ** 0.5))
