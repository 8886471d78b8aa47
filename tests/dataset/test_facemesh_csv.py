import gzip
import logging
import re
from pathlib import Path

import numpy as np
import pytest

from fer.config import compose
from fer.dataset.facemesh_csv import FacemeshCsv
from fer.errors import ConfigError, DataError
from fer.mesh478 import SUBSETS, mirror_of
from fer.mesh_shape import Shape
from fer.splits import Splits

FACE = np.random.default_rng(0).normal(0, 30, (478, 3))
FACE[[33, 263]] = [[-40, 0, 0], [40, 0, 0]]
SHAPE = Shape(subset="expression", centre=True, scale=True, rotate=True)


def header(points: int = 478) -> str:
    facts = ["label", "part", "subject", "session", "source", "frame", "width", "height", "pitch", "yaw", "roll"]
    scores = [f"score{number}" for number in range(52)]
    return ",".join([*facts, *scores, *(f"{axis}{point}" for point in range(points) for axis in "xyz")])


def row(label="happy", part="", subject="", session="", source="clip.mp4", frame=1, points=478, seed=0, odd=0.0) -> str:
    random = np.random.default_rng([seed, frame])
    face = FACE[:points] + random.normal(0, 0.5 + odd, (points, 3)) + (200, 150, 0)
    numbers = ",".join(f"{value:.3f}" for value in face.ravel())
    return f"{label},{part},{subject},{session},{source},{frame},640,480,0.00,0.00,0.00,{'0.1000,' * 52}{numbers}"


def write(path: Path, *rows: str, points: int = 478) -> Path:
    text = "\n".join([header(points), *rows, ""])
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), compresslevel=1))
    else:
        path.write_text(text)
    return path


