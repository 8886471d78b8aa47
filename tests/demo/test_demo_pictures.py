"""What a visitor's browser sends becomes a picture, or one line that says why not."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fer.demo.pictures import longest, opened, samples
from fer.errors import DataError

ALLOWED = {"megabytes": 1.0, "megapixels": 0.5}


def sent(content, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(*size, mode="RGB", **options):
    file = io.BytesIO()
    Image.new(mode, size, **options).save(file, "PNG")
    return file.getvalue()


def test_a_file_is_decoded_in_memory(drawn):
    file = io.BytesIO()
    Image.fromarray(drawn[0]).save(file, "PNG")
    np.testing.assert_array_equal(opened(sent(file.getvalue()), **ALLOWED), drawn[0])


def test_rotation_alpha_and_animation_are_as_in_predict():
    file, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6  # a phone held upright
    Image.new("RGB", (30, 20), "red").save(file, "JPEG", exif=exif)
    assert opened(sent(file.getvalue()), **ALLOWED).shape == (30, 20, 3)
    assert opened(sent(png(2, 2, mode="RGBA", color=(0, 0, 0, 0))), **ALLOWED).min() == 255
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert opened(sent(file.getvalue(), "image/gif"), **ALLOWED)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "choose a picture first"),
        ("/etc/passwd", "choose a picture first"),
        ("http://127.0.0.1/a.png", "choose a picture first"),
        ("data:image/png,plain", "choose a picture first"),
        ("sample:../../a", "there is no sample '../../a'"),
        (sent(b""), "this picture: cannot be read as an image (no known format); is it damaged?"),
        (sent(b"no image"), "this picture: cannot be read as an image (no known format); is it damaged?"),
        (
            sent(b"<svg/>", "image/svg+xml"),
            "this picture: cannot be read as an image (no known format); is it damaged?",
        ),
        (sent(png(1000, 501)), "this picture: 1000x501 pixels are too many (at most 500,000); make it smaller first"),
        (sent(png(20_000, 20_000, mode="1")), "this picture: more than 500,000 pixels; make it smaller first"),
        (sent(b"0" * 1_000_003), "this file is larger than 1 MB; make it smaller first"),
    ],
)
def test_what_is_no_picture_is_answered_in_one_line(text, said):
    with pytest.raises(DataError) as error:
        opened(text, **ALLOWED)
    assert str(error.value) == said


def test_damaged_content_says_so():
    with pytest.raises(DataError, match=r"^this picture: cannot be read as an image \(.*\); is it damaged\?$"):
        opened(sent(png(300, 300)[:-200]), **ALLOWED)
    with pytest.raises(DataError, match=r"^this picture arrived damaged \(.*\); send it again$"):
        opened("data:image/png;base64,!!!", **ALLOWED)


@pytest.mark.parametrize("size", [1, 999_999, 1_000_000])
def test_the_longest_text_holds_the_largest_file(size):
    assert len(base64.b64encode(b"0" * size)) <= longest(1.0) < len(base64.b64encode(b"0" * 1_000_003))


def test_the_samples_are_drawn_pictures():
    assert {name: image.shape for name, image in samples().items() if name in ("happy", "together")} == {
        "happy": (320, 320, 3),
        "together": (320, 960, 3),
    }
    assert opened("sample:happy", **ALLOWED) is samples()["happy"]
