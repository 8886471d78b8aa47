import signal
import subprocess
import sys
import time

import pytest

from fer import process
from fer.process import Child, Lock, last_line


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Let a script of the test stand where the repository's are."""
    monkeypatch.setattr(process, "ROOT", tmp_path)

    def write(text):
        (tmp_path / "script.py").write_text(f"import os, signal, sys, time\n{text}\n")
        return ["script.py"]

    return write


def test_a_child_has_its_log_its_variables_and_a_session_of_its_own(script, tmp_path):
    words = script("print(os.environ['COLOUR'], os.getsid(0) == os.getpid())")
    child = Child(words, tmp_path / "logs/child.log", environment={"COLOUR": "green"})
    assert child.wait() == 0
    assert (tmp_path / "logs/child.log").read_text() == "green True\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('error: the loss is nan'); print('bye'); sys.exit(2)", "exit code 2: the loss is nan"),
        ("raise ValueError('odd')", "exit code 1: ValueError: odd"),
        ("sys.exit(3)", "exit code 3: it printed nothing"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL (out of memory, or by hand)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
    ],
)
def test_why_a_child_failed(script, tmp_path, text, reason):
    child = Child(script(text), tmp_path / "log")
    child.wait()
    assert child.reason() == reason


def test_a_child_that_hangs_is_stopped_at_its_limit_even_if_it_does_not_listen(script, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "GRACE", 0.2)
    words = script("signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)")
    child = Child(words, tmp_path / "log", limit=1.0)
    assert child.wait() == -signal.SIGKILL
    assert child.reason() == "stopped at its time limit of 0.0166667 minutes"


def test_slurms_warning_passes_a_child_by(script, tmp_path):
    child = Child(script("print('here', flush=True); time.sleep(0.5)"), tmp_path / "log")
    while "here" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    child.process.send_signal(signal.SIGUSR2)
    assert child.wait() == 0


def test_a_lock_is_held_until_the_last_process_that_has_it_is_gone(script, tmp_path):
    lock = Lock(tmp_path / "lock")
    assert lock.take()
    child = Child(script("time.sleep(60)"), tmp_path / "log", lock=lock)
    lock.release()
    assert not Lock(tmp_path / "lock").take()
    child.process.kill()
    child.process.wait()
    again = Lock(tmp_path / "lock")
    assert again.take()
    again.release()


def test_a_stop_is_remembered_in_place_of_an_exception():
    code = (
        "import os, signal; from fer.process import Stop\n"
        "with Stop() as stop:\n    os.kill(os.getpid(), signal.SIGTERM)\n    print(stop.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "75\n"


def test_the_last_line_that_says_something(tmp_path):
    (tmp_path / "log").write_text("error: first\nerror: second\nmore\n\n")
    assert last_line(tmp_path / "log") == "second"
    assert last_line(tmp_path / "log", offset=27) == "more"


def test_devices_are_those_that_cuda_is_told_of(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5")
    assert process.devices() == ["2", "GPU-5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert process.devices() == []