def people(count: int = 5, frames: int = 6) -> list[str]:
    """Frames of some people with two expressions, two sessions each."""
    return [
        row(label, subject=f"p{who}", session=str(frame % 2), source=f"p{who}.mp4", frame=frame, seed=who)
        for who in range(count)
        for frame in range(frames)
        for label in ["happy", "sad"][frame * 2 // frames :][:1]
    ]


def dataset(path: Path | str, *, splits=("train", "0.2", "0.2"), **changes) -> FacemeshCsv:
    made = Splits(train=splits[0], validation=splits[1], test=splits[2])
    cache = str((path if isinstance(path, Path) else Path(path.split(",")[0])).parent / "cache")
    settings = {"path": str(path), "classes": [], "shape": SHAPE, "outliers": 0.0, "split_by": "random", "unseen": 0.0}
    return FacemeshCsv(**(settings | {"splits": made, "seed": 0, "cache": cache, "bad_rows": "stop"} | changes))


def error(path: Path | str, **changes) -> str:
    with pytest.raises(DataError) as caught:
        dataset(path, **changes).load("train")
    return str(caught.value)


def test_points_become_inputs(tmp_path):
    made = dataset(write(tmp_path / "a.csv", *(row(label, frame=n) for n in range(1, 6) for label in ("sad", "happy"))))
    spec = made.spec()
    assert (spec.kind, spec.shape, spec.classes, spec.mirror) == (
        "landmarks",
        (72, 3),
        ("happy", "sad"),
        mirror_of("expression"),
    )
    train = made.load("train")
    assert (train.inputs(slice(None)).dtype, train.inputs(0).shape) == (np.float32, (72, 3))
    expected = FACE[list(SUBSETS["expression"])] / 80
    np.testing.assert_allclose(train.inputs(0), expected, atol=0.05)
    assert re.fullmatch(r"a\.csv row \d+, clip\.mp4 frame \d", train.name(0))


def test_size_and_pose_are_known_of_each_face(tmp_path):
    big = row("sad", frame=3).replace(",0.00,0.00,0.00,", ",5.00,-30.00,2.50,")
    file = write(tmp_path / "a.csv", *(row(label, frame=n) for n in (1, 2) for label in ("happy", "sad")), big)
    made = dataset(file, splits=("train", "0.2", "none"))
    samples = made.load("train")
    assert samples.proxies is not None
    found = samples.proxies(np.array([4, 0]))
    assert {name: found[name].tolist() for name in ("pitch", "yaw", "roll")} == {
        "pitch": [5, 0],
        "yaw": [30, 0],
        "roll": [2.5, 0],
    }
    spread = np.ptp(FACE[:468, :2], axis=0)
    np.testing.assert_allclose(found["face size"], np.sqrt(spread.prod()), rtol=0.02)


def test_classes_have_the_order_that_is_asked_for(tmp_path):
    file = write(tmp_path / "a.csv", *(row(label, frame=n) for n in range(1, 6) for label in ("sad", "happy")))
    train = dataset(file, classes=["sad", "happy"]).load("train")
    assert dataset(file, classes=["sad", "happy"]).spec().classes == ("sad", "happy")
    assert sorted(train.targets.tolist()) == [0] * 3 + [1] * 3
    assert error(file, classes=["sad", "hapy"]) == (
        "facemesh_csv: a.csv row 2, clip.mp4 frame 1: expected a label of sad, hapy; got 'happy'; did you mean 'hapy'?"
    )


def test_several_files_and_folders(tmp_path):
    (tmp_path / "more").mkdir()
    write(tmp_path / "a.csv", *(row(frame=n) for n in range(4)))
    write(tmp_path / "more/b.csv.gz", *(row("sad", frame=n, seed=1) for n in range(4)))
    made = dataset(f"{tmp_path}/a.csv, {tmp_path}/more", splits=("train", "0.25", "none"))
    assert np.bincount(made.load("train").targets).tolist() == [3, 3]


def test_parts_come_from_the_file(tmp_path):
    rows = [
        row(label, part, frame=n) for n, part in enumerate(("Training",) * 4 + ("PublicTest",) * 2) for label in "ab"
    ]
    made = dataset(write(tmp_path / "a.csv", *rows), splits=("Training", "0.25", "PublicTest"))
    assert {split: len(made.load(split)) for split in made.available()} == {"train": 6, "validation": 2, "test": 4}


@pytest.mark.parametrize("split_by", ["subject", "session"])
def test_people_or_sessions_stay_on_one_side(tmp_path, split_by):
    made = dataset(write(tmp_path / "a.csv", *people()), split_by=split_by)
    found = []
    for split in made.available():
        samples = made.load(split)
        names = [samples.name(row) for row in range(len(samples))]
        found.append({re.findall(r"\((.*)\)", name)[0] for name in names})
    if split_by == "subject":
        assert sum(map(len, found)) == 5
    assert all(len(each) for each in found)


def test_one_person_cannot_be_split_by_subject(tmp_path):
    text = error(write(tmp_path / "a.csv", *people(1)), split_by="subject")
    assert text == (
        "facemesh_csv: class happy has no samples left in the train split, of 3 before the cut; a class has rows of "
        "1 subject(s) only, which stay together: record more, or choose another dataset.split_by"
    )


def test_a_random_split_judges_people_never_seen_apart(tmp_path):
    made = dataset(write(tmp_path / "a.csv", *people()), unseen=0.2)
    test = made.load("test")
    groups = [test.groups[row] for row in test.rows]
    assert groups.count("subjects never seen") == 6, "all frames of one of the five"
    assert 0 < groups.count("subjects seen in training") < len(groups)
    unseen = {test.name(n).split("(")[1] for n, group in enumerate(groups) if group == "subjects never seen"}
    assert len(unseen) == 1
    for split in ("train", "validation"):
        samples = made.load(split)
        assert not unseen & {samples.name(row).split("(")[1] for row in range(len(samples))}
    assert not dataset(tmp_path / "a.csv").load("test").groups


def test_odd_shapes_are_left_out_of_train_alone_and_counted(tmp_path, caplog):
    rows = [
        row(label, part, frame=n) for n in range(20) for label, part in (("a", "train"), ("b", "train"), ("a", "test"))
    ]
    rows += [row("a", part, frame=99, odd=20.0) for part in ("train", "test")]
    file = write(tmp_path / "a.csv", *rows)
    with caplog.at_level(logging.INFO, "fer"):
        made = dataset(file, splits=("train", "0.1", "test"), outliers=10.0)
        assert len(made.load("train")) + len(made.load("validation")) == 40
    assert "facemesh_csv: 1 of 37 training rows are left out as outliers" in caplog.messages
    assert len(made.load("test")) == 21
    assert len(dataset(file, splits=("train", "0.1", "test")).load("train")) == 37


def test_a_name_with_a_comma_and_a_byte_order_mark(tmp_path):
    file = write(tmp_path / "a.csv", *(row(label, source='"a, b.mp4"', frame=n) for n in range(5) for label in "xy"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert ", a, b.mp4" in dataset(file).load("train").name(0)


def test_files_of_468_points_serve_what_needs_no_irises(tmp_path):
    file = write(tmp_path / "a.csv", *(row(label, frame=n, points=468) for n in range(5) for label in "xy"), points=468)
    assert len(dataset(file).load("train")) == 6
    whole = Shape(subset="all", centre=True, scale=True, rotate=True)
    assert error(file, shape=whole) == (
        "facemesh_csv: 10 of 10 rows have 468 points, without those of the irises; choose dataset.shape.subset=mesh or "
        "a smaller one"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: line.replace(",0.00,", ",left,", 1), "expected numbers for the pose and the points"),
        (
            lambda line: line.replace(",640,", ",wide,", 1),
            "expected numbers, or nothing, for the blendshapes, the width and the height",
        ),
        (lambda line: line.rsplit(",", 3)[0], "expected 478 points as 1434 numbers, got 1431"),
        (lambda line: line.rsplit(",", 1)[0] + ",nan", "expected finite numbers, got NaN or infinity"),
        (lambda line: line.removeprefix("happy"), "expected a label, got nothing"),
        (lambda line: "happy,train", "expected 63 columns before the points, got 2"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, change, reason, caplog):
    rows = [row(label, frame=n) for n in range(5) for label in ("happy", "sad")]
    file = write(tmp_path / "a.csv", *rows[:2], change(rows[2]), *rows[3:])
    advice = "mend it, or leave out what cannot be used: dataset.bad_rows=skip"
    assert error(file) == f"facemesh_csv: a.csv row 3: {reason}; {advice}"
    with caplog.at_level(logging.WARNING, "fer"):
        made = dataset(file, bad_rows="skip")
        assert sum(len(made.load(split)) for split in made.available()) == 9
    assert f"facemesh_csv: 1 of 10 samples cannot be read: a.csv row 3: {reason}" in caplog.messages


def test_a_file_that_was_cut_off_says_so(tmp_path):
    file = write(tmp_path / "a.csv", row(), row("sad"))
    file.write_text(file.read_text()[:-200])
    assert "(the file ends in this row: it looks cut off)" in error(file)


def test_other_files(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("emotion,pixels,Usage\n")
    assert error(file) == (
        f"facemesh_csv: {file}: expected a landmark CSV; its header lacks the columns label, part, subject, session, "
        "source, frame, pitch, yaw, roll, x0"
    )
    write(file, points=68)
    assert error(file) == f"facemesh_csv: {file}: expected 478 or 468 points, got 68; extract them again"
    write(file)
    assert error(file) == f"facemesh_csv: {file} has no rows that can be used"
    file.write_text(header().replace("x5,y5", "y5,x5") + "\n")
    assert error(file) == f"facemesh_csv: {file}: expected x0,y0,z0,x1 ... as its last columns, got x477,y477,z477"
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(f"{header()}\n{row()}\n".encode())[:-400])
    assert re.fullmatch(
        f"facemesh_csv: {packed} is damaged or cut off after line \\d \\(.*\\); get it again", error(packed)
    )
    assert error(tmp_path / "none.csv").startswith(f"facemesh_csv: nothing to read at {tmp_path}/none.csv: expected a ")


def test_settings_out_of_range(tmp_path):
    for change, text in (
        ({"outliers": -1.0}, "outliers: expected 0 or more, got -1.0"),
        ({"split_by": "face"}, "split_by: expected one of subject, session, random, got 'face'"),
        ({"unseen": 1.0}, "unseen: expected a value from 0 to 0.9, got 1.0"),
        ({"classes": ["a", "a"]}, "classes: expected each name once, got ['a', 'a']"),
    ):
        with pytest.raises(ConfigError) as caught:
            dataset(tmp_path / "a.csv", **change)
        assert str(caught.value) == text


def test_images_and_landmarks_have_their_own_augmentation(tmp_path):
    file = write(tmp_path / "a.csv", *(row(label, frame=n) for n in range(10) for label in ("happy", "sad")))
    words = ("dataset=facemesh_csv", f"dataset.path={file}", "model=landmark_cnn")

    def refusal(*more: str) -> str:
        with pytest.raises(ConfigError) as caught:
            compose("train", *more)
        return str(caught.value)

    assert compose("train", *words, "augmentation=landmarks").dataset.spec().outputs == 2
    assert compose("train", *words, "augmentation=none").augmentation.build(dataset(file).spec()) is None
    assert refusal(*words) == (
        "augmentation: changes images, but dataset facemesh_csv has landmarks; choose augmentation=landmarks or none"
    )
    assert refusal("augmentation=landmarks") == (
        "augmentation: changes landmarks, but dataset synthetic has images; choose augmentation=light, points or none"
    )
    assert refusal("model=landmark_cnn") == (
        "model: takes landmarks, but dataset synthetic has images; "
        "choose another, or dataset=facemesh_csv with what `python -m fer extract` finds in them"
    )
