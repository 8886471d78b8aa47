import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer.dataset.image_folder import ImageFolder
from fer.dataset.synthetic import Synthetic
from fer.errors import RunError
from fer.prepare import describe, prepare
from fer.splits import Splits


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., None]:
    def write(name: str, seed: int = -1, size: tuple[int, int] = (32, 32)) -> None:
        """Write noise that depends on the seed, or a blank image without one."""
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros(size[::-1], np.uint8)
        if seed >= 0:
            pixels = np.random.default_rng(seed).integers(0, 256, size[::-1], np.uint8)
        Image.fromarray(pixels).save(file)

    return write


@pytest.fixture
def dataset(tmp_path: Path, save: Callable[..., None]) -> ImageFolder:
    for part, start in (("train", 0), ("validation", 20)):
        for number in range(4):
            save(f"{part}/happy/{number}.png", start + number)
            save(f"{part}/sad/{number}.png", start + number + 10)
    return ImageFolder(
        path=str(tmp_path / "data"),
        size=32,
        colour=False,
        splits=Splits(train="train", validation="validation", test="none"),
        seed=0,
        cache=str(tmp_path / "cache"),
        bad_images="skip",
    )


def test_a_good_dataset(dataset: ImageFolder, tmp_path: Path) -> None:
    summary = prepare(dataset, tmp_path / "out")

    part = {"samples": 8, "blank": 0, "duplicates": 0, "classes": {"happy": 4, "sad": 4}}
    nothing: dict[str, Any] = {"count": 0, "first": []}
    assert summary == {
        "dataset": "image_folder",
        "shape": [32, 32, 1],
        "splits": {"train": part, "validation": part},
        "blank": nothing,
        "duplicates": {"across": {}, "conflicts": nothing},
        "skipped": nothing,
        "sizes": {"seen": {"32x32": 16}, "odd": nothing},
        "figures": ["classes.png", "samples.png"],
    }
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    for name in summary["figures"]:
        with Image.open(tmp_path / "out" / name) as image:
            assert min(image.size) >= 200
            assert len(np.unique(np.asarray(image.convert("L")))) > 10
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_what_is_wrong_is_counted_and_listed(dataset: ImageFolder, tmp_path: Path, save: Callable[..., None]) -> None:
    save("train/happy/blank.png")
    save("train/happy/copy.png", 0)  # of train/happy/0.png
    save("train/sad/conflict.png", 1)  # train/happy/1.png
    save("validation/sad/leak.png", 13)  # train/sad/3.png
    save("validation/sad/odd.png", 99, size=(64, 48))
    (tmp_path / "data/train/sad/torn.png").write_bytes(b"no image")

    summary = prepare(dataset, tmp_path / "out")

    assert summary["splits"]["train"] == {
        "samples": 11,
        "blank": 1,
        "duplicates": 2,
        "classes": {"happy": 6, "sad": 5},
    }
    assert summary["blank"] == {"count": 1, "first": ["train/happy/blank.png"]}
    assert summary["duplicates"] == {
        "across": {"validation in train": 1},
        "conflicts": {"count": 1, "first": ["train/happy/1.png: happy, train/sad/conflict.png: sad"]},
    }
    assert summary["skipped"]["count"] == 1
    assert summary["skipped"]["first"][0].startswith("train/sad/torn.png (cannot identify image file")
    assert summary["sizes"] == {
        "seen": {"32x32": 20, "64x48": 1},
        "odd": {"count": 1, "first": ["validation/sad/odd.png"]},
    }


def test_the_terminal_shows_a_few_lines(dataset: ImageFolder, tmp_path: Path, save: Callable[..., None]) -> None:
    for number in range(4):
        save(f"train/happy/blank{number}.png")
    save("validation/happy/blank.png")
    save("validation/sad/odd.png", 99, size=(64, 48))

    assert describe(prepare(dataset, tmp_path / "out")).splitlines() == [
        "image_folder: inputs of 32 x 32 x 1",
        "  train            12  (happy 8, sad 4)",
        "  validation       10  (happy 5, sad 5)",
        "  unreadable: 0",
        "  blank: 5 (train/happy/blank0.png; train/happy/blank1.png; train/happy/blank2.png; ...)",
        "  copies within a split: train 3, validation 0",
        "  copies across splits: 1 of validation in train",
        "  groups of copies with conflicting labels: 0",
        "  sizes before the resize: 32x32 (21), 64x48 (1)",
        "  not of the usual size: 1 (validation/sad/odd.png)",
    ]


@pytest.mark.parametrize("target", ["classes", "points"])
def test_a_dataset_without_files(tmp_path: Path, target: str) -> None:
    dataset = Synthetic(
        input="image",
        size=24,
        colour=True,
        target=target,
        train=7,
        validation=7,
        test=7,
        seed=0,
        cache=str(tmp_path / "cache"),
    )

    summary = prepare(dataset, tmp_path / "out")

    assert summary["figures"] == (["classes.png"] if target == "classes" else []) + ["samples.png"]
    assert [part["samples"] for part in summary["splits"].values()] == [7, 7, 7]
    assert "sizes" not in summary
    assert "  copies across splits: none" in describe(summary).splitlines()


def test_an_output_that_cannot_be_written(dataset: ImageFolder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    text = f"cannot write to {tmp_path}/file/out: Not a directory; choose another with output="
    with pytest.raises(RunError, match=f"^{re.escape(text)}$"):
        prepare(dataset, tmp_path / "file" / "out")
