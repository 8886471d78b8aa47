import json
import re
from pathlib import Path

import numpy as np
import pytest

from fer import mesh_csv
from fer.commands.noise import noise
from fer.config import compose
from fer.errors import ConfigError
from fer.evaluation import label_rules
from fer.evaluation.label_rules import RULES
from fer.landmarks import BLENDSHAPES, Face
from fer.mesh478 import CONTOURS
from fer.mesh_rows import Faces, read
from fer.mesh_shape import MIRRORED_AXES, rotations

CLASSES = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")


def mesh(pose: tuple[float, float, float] = (0, 0, 0), **lifted: float) -> np.ndarray:
    """Return a neutral face of 478 points, the eyes 80 apart, with some points lifted by shares of that."""
    points = np.random.default_rng(0).uniform(-50, 50, (478, 3)) * (1, 1, 0.2)
    middles = {"mouth": (0, 60), "right_eye": (-25, 0), "left_eye": (25, 0)}
    groups = {"mouth": (13, 14, 61, 291), "right_eye": (33, 159, 145), "left_eye": (263, 386, 374)}
    for name, places in groups.items():
        points[list(places), :2] = middles[name]
    points[[33, 263], 0] = (-40, 40)
    points[[61, 291], 0] = (-20, 20)
    points[[159, 386], 1] -= 4
    points[[145, 374], 1] += 4  # the eyes are open by 0.1
    moved = {"corners": [61, 291], "upper_lip": [13], "upper_lids": [159, 386]}
    for name, share in lifted.items():
        points[moved[name], 1] -= 80 * share
    points[[61, 291, 13, 14, 33, 263, 159, 386, 145, 374], 2] = 0
    turn = rotations(np.array([pose]))[0]
    return points * MIRRORED_AXES @ turn.T * MIRRORED_AXES + (200, 150, 0)


def line(label: str, source: str, pose=(0.0, 0.0, 0.0), scores=None, **lifted: float) -> str:
    """Return a row of a landmark CSV; a blendshape without a side is set on both."""
    given = {"mouthSmile": 0.1, "browOuterUp": 0.4} | (scores or {})
    values = [
        next((given[key] for key in (name, re.sub("(Left|Right)$", "", name)) if key in given), 0.0)
        for name in BLENDSHAPES
    ]
    face = Face(points=mesh(pose, **lifted).astype(np.float32), blendshapes=np.array(values, np.float32), pose=pose)
    return mesh_csv.row(face, label=label, source=source, size=(640, 480))


LOW = {"scores": {"mouthSmile": 0.0}, "corners": -0.05}
CASES = [
    ("happiness", LOW, "the mouth does not smile and its corners are below the middle of the lips", ""),
    ("neutral", {"scores": {"mouthSmile": 0.7}}, "the mouth smiles broadly", "happiness"),
    ("surprised", {"scores": {"mouthSmile": 0.7}}, "the mouth smiles broadly", "happiness"),
    ("neutral", {"upper_lip": 0.25}, "the lips are far apart", ""),
    (
        "surprised",
        {"scores": {"browOuterUp": 0.1}},
        "the mouth is shut, the eyes are not wide and the brows not raised",
        "",
    ),
    ("anger", {"scores": {"browInnerUp": 0.6}}, "the brows are raised and the mouth is shut", ""),
    ("sadness", {"upper_lids": 0.05}, "the eyes are wide open", ""),
    ("fear", {"scores": {"eyeSquint": 0.7}}, "the eyes are narrow", ""),
]


def told(tmp_path: Path, *lines: str, labels: list[str]) -> list[dict]:
    file = tmp_path / "faces.csv"
    file.write_text(mesh_csv.header() + "".join(lines))
    rows = [row for row in read(file) if not isinstance(row, str)]
    faces = Faces(np.stack([row.packed() for row in rows]))
    given = np.array([CLASSES.index(label) for label in labels])
    return label_rules.describe(faces, given, np.arange(len(rows)), [row.name for row in rows], CLASSES)


def test_there_is_a_case_for_each_rule():
    assert [(rule.reason, bool(rule.rather)) for rule in RULES] == [
        (case[2], bool(case[3])) for case in (CASES[0], CASES[1], CASES[3], CASES[2], *CASES[4:])
    ]


@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (10.0, -20.0, 30.0)])
@pytest.mark.parametrize(("label", "face", "reason", "rather"), CASES)
def test_a_contradicted_label_is_found_with_its_reason_and_a_neutral_face_is_not(
    tmp_path, label, face, reason, rather, pose
):
    odd, plain = line(label, "odd.jpg", pose, **face), line(label, "plain.jpg", pose)
    assert told(tmp_path, plain, odd, labels=[label] * 2) == [
        {"row": 1, "name": "faces.csv row 2, odd.jpg", "given": label, "suggested": rather, "why": [reason]}
    ]


def test_no_rule_is_on_a_neutral_face_whatever_its_label(tmp_path):
    assert told(tmp_path, *(line(label, "plain.jpg") for label in CLASSES), labels=list(CLASSES)) == []


def test_a_face_that_two_rules_contradict_comes_once_with_both_reasons(tmp_path):
    found = told(tmp_path, line("neutral", "a.jpg", scores={"mouthSmile": 0.7}, upper_lip=0.25), labels=["neutral"])
    assert [each["why"] for each in found] == [["the mouth smiles broadly", "the lips are far apart"]]


