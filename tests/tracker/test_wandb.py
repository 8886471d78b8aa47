import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fer.base import Passport
from fer.errors import ConfigError
from fer.tracker.wandb import Wandb

wandb = pytest.importorskip("wandb")

KEY = "ab" * 20
SETTINGS: dict[str, Any] = {
    "project": "faces",
    "entity": None,
    "group": "sweep",
    "tags": ["quick", "cpu"],
    "notes": "a note",
    "mode": "auto",
    "artifact": True,
    "start_timeout": 2,
    "finish_timeout": 20,
}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep this machine's keys, settings and repository out, and give each test a wandb of its own."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_")) or name == "NETRC"]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run folder with a model and a figure."""
    from PIL import Image

    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"weights")
    Image.new("RGB", (6, 4)).save(folder / "confusion.png")
    return folder


def tracker(**changes: Any) -> Wandb:
    return Wandb(**{**SETTINGS, **changes})


def passport(folder: Path) -> Passport:
    return Passport(
        folder=folder,
        name="cnn48,lr=0.1",
        config={"model": {"dropout": 0.5}, "seed": 1},
        environment={"keras": "3.15", "data": {"train": "f00d"}},
    )


def record(folder: Path, wandb_tracker: Wandb, fault: BaseException | None = None) -> None:
    """Track a run of two epochs that ends well, or with a fault."""
    with wandb_tracker.track(passport(folder)) as tracking:
        tracking.epoch(0, {"loss": 2.0, "val_loss": 2.5})
        tracking.epoch(1, {"loss": 1.0, "val_loss": float("inf")})
        if fault:
            raise fault
        results = {"accuracy": 0.75, "nme": float("inf")}
        tracking.results(results, [folder / "confusion.png"], folder / "model.keras")


def recorded(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "wandb").iterdir() if path.is_dir() and not path.is_symlink())


