"""The Python API, with networks of the three families."""

import doctest
import subprocess
import sys
from dataclasses import FrozenInstanceError

import cv2
import numpy as np
import pytest
from PIL import Image

import fer.predictor
from fer import Prediction, Predictor, artifact
from fer.base import DataSpec
from fer.config import compose
from fer.detection import cut
from fer.device.faces import Box
from fer.errors import ConfigError, DataError, FerError, ModelError, RunError
from fer.mesh478 import SUBSETS
from fer.mesh_shape import Shape, prepare
from fer.predictor import read

SHAPE = {"subset": "expression", "centre": True, "scale": True, "rotate": True}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write a run folder of a network that is not trained."""

    def make(spec, dataset, *words):
        run = compose("train", "augmentation=none", *words)
        folder = artifact.RunFolder(tmp_path_factory.mktemp("made"))
        run.model.build(spec).save(folder.model)
        folder.finish({"contract": artifact.contract(spec), "config": {"dataset": dataset}})
        return folder.path

    return make


@pytest.fixture(scope="module")
def points_run(made):
    spec = DataSpec(name="faces", kind="image", shape=(48, 48, 1), points=68)
    return made(spec, {"margin": 0.15}, "model=cnn48", "loss=mse", "dataset=synthetic", "dataset.target=points")


@pytest.fixture(scope="module")
def mesh_run(made, tmp_path_factory):
    from fer.config import defaults
    from fer.model.landmark_cnn import LandmarkCnn

    spec = DataSpec(name="mesh", kind="landmarks", shape=(len(SUBSETS["expression"]), 3), classes=("sad", "happy"))
    network = LandmarkCnn(**defaults("model", "landmark_cnn")).build(spec)
    folder = artifact.RunFolder(tmp_path_factory.mktemp("mesh"))
    network.save(folder.model)
    folder.finish({"contract": artifact.contract(spec), "config": {"dataset": {"shape": SHAPE}}})
    return folder.path


def test_importing_the_package_stays_light():
    heavy = ("cv2", "hydra", "keras", "mediapipe", "numpy", "tensorflow")
    code = f"import sys, fer; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_the_example_of_the_docstring_runs(exported, drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(exported)
    Image.fromarray(drawn[0]).save("face.png")
    assert doctest.testmod(fer.predictor, raise_on_error=True).attempted == 4


def test_a_run_and_its_exported_file_say_the_same(exported, drawn):
    answers = []
    for path in (exported, exported / "export/fp32.tflite"):
        with Predictor.load(path, detector="none") as p:
            answers.append(list(p.classify(drawn[0]).probabilities.values()))
    np.testing.assert_allclose(*answers, atol=1e-4)


def test_a_drawn_face_is_found_in_a_larger_picture(exported, drawn):
    picture = np.full((512, 640, 3), 128, np.uint8)
    picture[100:356, 200:456] = drawn[0]
    with Predictor.load(exported / "export/fp32.tflite") as p:
        (face,) = p(picture)
    assert 200 < face.box.x < 300 and 100 < face.box.y < 250 and face.box.width > 100
    assert (face.label, face.confidence) == max(face.probabilities.items(), key=lambda each: each[1])
    assert face.mesh.points.shape == (478, 3)
    with pytest.raises(FrozenInstanceError):
        face.label = "sad"


def test_small_faces_are_found_in_parts_of_a_picture(exported, drawn):
    picture = np.full((1000, 1200, 3), 128, np.uint8)
    small = cv2.resize(drawn[0], (110, 110), interpolation=cv2.INTER_AREA)
    for left in (100, 500, 1000):
        picture[600:710, left : left + 110] = small
    with Predictor.load(exported / "export/fp32.tflite") as p:
        assert sorted(round(face.box.x, -2) for face in p(picture)) == [100, 500, 1000]
        p.finder.depth = 0
        assert len(p(picture)) < 3


def test_points_are_in_pixels_of_the_picture(points_run, drawn):
    with Predictor.load(points_run, detector="none") as p:
        outputs = p.network(
            [cv2.resize(cv2.cvtColor(drawn[0], cv2.COLOR_RGB2GRAY), (48, 48), interpolation=cv2.INTER_AREA)[..., None]]
        )
        face = p.classify(drawn[0])
    assert (p.family, face.label, face.probabilities) == ("points", "", {})
    np.testing.assert_allclose(face.points, (outputs.reshape(68, 2) + 0.5) * 256, atol=0.5)


def test_points_follow_a_face_that_is_elsewhere(points_run, drawn):
    pictures = []
    for left, top in ((20, 30), (180, 130)):
        pictures.append(np.full((400, 450, 3), 128, np.uint8))
        pictures[-1][top : top + 256, left : left + 256] = drawn[0]
    with Predictor.load(points_run) as p:
        (one,), (other,) = (p(picture) for picture in pictures)
    np.testing.assert_allclose(other.points - one.points, np.tile([160, 100], (68, 1)), atol=6)


def test_a_network_of_landmarks_is_given_the_prepared_mesh(mesh_run, drawn, finder):
    mesh = finder.find(drawn[0])[0]
    with Predictor.load(mesh_run, detector="none") as p:
        face = p.classify(drawn[0])
        inputs = prepare(mesh.points[None], np.array([mesh.pose]), Shape(**SHAPE))
        np.testing.assert_allclose(list(face.probabilities.values()), p.network(list(inputs))[0], atol=1e-3)
        with pytest.raises(DataError, match=r"^no face is found in this crop, so there are no landmarks to classify$"):
            p.classify(np.zeros((100, 100, 3), np.uint8))


def test_a_network_of_landmarks_refuses_other_detectors(mesh_run):
    text = "^detector: this network takes a face's mesh, which haar does not find; use facemesh$"
    with pytest.raises(ConfigError, match=text):
        Predictor.load(mesh_run, detector="haar")


def test_several_faces_are_predicted_as_one_by_one(points_run, drawn):
    crops = [np.roll(drawn[0], shift, axis=1) for shift in range(5)]
    with Predictor.load(points_run, detector="none") as p:
        together = p.predict(crops, [p.finder(crop) for crop in crops])
        for crop, (face,) in zip(crops, together, strict=True):
            np.testing.assert_allclose(face.points, p.classify(crop).points, atol=1e-2)


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("nothing", RunError, "run=nothing: no such folder"),
        ("none.tflite", ModelError, "none.tflite: cannot be read: No such file or directory"),
        ("face.png", RunError, "face.png: expected a run folder or a .tflite file"),
    ],
)
def test_a_wrong_path_is_answered_in_one_line(path, kind, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "face.png").touch()
    with pytest.raises(kind) as error:
        Predictor.load(path)
    assert str(error.value) == text


def test_yunet_needs_its_file(exported):
    with pytest.raises(FerError, match=r"^detector: yunet needs its model: detector_file=face_detection_yunet.onnx$"):
        Predictor.load(exported / "export/fp32.tflite", detector="yunet")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "P", "I;16", "LA", "1"])
def test_every_kind_of_pixels_is_read_as_rgb(mode, tmp_path):
    file = tmp_path / ("a.tif" if mode in ("CMYK", "I;16") else "a.png")
    if mode == "I;16":
        Image.fromarray(np.full((20, 30), 32896, np.uint16)).save(file)
    else:
        Image.new("RGB", (30, 20), (128, 128, 128)).convert(mode).save(file)
    pixels = read(file)
    assert (pixels.shape, pixels.dtype) == ((20, 30, 3), np.uint8)
    if mode != "1":
        assert abs(int(pixels.mean()) - 128) <= 2


def test_a_turned_photo_is_turned_back(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").shape == (30, 20, 3)


def test_the_first_picture_of_an_animated_image_is_taken(tmp_path):
    first, *others = (Image.new("RGB", (8, 8), (value, value, value)) for value in (200, 100, 0))
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    assert read(tmp_path / "a.gif").mean() == 200


def test_a_picture_that_is_too_large_is_not_decoded(tmp_path):
    file = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(file)
    with pytest.raises(DataError, match=f"^{file}: more than 89,000,000 pixels; make it smaller first$"):
        read(file)


def test_a_truncated_file_is_answered_in_one_line(tmp_path, drawn):
    file = tmp_path / "cut.png"
    Image.fromarray(drawn[0]).save(file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DataError, match=f"^{file}: cannot be read as an image .*; is it damaged[?]$"):
        read(file)


def test_one_pixel_is_no_face(exported):
    with Predictor.load(exported / "export/fp32.tflite") as p:
        assert p(np.zeros((1, 1, 3), np.uint8)) == []
        assert isinstance(p.classify(np.zeros((1, 1, 3), np.uint8)), Prediction)


def test_an_array_of_floats_is_refused():
    with pytest.raises(
        ValueError, match=r"^expected a uint8 image \(height, width, 3\) in RGB, got float64 \(4, 4, 3\)$"
    ):
        read(np.zeros((4, 4, 3)))


def test_a_crop_repeats_the_edge_outside_the_picture():
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10, 1).repeat(3, axis=2)
    pixels, corner = cut(picture, Box(-2, 0, 10, 10), "facemesh", "classes", 0.0)
    assert (pixels.shape, corner.tolist()) == ((11, 11, 3), [-2, -1])
    assert pixels[0, 0, 0] == pixels[1, 2, 0] == 0 and pixels[-1, 5, 0] == picture[9, 3, 0]


def test_a_cascade_that_is_none_is_answered_in_one_line(exported, tmp_path):
    with pytest.raises(ModelError) as error:
        Predictor.load(exported / "export/fp32.tflite", detector="haar", detector_file=str(tmp_path / "gone.xml"))
    text = f"{tmp_path}/gone.xml: expected a cascade of OpenCV (.xml), which it is not or which is not there"
    assert str(error.value) == text
