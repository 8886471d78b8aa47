import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer import decisions
from fer.dataset.image_folder import ImageFolder
from fer.errors import DataError
from fer.splits import Splits


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[[str], ImageFolder]:
    for part, start in (("train", 0), ("validation", 50)):
        for label, name in enumerate(("happy", "sad")):
            for number in range(5):
                file = tmp_path / f"data/{part}/{name}/{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(start + 10 * label + number).integers(0, 256, (32, 32), np.uint8)
                Image.fromarray(pixels).save(file)

    def build(file: str = "none") -> ImageFolder:
        return ImageFolder(
            path=str(tmp_path / "data"),
            size=32,
            colour=False,
            splits=Splits(train="train", validation="validation", test="none"),
            seed=0,
            cache=str(tmp_path / "cache"),
            bad_images="stop",
            decisions=file,
        )

    return build


def written(tmp_path: Path, made: ImageFolder, **decided: dict[str, str]) -> str:
    file = tmp_path / "decisions.json"
    names = {f"train/{key.replace('_', '/')}.png": value for key, value in decided.items()}
    file.write_text(decisions.write("image_folder", made.store.digests, ("happy", "sad"), names))
    return str(file)


def test_train_is_relabelled_and_dropped_and_nothing_else(dataset: Callable, tmp_path: Path) -> None:
    made = dataset()
    before = made.load("train")
    file = written(tmp_path, made, happy_0={"action": "relabel", "label": "sad"}, sad_3={"action": "drop"})
    after = dataset(file).load("train")

    labels = {before.name(i): label for i, label in enumerate(before.targets.tolist())}
    expected = {**labels, "train/happy/0.png": 1}
    del expected["train/sad/3.png"]
    assert {after.name(i): label for i, label in enumerate(after.targets.tolist())} == expected
    np.testing.assert_array_equal(dataset(file).load("validation").targets, made.load("validation").targets)
    np.testing.assert_array_equal(made.load("train").targets, before.targets)  # the source is as it was


def test_a_file_for_other_data_is_refused(dataset: Callable, tmp_path: Path) -> None:
    file = Path(written(tmp_path, dataset()))
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({**whole, "fingerprint": "00"}))
    with pytest.raises(DataError) as error:
        dataset(str(file)).load("train")
    assert str(error.value) == (
        f"decisions: {file} was made for other data: it says 00, and these have {whole['fingerprint']}; "
        "review these data with `python -m fer noise`, or leave the file out with dataset.decisions=none"
    )


@pytest.mark.parametrize(
    ("decided", "seen"),
    [({"action": "relabel", "label": "hapy"}, "relabel hapy"), ({"action": "remove"}, "remove")],
)
def test_other_actions_and_classes_are_refused(dataset: Callable, tmp_path: Path, decided: dict, seen: str) -> None:
    file = written(tmp_path, dataset(), sad_1=decided)
    with pytest.raises(DataError) as error:
        dataset(file).load("train")
    assert str(error.value) == (
        f"decisions: {file}: train/sad/1.png: expected drop, or relabel and a class, got {seen!r}"
    )


@pytest.mark.parametrize("text", ["", "[]", '{"fingerprint": "00", "decisions": {"a": 1}}'])
def test_what_is_no_decision_file_is_refused(dataset: Callable, tmp_path: Path, text: str) -> None:
    file = tmp_path / "torn.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"^decisions: \S+/torn.json is not a decision file \("):
        dataset(str(file)).load("train")
    with pytest.raises(DataError, match=r"is not a decision file \(FileNotFoundError"):
        dataset(str(tmp_path / "absent.json")).load("train")


def test_the_fingerprint_does_not_depend_on_the_order() -> None:
    digests = np.array([3, 1, 2], np.uint64)
    assert decisions.fingerprint(digests) == decisions.fingerprint(np.sort(digests))
    assert decisions.fingerprint(digests) != decisions.fingerprint(digests[:2])