def records(folder: Path) -> list[Any]:
    """Read the transaction log of a run: LevelDB's log format (32 KiB blocks) after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # its service writes on for a moment after a run's end, and has written all when it has ended
    (file,) = folder.glob("run-*.wandb")
    data, start, parts, found = file.read_bytes(), 7, b"", []
    while start + 7 <= len(data):
        left = 32768 - start % 32768
        length, kind = int.from_bytes(data[start + 4 : start + 6], "little"), data[start + 6]
        if left < 7 or kind == 0:  # the rest of a block is padding
            start += left
            continue
        parts += data[start + 7 : start + 7 + length]
        start += 7 + length
        if kind in (1, 4):  # a full record, or its last part
            found.append(Record.FromString(parts))
            parts = b""
    return found


def items(updates: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in updates}


def exit_code(folder: Path) -> int:
    (code,) = [entry.exit.exit_code for entry in records(folder) if entry.HasField("exit")]
    return code


def test_an_offline_run_reads_back(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fer")
    record(run, tracker())

    (folder,) = recorded(run)
    assert folder.name.startswith("offline-run-")
    assert caplog.messages == [f"wandb: offline; upload it with `wandb sync {folder}`"]
    log = records(folder)
    (start,) = [entry.run for entry in log if entry.HasField("run")]
    assert (start.project, start.display_name, start.run_group) == ("faces", "cnn48,lr=0.1", "sweep")
    assert (list(start.tags), start.notes) == (["quick", "cpu"], "a note")
    config = items(start.config.update)
    assert (config["model"], config["seed"]) == ({"dropout": 0.5}, 1)
    assert config["environment"] == {"keras": "3.15", "data": {"train": "f00d"}}

    history = [items(entry.history.item) for entry in log if entry.HasField("history")]
    rows = [{key: row[key] for key in row if not key.startswith("_")} for row in history]
    assert rows[:2] == [
        {"epoch": 0, "loss": 2.0, "val_loss": 2.5},
        {"epoch": 1, "loss": 1.0, "val_loss": float("inf")},
    ]
    metrics = {entry.metric.glob_name or entry.metric.name: entry.metric for entry in log if entry.HasField("metric")}
    assert metrics["*"].step_metric == "epoch"

    figure = {key.rpartition("/")[2]: value for key, value in rows[2].items() if key.startswith("figures/confusion/")}
    assert (rows[2]["epoch"], figure["_type"], figure["width"], figure["height"]) == (1, "image-file", 6, 4)
    assert (folder / "files" / figure["path"]).read_bytes() == (run / "confusion.png").read_bytes()

    summary: dict[str, Any] = {}
    for entry in log:
        summary.update(items(entry.summary.update) if entry.HasField("summary") else {})
    assert summary["accuracy"] == 0.75
    assert exit_code(folder) == 0


def test_the_model_is_an_artifact_with_its_scores(run: Path) -> None:
    record(run, tracker())
    log = records(recorded(run)[0])
    (artifact,) = [entry.artifact for entry in log if entry.HasField("artifact")]
    assert (artifact.type, artifact.name) == ("model", "cnn48-lr-0.1")
    assert json.loads(artifact.metadata) == {
        "results": {"accuracy": 0.75},
        "config": {"model": {"dropout": 0.5}, "seed": 1},
    }
    (content,) = artifact.manifest.contents
    assert (content.path, Path(content.local_path)) == ("model.keras", run / "model.keras")


def test_the_model_stays_here_if_the_user_wants(run: Path) -> None:
    record(run, tracker(artifact=False))
    log = records(recorded(run)[0])
    assert exit_code(recorded(run)[0]) == 0
    assert not any(entry.HasField("artifact") for entry in log)


def test_our_log_is_kept_and_the_console_is_left_alone(run: Path) -> None:
    import logging

    with tracker().track(passport(run)):
        print("a progress bar")
        logging.getLogger("fer.training").warning("a word")
    log = records(recorded(run)[0])
    assert not [entry for entry in log if entry.HasField("output_raw") or entry.HasField("output")]
    lines = [entry.output_logger.line for entry in log if entry.HasField("output_logger")]
    assert lines[-1:] == ["WARNING:fer.training:a word\n"]


@pytest.mark.parametrize(("fault", "code"), [(ZeroDivisionError(), 1), (KeyboardInterrupt(), 255)])
def test_a_run_that_fails_is_closed_as_failed(run: Path, fault: BaseException, code: int) -> None:
    with pytest.raises(type(fault)):
        record(run, tracker(), fault)
    assert exit_code(recorded(run)[0]) == code


def test_two_runs_in_one_process_stay_two(run: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    with tracker().track(passport(run)) as outer:
        outer.epoch(0, {"loss": 1.0})
        with tracker().track(passport(second)) as inner:
            inner.epoch(0, {"loss": 2.0})
        outer.epoch(1, {"loss": 3.0})
    losses = [
        [items(entry.history.item)["loss"] for entry in records(recorded(folder)[0]) if entry.HasField("history")]
        for folder in (run, second)
    ]
    assert losses == [[1.0, 3.0], [2.0]]


def test_a_training_that_goes_on_goes_on_with_its_run(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt):
        record(run, tracker(), KeyboardInterrupt())
    time.sleep(1.1)  # wandb names its folders by the second
    caplog.set_level("INFO", "fer")
    record(run, tracker())
    first, second = recorded(run)
    assert first.name.rpartition("-")[2] == second.name.rpartition("-")[2]
    assert caplog.messages == [f"wandb: offline; upload it with `wandb sync {first} {second}`"]
    assert [exit_code(part) for part in (first, second)] == [255, 0]


@pytest.mark.slow
def test_a_sweep_and_a_search_are_groups_of_runs_that_stay_apart(command: Any, tmp_path: Path) -> None:
    quick = ("experiment=smoke", "augmentation=none", "tracker=wandb", "tracker.project=faces")
    search = ("tuner=random", "tuner.trials=2", "tuner.parallel=2", "tuner/space=cnn48_small")
    for words in (("train.py", "-m", *quick, "seed=1,2", "sweep=grid"), ("tune.py", *quick, *search, "sweep=search")):
        done = command(*words)
        assert done.returncode == 0, done.stderr
    ids, groups = set(), []
    for place in sorted([*tmp_path.glob("grid/*-smoke"), *tmp_path.glob("search/trials/*")]):
        (folder,) = recorded(place)
        log = records(folder)
        (start,) = [entry.run for entry in log if entry.HasField("run")]
        ids.add(start.run_id)
        groups.append(start.run_group)
        passport = json.loads((place / "manifest.json").read_text())
        environment = items(start.config.update)["environment"]
        assert environment["search"] == passport["search"]
        history = [items(entry.history.item) for entry in log if entry.HasField("history")]
        epochs = [values["epoch"] for values in history if "val_accuracy" in values]
        assert epochs == list(range(passport["epochs"])), "its own epochs, each once"
        assert exit_code(folder) == 0
    assert len(ids) == 4
    assert groups == [f"{tmp_path.name}/grid"] * 2 + ["search"] * 2


def test_wandb_mode_disabled_is_respected(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    record(run, tracker())
    assert not (run / "wandb").exists()


def test_wandb_mode_offline_is_respected_with_a_key(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "offline")
    record(run, tracker())
    assert recorded(run)[0].name.startswith("offline-run-")


UNATTENDED = """
import sys
from pathlib import Path
from fer.base import Passport
from fer.tracker.wandb import Wandb
folder = Path(sys.argv[1])
tracker = Wandb(project="faces", entity=None, group=None, tags=[], notes=None, mode="auto", artifact=False,
                start_timeout=2, finish_timeout=20)
with tracker.track(Passport(folder=folder, name="run")) as tracking:
    tracking.epoch(0, {"loss": 1.0})
print("done")
"""


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_asked_or_printed_without_a_key(run: Path, terminal: bool) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", UNATTENDED, str(run)],
        stdin=theirs if terminal else subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.wait(timeout=60) == 0
        assert os.read(ours, 10_000).decode().split() == ["done"]
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert exit_code(recorded(run)[0]) == 0


class Server(ThreadingHTTPServer):
    """As much of a W&B server as a run needs, with `status` for every answer."""

    daemon_threads = True

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = status
        self.seen: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that the client drops when it ends."""


