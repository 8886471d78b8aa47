"""A crop shows the face upright, in the middle, whatever the picture was."""

import cv2
import numpy as np
import pytest

from fer.commands.extract import extract as extract_command
from fer.config import compose
from fer.crops import EYES, crop_face
from fer.runs.extract import Crop


@pytest.mark.parametrize("turn", [-30, 0, 25])
@pytest.mark.parametrize("scale", [0.6, 2.5])
def test_a_face_comes_out_upright_and_in_the_middle(finder, drawn, turn, scale):
    matrix = cv2.getRotationMatrix2D((128, 128), turn, scale)
    matrix[:, 2] += 128 * scale
    size = (int(256 * scale) + 256,) * 2
    image = cv2.warpAffine(drawn[0], matrix, size, borderMode=cv2.BORDER_REPLICATE)
    [face] = finder.find(image)
    crop = crop_face(image, face, Crop(size=160, margin=0.1, colour=True))
    assert crop.shape == (160, 160, 3) and crop.dtype == np.uint8
    [found] = finder.find(crop)
    right, left = (found.points[list(corners), :2].mean(axis=0) for corners in EYES)
    assert np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])) == pytest.approx(0, abs=3)
    left_edge, top, right_edge, bottom = found.box
    assert ((left_edge + right_edge) / 2, (top + bottom) / 2) == pytest.approx((80, 80), abs=6)
    assert max(right_edge - left_edge, bottom - top) == pytest.approx(160 / 1.2, rel=0.06)


@pytest.mark.parametrize(("colour", "shape"), [(True, (32, 32, 3)), (False, (32, 32))])
@pytest.mark.parametrize("grey", [True, False])
def test_grey_and_colour_can_be_had_of_both(finder, drawn, colour, shape, grey):
    image = cv2.cvtColor(drawn[0], cv2.COLOR_RGB2GRAY)[..., None] if grey else drawn[0]
    crop = crop_face(image, finder.find(image)[0], Crop(size=32, margin=0.0, colour=colour))
    assert crop.shape == shape
    assert crop.std() > 10


@pytest.mark.slow
def test_an_image_folder_reads_the_crops(tmp_path):
    output = tmp_path / "crops"
    words = ("dataset.size=96", "dataset.train=70", "dataset.validation=14", "dataset.test=14", "workers=1")
    extract_command(compose("extract", *words, "crops=true", "crop.size=48", f"output={output}"))
    dataset = compose("prepare", "dataset=image_folder", f"dataset.path={output}", "dataset.size=48").dataset
    assert dataset.spec().classes == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert {split: len(dataset.load(split)) >= least for split, least in (("train", 60), ("validation", 12))} == {
        "train": True,
        "validation": True,
    }
    picture = cv2.imread(str(output / "landmarks.png"))
    assert picture.shape == (7 * 192, 8 * 192, 3)
    assert (np.ptp(picture.astype(int), axis=-1) > 60).mean() > 0.01  # green lines over grey faces