def test_a_frown_contradicts_no_other_label(tmp_path):
    assert told(tmp_path, *(line("x", "a.jpg", **LOW) for _ in "123"), labels=["anger", "sadness", "neutral"]) == []


def recorded(tmp_path: Path) -> Path:
    """Write 20 rows of two classes, of which the third is a happy label on low mouth corners."""
    lines = [line(("happy", "sad")[n % 2], f"{n}.jpg", pose=(0.0, n * 0.5, 0.0)) for n in range(20)]
    lines[2] = line("happy", "2.jpg", **LOW)
    file = tmp_path / "faces.csv"
    file.write_text(mesh_csv.header() + "".join(lines))
    return file


def words(tmp_path: Path, *more: str) -> tuple[str, ...]:
    splits = ("dataset.splits.train=train", "dataset.splits.validation=0.2", "dataset.splits.test=none")
    own = ("dataset.seed=1", "dataset.outliers=0")  # of faces that are all alike, a changed one is an outlier
    return ("dataset=facemesh_csv", f"dataset.path={recorded(tmp_path)}", *own, *splits, *more)


def test_what_is_found_is_reviewed_and_dropped(tmp_path, capsys):
    noise(compose("noise", *words(tmp_path), f"output={tmp_path / 'noise'}"))
    assert capsys.readouterr().out == (
        "facemesh_csv: 1 of 16 labels are probably wrong, by rules on the face\n"
        "  happy             1 of 8\n"
        "  sad               0 of 8\n"
        f"  review them: {tmp_path / 'noise/review.html'}\n"
    )
    name = "faces.csv row 3, 2.jpg"
    [suspect] = json.loads((tmp_path / "noise/suspects.json").read_text())["first"]
    assert suspect == {"row": 2, "name": name, "given": "happy", "suggested": "", "why": [RULES[0].reason]}
    page = (tmp_path / "noise/review.html").read_text()
    assert f"given <b>happy</b>, but {RULES[0].reason}</figcaption>" in page
    assert "<option selected>happy</option><option>sad</option>" in page
    assert f'<figure class="pair" data-name="{name}"><img src="data:image/png;base64,' in page

    [empty] = re.findall(r"const file = (\{.*\});", page)
    decided = tmp_path / "decisions.json"
    decided.write_text(json.dumps(json.loads(empty) | {"decisions": {name: {"action": "drop"}}}))
    before = compose("prepare", *words(tmp_path)).dataset
    for subset in ("expression", "lips"):  # what was decided holds for every shape of the input
        after = compose("prepare", *words(tmp_path, f"dataset.decisions={decided}", f"dataset.shape.subset={subset}"))
        names = [
            {samples.name(i) for i in range(len(samples))}
            for samples in (before.load("train"), after.dataset.load("train"))
        ]
        assert names[0] - names[1] == {name} and not names[1] - names[0]
        np.testing.assert_array_equal(after.dataset.load("validation").rows, before.load("validation").rows)


def test_rows_without_blendshapes_are_told_of_and_judged_by_what_is_there(tmp_path, caplog):
    file = tmp_path / "faces.csv"
    lines = [line(("neutral", "sad")[n % 2], f"{n}.jpg", pose=(0.0, n * 0.5, 0.0)) for n in range(20)]
    lines[2] = line("neutral", "2.jpg", scores={"mouthSmile": 0.7})
    lines[4] = line("neutral", "4.jpg", upper_lip=0.25)
    file.write_text((mesh_csv.header() + "".join(lines)).replace("mouthSmile", "grin"))
    splits = ("dataset.splits.validation=0.2", "dataset.splits.test=none", "dataset.seed=1", "dataset.outliers=0")
    noise(compose("noise", "dataset=facemesh_csv", f"dataset.path={file}", *splits, f"output={tmp_path / 'noise'}"))
    found = json.loads((tmp_path / "noise/suspects.json").read_text())["first"]
    assert [(each["row"], each["why"]) for each in found] == [(4, ["the lips are far apart"])]
    assert "noise: some rows are without blendshapes, which most rules need; extract them again" in caplog.messages


def test_rules_are_for_landmarks_and_not_beside_runs(tmp_path):
    with pytest.raises(ConfigError) as caught:
        noise(compose("noise", "dataset=synthetic"))
    assert str(caught.value) == (
        "dataset: expected facemesh_csv, got synthetic: the rules are on landmarks; make them with "
        "`python -m fer extract`, or give runs of that dataset, runs="
    )
    with pytest.raises(ConfigError) as caught:
        compose("noise", "dataset=synthetic", f"runs={tmp_path}")
    assert str(caught.value) == "runs: is for networks, and dataset= for rules on the face; give one of the two"


def test_the_mouth_and_the_eyes_are_drawn_as_lines():
    from PIL import Image

    from fer.evaluation import page

    whole = np.array(page._drawn(mesh(), 384))
    assert whole.shape == (384, 384)
    assert Image.fromarray(whole).getextrema() == (30, 255)
    lips = np.array(page._drawn(mesh()[list(CONTOURS["outer lip"])], 384))
    assert 20 < (lips == 30).sum() < (whole == 30).sum()