class Answer(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        self.server.seen.append((self.path, asked))
        self.answer({"data": self.data(asked)} if self.path == "/graphql" else {})

    def do_PUT(self) -> None:
        self.server.seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer({})

    def data(self, asked: dict[str, Any]) -> dict[str, Any]:
        query, variables = asked["query"], asked.get("variables", {})
        if "upsertBucket" in query:
            project = {"id": "p", "name": "faces", "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "b", "name": variables.get("name"), "displayName": "run", "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.server.url}/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        return {"serverInfo": {"features": []}, "viewer": {"id": "v"}, "entity": None, "project": None}

    def answer(self, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(status=getattr(request, "param", 200)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server
        server.shutdown()


def test_with_a_key_the_run_is_online(
    run: Path, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    caplog.set_level("INFO", "fer")
    record(run, tracker(artifact=False))
    (folder,) = recorded(run)
    assert caplog.messages == [f"wandb: {server.url}/me/faces/runs/{folder.name.rpartition('-')[2]}"]
    assert [body["exitcode"] for path, body in server.seen if "file_stream" in path and body.get("complete")] == [0]
    assert any("/media/images/figures/confusion" in path for path, _ in server.seen)
    wandb.teardown()
    assert not any("otel" in path for path, _ in server.seen)  # no reports about wandb itself


def test_a_training_that_goes_on_asks_the_server_for_its_run(
    run: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    record(run, tracker(artifact=False))
    time.sleep(1.1)
    before = len(server.seen)
    record(run, tracker(artifact=False))
    first, second = recorded(run)
    name = first.name.rpartition("-")[2]
    assert second.name.rpartition("-")[2] == name
    questions = [body for path, body in server.seen[before:] if path.endswith("/graphql")]
    [asked] = [body for body in questions if "RunResumeStatus" in body["query"]]
    assert asked["variables"]["name"] == name


def test_a_key_in_netrc_counts(run: Path, server: Server, tmp_path: Path) -> None:
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine 127.0.0.1:{server.server_port}\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    record(run, tracker(artifact=False))
    assert recorded(run)[0].name.startswith("run-")


def test_offline_sends_nothing(run: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    record(run, tracker(mode="offline"))
    assert server.seen == []


@pytest.mark.parametrize("server", [401], indirect=True)
def test_a_key_that_the_server_rejects_gives_an_offline_run(
    run: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    record(run, tracker())
    assert [folder.name.rpartition("-")[0].rpartition("-")[0] for folder in recorded(run)] == ["offline-run"]


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_without_a_network_the_run_is_offline(
    run: Path, mode: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    start = time.monotonic()
    record(run, tracker(mode=mode))
    assert time.monotonic() - start < 60  # the client itself would go on trying for 90 seconds
    (folder,) = recorded(run)  # what the failed start left is gone
    assert folder.name.startswith("offline-run-")
    (line,) = caplog.messages
    assert line.startswith("wandb: offline, no run from the server (")
    assert "connection refused" in line
    assert line.endswith(f"); upload it with `wandb sync {folder}`")
    assert exit_code(folder) == 0


def test_a_server_that_fails_late_costs_nothing(
    run: Path, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with tracker(finish_timeout=1).track(passport(run)) as tracking:
        server.status = 503
        tracking.epoch(0, {"loss": 1.0})
    (folder,) = recorded(run)
    assert caplog.messages == [
        f"wandb: not everything was uploaded (Timed out finishing run.); upload it with `wandb sync {folder}`"
    ]


def test_online_without_a_key_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError) as error, tracker(mode="online").track(passport(run)):
        pass
    assert str(error.value) == (
        "tracker.mode: expected an API key for online, found none; "
        "run `wandb login`, set WANDB_API_KEY, or choose tracker.mode=auto"
    )


def test_a_malformed_key_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    with pytest.raises(ConfigError) as error, tracker().track(passport(run)):
        pass
    assert str(error.value) == "tracker=wandb: WANDB_API_KEY invalid: API key must have 40+ characters, has 5."


def test_wandb_that_is_not_installed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError) as error, tracker().track(passport(run)):
        pass
    monkeypatch.undo()
    assert str(error.value) == (
        "tracker=wandb: the package wandb is not installed; "
        "install it with `uv sync --extra wandb`, or choose tracker=csv"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "ofline"}, "mode: expected one of auto, online, offline, got 'ofline'; did you mean 'offline'?"),
        ({"project": "a/b"}, "project: expected 1 to 128 characters, none of / \\ # ? % :, got 'a/b'"),
        ({"tags": ["ok", ""]}, "tags: expected 1 to 64 characters each, got ''"),
        ({"start_timeout": 0}, "start_timeout: expected 1 or more, got 0"),
        ({"finish_timeout": 0.5}, "finish_timeout: expected 1 or more, got 0.5"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        tracker(**changes)
    assert str(error.value) == message


def test_the_module_neither_hides_nor_imports_the_package() -> None:
    program = "import sys, fer.tracker.wandb\nassert 'wandb' not in sys.modules\nimport wandb\nassert wandb.init"
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
