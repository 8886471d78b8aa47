"""What the demo answers, without Gradio: models side by side, Grad-CAM, several visitors at once."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fer.config import compose
from fer.demo import show
from fer.demo.page import ALONE, answering
from fer.demo.panel import EXPLAINED, Panel
from fer.demo.pictures import DRAWN, samples
from fer.drawing import draw_face
from fer.errors import DataError
from fer.predictor import Predictor

BLANK = np.full((200, 200, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def settings():
    return compose("demo")


@pytest.fixture(scope="module")
def panel(exported, settings):
    files = {f"{name}.tflite": exported / f"export/{name}.tflite" for name in ("fp32", "int8")}
    opened = Panel({**files, "run": exported, "damaged": exported / "export/none.tflite"}, settings)
    yield opened
    opened.close()


def ask(panel, picture, *names, small=False, explain=False):
    return panel(picture, names or ["fp32.tflite"], small=small, explain=explain)


def test_a_face_is_answered_as_the_predictor_does(panel, exported):
    (answer,) = ask(panel, samples()["happy"])
    with Predictor.load(exported / "export/fp32.tflite") as predictor:
        (expected,) = predictor(samples()["happy"])
    (face,) = answer.faces
    assert face.prediction.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert (answer.model, answer.about, answer.found, face.heat) == ("fp32.tflite", "7 classes from 24x24 RGB", 1, None)
    assert answer.picture.shape == (320, 320, 3) and (answer.picture != samples()["happy"]).any()
    assert 0 < answer.network < answer.whole


def test_latency_is_per_face(panel):
    (answer,) = ask(panel, samples()["together"])
    assert answer.found == len(answer.faces) == 3
    (alone,) = ask(panel, samples()["happy"])
    assert answer.network < 3 * alone.network + 5


def test_two_models_are_asked_about_the_same_faces(panel):
    one, other = ask(panel, samples()["sad"], "fp32.tflite", "int8.tflite")
    assert [one.model, other.model] == ["fp32.tflite", "int8.tflite"]
    assert one.faces[0].prediction.box == other.faces[0].prediction.box
    assert one.faces[0].prediction.probabilities != other.faces[0].prediction.probabilities


def test_a_run_has_grad_cam_and_a_file_says_that_it_has_none(panel):
    run, file = ask(panel, samples()["surprise"], "run", "fp32.tflite", explain=True)
    heat = run.faces[0].heat
    assert heat.shape == (192, 192, 3) and np.ptp(heat.astype(int).sum(axis=2)) > 50
    assert (run.note, file.faces[0].heat) == ("", None)
    assert file.note == "Grad-CAM needs a run whose network takes images and gives classes."


def test_a_picture_without_a_face_says_so(panel):
    (answer,) = ask(panel, BLANK, explain=True)
    assert (answer.found, answer.faces, answer.note) == (0, [], "")
    html = show.answers([answer])
    assert "No face is found in this picture." in html and "looked for" in html


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 300), (1, 40_000)])
def test_odd_sizes_are_answered(panel, size):
    (answer,) = ask(panel, np.zeros((*size, 3), np.uint8), small=True)
    assert answer.found == 0 and "fer-picture" in show.answers([answer])


def test_small_faces_are_found_when_asked_for(panel):
    picture = np.full((1000, 1200, 3), 128, np.uint8)
    small = draw_face("happy", 110, np.random.default_rng(1), True)[0]
    for left in (100, 500, 1000):
        picture[600:710, left : left + 110] = small
    assert ask(panel, picture, small=True)[0].found == 3
    assert ask(panel, picture)[0].found < 3


def test_of_many_faces_the_largest_are_shown_one_by_one(panel):
    row = np.hstack([samples()["happy"]] * 4)
    (answer,) = ask(panel, np.vstack([row] * 2), small=True)
    assert answer.found > EXPLAINED == len(answer.faces)
    html = show.answers([answer])
    assert f"and {answer.found - EXPLAINED} more, drawn above" in html
    assert html.count('class="fer-face"') == EXPLAINED


def test_ten_visitors_at_once_get_their_own_answers(panel):
    faces = [draw_face(name, 256, np.random.default_rng(seed), True)[0] for name, seed in (*DRAWN, *DRAWN)]
    alone = [ask(panel, face)[0] for face in faces]
    with ThreadPoolExecutor(10) as pool:
        together = list(pool.map(lambda face: ask(panel, face, "fp32.tflite", "int8.tflite")[0], faces))
    for one, other in zip(alone, together, strict=True):
        assert [each.prediction.probabilities for each in one.faces] == [
            each.prediction.probabilities for each in other.faces
        ]


def test_a_model_that_cannot_be_used_is_answered_in_one_line(panel, settings, exported):
    answer = answering(panel, settings)
    assert f"{exported}/export/none.tflite: cannot be read" in answer("sample:happy", "damaged", ALONE, False, False)
    assert "there is no model" in answer("sample:happy", "../../etc/passwd", ALONE, False, False)
    assert "choose a picture first" in answer({"path": "/etc/passwd", "url": None}, "fp32.tflite", ALONE, False, False)
    assert "choose a picture first" in answer(None, "fp32.tflite", ALONE, False, False)


def test_what_a_visitor_chooses_reaches_the_models(panel, settings):
    answer = answering(panel, settings)
    assert titles(answer("sample:happy", "fp32.tflite", "int8.tflite", False, False)) == ["fp32.tflite", "int8.tflite"]
    assert titles(answer("sample:happy", "fp32.tflite", "fp32.tflite", False, False)) == ["fp32.tflite"]
    assert "fer-heat" in answer("sample:happy", "run", ALONE, False, True)


def test_names_of_others_open_no_tag(panel):
    (answer,) = ask(panel, samples()["happy"])
    object.__setattr__(answer, "model", "<script>alert(1)</script>")
    assert "<script>" not in show.answers([answer])
    assert show.refused("<b>") == '<p class="fer-refused" role="alert">&lt;b&gt;</p>'


def test_haar_refuses_networks_of_the_mesh(exported):
    panel = Panel({"fp32": exported / "export/fp32.tflite"}, compose("demo", "detector=haar"))
    assert ask(panel, BLANK, "fp32")[0].found == 0
    text = "^this model cannot be asked here: detector: this network takes a face's mesh, which haar does not find; .*$"
    with pytest.raises(DataError, match=text):
        panel._finder(needs_mesh=True)


def titles(html):
    return re.findall("<h2>(.*?)</h2>", html)
