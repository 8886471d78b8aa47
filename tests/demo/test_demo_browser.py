"""The demo in a real browser: upload, class, models, camera, bad files, a phone; what leaves the machine or stays."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from fer.drawing import draw_face
from fer.predictor import Predictor

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, exported):
    """A place with two models, and an empty folder for temporary files."""
    place = tmp_path_factory.mktemp("demo")
    (place / "models").mkdir()
    (place / "temporary").mkdir()
    for name in ("fp32", "int8"):
        shutil.copy(exported / f"export/{name}.tflite", place / "models")
    return place


def serve(folder, port):
    words = [f"port={port}", "megabytes=1", "megapixels=1", "models=models"]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "temporary"), "HOME": str(folder / "home")}
    here.setdefault("FER_CACHE", str(folder / "cache"))
    command = [sys.executable, "-m", "fer", "demo", *words]
    return subprocess.Popen(command, cwd=folder, env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def address(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with serve(folder, port) as server:
        line = server.stdout.readline()
        assert line == f"http://127.0.0.1:{port} (Ctrl-C ends); 2 models\n", server.stderr.read()
        yield line.split()[0]
        server.terminate()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """What the camera sees, as Chromium takes it: raw YUV frames of a drawn face."""
    import cv2

    path = tmp_path_factory.mktemp("film") / "camera.y4m"
    canvas = np.full((480, 640, 3), 128, np.uint8)
    canvas[40:440, 120:520] = draw_face("surprise", 400, np.random.default_rng(3), True)[0]
    frame = b"FRAME\n" + cv2.cvtColor(canvas, cv2.COLOR_RGB2YUV_I420).tobytes()
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + 5 * frame)
    return path


@pytest.fixture(scope="module")
def browser(film):
    camera = (
        "use-fake-ui-for-media-stream",
        "use-fake-device-for-media-stream",
        f"use-file-for-fake-video-capture={film}",
    )
    with sync_playwright() as library:
        opened = library.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *(f"--{word}" for word in camera)], timeout=180_000
        )
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address, request):
    """The page, with its first answer; fails where something was fetched from elsewhere or a script failed."""
    size = getattr(request, "param", (1200, 900))
    opened = browser.new_page(viewport={"width": size[0], "height": size[1]})
    opened.set_default_timeout(120_000)
    asked, failed = [], []
    opened.on("request", lambda each: asked.append(each.url))
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("#fer-shown .fer-answer")
    yield opened
    opened.close()
    elsewhere = {
        url
        for url in asked
        if not url.startswith(("data:", "blob:")) and urlsplit(url).netloc != urlsplit(address).netloc
    }
    assert (elsewhere, failed) == (set(), [])
    assert any(url.endswith(".js") for url in asked)


@pytest.fixture
def photo(tmp_path):
    face = draw_face("sad", 256, np.random.default_rng(1), True)[0]
    Image.fromarray(face).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def upload(page, path):
    page.set_input_files("#fer-picker input[type=file]", path)


def files(folder):
    return [path for path in (folder / "temporary").rglob("*") if path.is_file()]


def choose(page, label, name):
    page.get_by_label(label).click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.get_by_role("option")).to_have_count(
        0, timeout=60_000
    )  # it fades out, and the next list has the same names


@needs_chromium
def test_an_upload_is_answered_with_its_class_and_leaves_no_file(page, photo, folder, exported):
    with Predictor.load(exported / "export/fp32.tflite") as predictor:
        (face,) = predictor(photo)
    first = page.get_attribute("#fer-shown .fer-picture", "src")
    upload(page, photo)
    page.wait_for_function("old => document.querySelector('#fer-shown .fer-picture').src !== old", arg=first)
    assert page.inner_text("#fer-shown .fer-label") == f"{face.label} {100 * face.confidence:.0f}%"
    assert page.locator("#fer-shown .fer-class").count() == 7
    assert re.fullmatch(r"1 face · network \d+\.\d ms · whole \d+ ms per face", page.inner_text(".fer-latency").strip())
    assert files(folder) == []


@needs_chromium
def test_models_are_switched_and_stand_side_by_side(page):
    assert page.inner_text("#fer-shown h2") == "fp32.tflite"
    choose(page, "Model", "int8.tflite")
    page.wait_for_selector("#fer-shown h2:text-is('int8.tflite')")
    choose(page, "Beside it", "fp32.tflite")
    page.wait_for_selector("#fer-shown .fer-answer:nth-child(2)")
    boxes = [each.bounding_box() for each in page.locator("#fer-shown .fer-answer").all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


@needs_chromium
def test_samples_are_answered(page):
    page.click("[data-sample=together]")
    page.wait_for_selector("#fer-shown .fer-face:nth-of-type(3)")
    assert "3 faces" in page.inner_text("#fer-shown .fer-latency")


@needs_chromium
def test_the_camera_is_answered_while_it_records(page, folder):
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.get_by_label("capture photo").click()
    page.wait_for_selector("#fer-filmed .fer-label")
    page.wait_for_selector("#fer-shown", state="hidden")
    size = page.eval_on_selector("#fer-filmed .fer-picture", "image => [image.naturalWidth, image.naturalHeight]")
    assert size == [640, 480]
    page.get_by_text("Stop", exact=True).click()
    page.get_by_role("tab", name="Picture").click()
    page.wait_for_selector("#fer-shown")
    page.wait_for_selector("#fer-filmed", state="hidden")
    assert files(folder) == []


@needs_chromium
@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("notes.png", b"no image", "this picture: cannot be read as an image (no known format); is it damaged?"),
        ("large.jpg", b"0" * 1_000_001, "This file is larger than 1 MB; make it smaller first."),
        ("../../etc/<b>x</b>.png", b"", "this picture: cannot be read as an image (no known format); is it damaged?"),
    ],
    ids=["text", "too large", "empty"],
)
def test_a_bad_upload_is_answered_in_one_line(page, folder, photo, name, content, text):
    upload(page, {"name": name, "mimeType": "image/png", "buffer": content})
    page.get_by_role("alert").filter(has_text=text).wait_for()
    upload(page, photo)  # and the page goes on
    page.wait_for_function("document.querySelector('.fer-said').textContent === ''")
    page.wait_for_selector("#fer-shown .fer-label")
    assert files(folder) == []


@needs_chromium
@pytest.mark.parametrize("page", [(375, 720)], indirect=True)
def test_a_phone_shows_all_of_it(page, photo):
    upload(page, photo)
    page.wait_for_function("document.querySelector('#fer-shown').getBoundingClientRect().top < window.innerHeight / 2")
    choose(page, "Beside it", "int8.tflite")
    page.wait_for_selector("#fer-shown .fer-answer:nth-child(2)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    for box in (each.bounding_box() for each in page.locator("#fer-shown .fer-answer").all()):
        assert box["x"] >= 0 and box["x"] + box["width"] <= 375
    drop, shown = (page.locator(each).bounding_box() for each in (".fer-drop", "#fer-shown"))
    assert drop["y"] < shown["y"] and drop["width"] > 250


@needs_chromium
def test_the_page_may_not_fetch_from_elsewhere(browser, address):
    page = browser.new_page()
    page.goto(address)
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}/"
        said = page.evaluate("url => fetch(url).then(() => 'fetched', () => 'refused')", url)
        other.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.accept()
    assert said == "refused"
    page.close()


def asked(address, method, path, body=b"", **headers):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text


def test_a_file_is_never_taken_whatever_its_name(address, folder):
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="../../evil.png"\r\n\r\n0\r\n--x--\r\n'
    status = asked(address, "POST", "/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=x")
    assert status == (403, "this page takes no files; pictures are answered in memory")
    assert files(folder) == [] and not list(folder.rglob("evil*"))


def test_a_request_that_is_too_large_is_not_read(address):
    said = asked(address, "POST", "/gradio_api/queue/join", Content_Length=str(2_000_000))
    assert said == (413, "this picture is too large")
    assert asked(address, "POST", "/gradio_api/queue/join", Transfer_Encoding="chunked")[0] == 411


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=/etc/passwd", "/gradio_api/file=models/fp32.tflite", "/../etc/passwd"]
)
def test_files_of_the_machine_are_not_served(address, path):
    status, text = asked(address, "GET", path)
    assert status in (403, 404) and "root:" not in text


def test_the_first_page_calls_nobody(address):
    status, text = asked(address, "GET", "/")
    assert status == 200
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)"', text)
    assert [url for url in loaded if urlsplit(url).netloc != urlsplit(address).netloc] == []


def test_a_port_that_is_taken_is_said_in_one_line(address, folder):
    port = urlsplit(address).port
    with serve(folder, port) as second:
        out, error = second.communicate(timeout=300)
    text = f"cannot serve on 127.0.0.1:{port} (Address already in use); choose another one with port= or host="
    assert (second.returncode, out, error) == (2, "", f"error: port: {text}\n")


def test_it_ends_at_ctrl_c(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with serve(folder, port) as server:
        assert server.stdout.readline().startswith("http://")
        time.sleep(0.5)
        server.send_signal(2)
        try:
            assert server.wait(120) == 0
        finally:
            server.kill()
