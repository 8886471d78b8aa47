"""`python -m fer predict` on images, labelled folders, videos and a camera that is unplugged."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from fer.config import compose
from fer.errors import DataError
from fer.predict import predict
from fer.predictor import Predictor
from fer.shots import open_source


@pytest.fixture(scope="module")
def model(exported):
    return exported / "export/fp32.tflite"


@pytest.fixture
def work(model, tmp_path):
    def run(source, *words):
        settings = compose("predict", f"source='{source}'", f"file={model}", f"output={tmp_path / 'out'}", *words)
        with Predictor.load(model, detector=settings.detector, mesh=settings.mesh) as predictor:
            return predict(settings, open_source(settings.source), predictor, tmp_path / "out")

    return run


@pytest.fixture
def rows(tmp_path):
    def read():
        with (tmp_path / "out/predictions.csv").open(newline="") as lines:
            return list(csv.DictReader(lines))

    return read


@pytest.fixture
def photo(drawn):
    picture = np.full((400, 500, 3), 128, np.uint8)
    picture[60:316, 100:356] = drawn[0]
    return picture


def test_a_folder_gives_a_row_for_each_face_each_picture_without_one_and_each_damaged_file(work, rows, photo, tmp_path):
    (tmp_path / "in/more").mkdir(parents=True)
    Image.fromarray(photo).save(tmp_path / "in/a.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "in/b.png")
    (tmp_path / "in/c.jpg").write_bytes(b"no image")
    Image.fromarray(photo).save(tmp_path / "in/more/d.bmp")
    done = work(tmp_path / "in")
    assert (done.pictures, done.faces, done.empty, done.unread) == (3, 2, 1, ["c.jpg"])
    seen = rows()
    assert [(each["source"], each["face"]) for each in seen] == [
        ("a.png", "1"),
        ("b.png", ""),
        ("c.jpg", ""),
        ("more/d.bmp", "1"),
    ]
    assert seen[1]["note"] == "no face" and seen[2]["note"].endswith("; is it damaged?")
    assert seen[0]["label"] == max((key for key in seen[0] if key[:2] == "p_"), key=lambda key: float(seen[0][key]))[2:]
    picture = cv2.imread(str(tmp_path / "out/a.png"))
    assert picture.shape == photo.shape and (picture != photo[..., ::-1]).any()
    assert (tmp_path / "out/more/d.bmp.png").exists()


def test_a_glob_takes_what_fits(work, rows, photo, tmp_path):
    for name in ("a1.png", "a2.png", "b.png"):
        Image.fromarray(photo).save(tmp_path / name)
    work(tmp_path / "a*.png", "pictures=false")
    assert [each["source"] for each in rows()] == ["a1.png", "a2.png"]


def test_a_labelled_folder_gives_a_text_and_a_grid(work, drawn, tmp_path):
    from fer.drawing import draw_face

    for name in ("happy", "surprise"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(4):
            face = draw_face(name, 64, np.random.default_rng(number), True)[0]
            Image.fromarray(face).save(tmp_path / "in" / name / f"{number}.png")
    done = work(tmp_path / "in", "detector=none")
    text = (tmp_path / "out/validation.txt").read_text()
    lines = text[text.index("confusion") :].splitlines()[2:]
    matrix = np.array([[int(value) for value in line.split()[1:]] for line in lines])
    assert (matrix.sum(), done.faces, len(matrix)) == (8, 8, 7)
    head = f"images 8, without a face 0 (not judged)\naccuracy {matrix.trace() / 8:.4f}\n"
    assert text.startswith(head)
    assert cv2.imread(str(tmp_path / "out/validation.png")).shape == (196, 8 * 160, 3)


def test_a_video_gives_ids_times_and_a_film_of_as_many_frames(work, rows, clip, tmp_path):
    source = clip()
    done = work(source)
    assert (done.pictures, done.faces, done.lost) == (30, 30, "")
    seen = rows()
    assert {each["face"] for each in seen} == {"1"}
    assert [float(each["time"]) for each in seen[:3]] == [0, 0.05, 0.1]
    film = cv2.VideoCapture(str(tmp_path / "out/clip.webm"))
    frames = 0
    while film.read()[0]:
        frames += 1
    assert frames == 30
    assert (tmp_path / "out/clip.webm").read_bytes()[:4] == b"\x1a\x45\xdf\xa3"  # Matroska, as WebM is


def test_batches_do_not_change_what_is_predicted(work, rows, clip):
    source, seen = clip(frames=7), []
    for batch in (1, 4):
        work(source, f"batch={batch}", "pictures=false")
        seen.append(rows())
    assert seen[0] == seen[1]


def test_a_video_without_faces_says_so(work, rows, clip):
    done = work(clip(frames=3, image=np.full((256, 256, 3), 60, np.uint8)))
    assert (done.faces, done.empty) == (0, 3)
    assert [each["note"] for each in rows()] == ["no face"] * 3


def test_what_was_predicted_before_a_camera_was_lost_is_kept(work, rows, clip, monkeypatch, tmp_path):
    real, path = cv2.VideoCapture, str(clip(frames=4))
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: real(path))  # a camera that ends after four frames
    done = work("0", "display=off")
    assert done.lost == "source: camera 0 was lost after 4 frames; is it still connected?"
    assert len(rows()) == 4 and (tmp_path / "out/camera.webm").stat().st_size > 1000


def test_json_lines_and_parquet_hold_what_the_csv_holds(work, rows, clip, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    source = clip(frames=2)
    for kind in ("csv", "jsonl", "parquet"):
        work(source, f"format={kind}", "pictures=false")
    lines = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    assert parquet.read_table(tmp_path / "out/predictions.parquet").to_pylist() == lines
    assert [each["label"] for each in rows()] == [each["label"] for each in lines]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gone.png", "source: no such file: {}; give an image, a folder, a glob, a video, or a camera's number"),
        ("*.png", "source: no image fits {}"),
        ("empty", "source: {} holds no images (.png, .jpg, .jpeg, .bmp, .webp)"),
    ],
)
def test_a_source_that_is_not_there_is_answered_in_one_line(work, tmp_path, name, text):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        work(tmp_path / name)
    assert str(error.value) == text.format(tmp_path / name)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_did(command, model, photo, tmp_path):
    shutil.copy(model, tmp_path / "face.tflite")
    Image.fromarray(photo).save(tmp_path / "a b.png")
    done = command("fer", "predict", "a b.png", "model=face.tflite", "output=out")
    assert (done.returncode, done.stdout.splitlines()[0][:19]) == (0, "1 face in 1 picture")
    assert done.stdout.splitlines()[-1] == "out"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["photo.png", "output=photo.png"], "output: expected a folder, got the file photo.png"),
        (["photo.png", "model=cnn48"], "model: no such file: cnn48; give a .tflite file, or a run's folder with run="),
        (["photo.png", "run=outputs/mine"], "run=outputs/mine: no such folder"),
        (["gone.mp4"], "source: no such file: gone.mp4; give a video file, or the number of a camera such as 0"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_loaded(command, photo, tmp_path, words, text):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    done = command("fer", "predict", *words)
    assert (done.returncode, done.stderr) == (2, f"error: {text}\n")


def test_one_image_that_cannot_be_read_is_said_once(work, tmp_path, caplog):
    file = tmp_path / "text.jpg"
    file.write_text("text")
    with pytest.raises(DataError) as error:
        work(file)
    assert str(error.value) == f"source: {file}: cannot be read as an image (no known format); is it damaged?"
    assert not caplog.messages
