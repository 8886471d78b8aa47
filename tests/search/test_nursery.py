import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer.artifact import RunFolder
from fer.errors import RunError
from fer.interruption import RESUME_ME
from fer.process import Child, Lock
from fer.runtime import Runtime
from fer.search.nursery import Nursery

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = Runtime(
    backend="tensorflow", precision="float32", xla="auto", deterministic=False, device="auto", devices=1, threads=0
)
QUICK = ("experiment=smoke", "augmentation=light", "model.filters=[4,4,4]", "training.epochs=2")


@pytest.fixture
def script(tmp_path):
    """Write a script and return the words that run it."""

    def write(text):
        file = tmp_path / "script.py"
        file.write_text(f"import json, os, signal, sys, time\n{text}\n")
        return [str(file), "one", "two"]

    return write


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    """A nursery that has imported nothing heavy."""
    log = tmp_path_factory.mktemp("nursery") / "nursery.log"
    with pytest.MonkeyPatch.context() as patch, Nursery(RUNTIME, log, modules=["fer.no_such_module"]) as opened:
        patch.chdir(ROOT)
        yield opened


def test_a_warm_child_differs_from_a_cold_one_in_nothing_that_it_can_see(nursery, script, tmp_path, capfd):
    words = script(
        "signals = {str(number): str(signal.getsignal(number)) for number in signal.valid_signals()}\n"
        "facts = dict(argv=sys.argv, path=sys.path[0], file=__file__, name=__name__, signals=signals,\n"
        "    leader=os.getsid(0) == os.getpid() == os.getpgrp(), parent=os.getppid(), variables=dict(os.environ),\n"
        "    cwd=os.getcwd(), files=[os.readlink(f'/proc/self/fd/{each}') for each in range(3)])\n"
        "print(json.dumps(facts)); print('said', file=sys.stderr)"
    )
    seen = []
    for each in (None, nursery):
        log = tmp_path / "child.log"
        child = Child(words, log, environment={"COLOUR": "green"}, nursery=each)
        assert child.wait() == 0, log.read_text()
        facts, said = log.read_text().splitlines()
        assert said == "said"
        seen.append(json.loads(facts))
        log.unlink()
    assert seen[0] == seen[1]
    assert seen[1]["leader"] and seen[1]["parent"] == os.getpid() and seen[1]["variables"]["COLOUR"] == "green"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('error: the loss is nan'); print('bye'); sys.exit(2)", "exit code 2: the loss is nan"),
        ("raise ValueError('odd')", "exit code 1: ValueError: odd"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL (out of memory, or by hand)"),
        ("import atexit; atexit.register(print, 'closed'); sys.exit(4)", "exit code 4: closed"),
    ],
)
def test_why_a_warm_child_failed(nursery, script, tmp_path, text, reason):
    child = Child(script(text), tmp_path / "log", nursery=nursery)
    child.wait()
    assert child.reason() == reason


def test_a_warm_child_is_stopped_at_its_limit_with_all_that_it_started(nursery, script, tmp_path):
    words = script("import subprocess; subprocess.Popen(['sleep', '60']); time.sleep(60)")
    child = Child(words, tmp_path / "log", limit=0.5, nursery=nursery)
    assert child.wait() == -signal.SIGTERM
    assert child.reason() == "stopped at its time limit of 0.00833333 minutes"
    with pytest.raises(ProcessLookupError):  # its group is empty once this process has been told of the orphan
        for _ in range(100):
            os.killpg(child.process.pid, 0)
            os.waitpid(-child.process.pid, os.WNOHANG)
            time.sleep(0.05)


def test_a_killed_nursery_harms_no_child_and_is_started_again(nursery, script, tmp_path, caplog):
    Child(script("pass"), tmp_path / "log", nursery=nursery).wait()
    lock = Lock(tmp_path / "lock")
    assert lock.take()
    caplog.set_level("INFO")
    words = script(f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)\nsys.exit(7)")
    first = Child(words, tmp_path / "first.log", lock=lock, nursery=nursery)
    lock.release()
    nursery.process.kill()
    second = Child(words, tmp_path / "second.log", nursery=nursery)
    assert not Lock(tmp_path / "lock").take()
    (tmp_path / "go").touch()
    assert (first.wait(), second.wait()) == (7, 7)
    assert lock.take()
    lock.release()
    assert caplog.messages == ["the nursery of warm trials was lost: killed by SIGKILL"]


def test_a_nursery_that_cannot_start_is_told_in_one_line(script, tmp_path, monkeypatch):
    (tmp_path / "fer").mkdir()
    (tmp_path / "fer/__init__.py").write_text("raise OSError('no space')")
    monkeypatch.chdir(tmp_path)  # its modules come first
    with Nursery(RUNTIME, tmp_path / "nursery.log") as nursery, pytest.raises(RunError) as raised:
        Child(script("pass"), tmp_path / "log", nursery=nursery)
    assert str(raised.value) == (
        f"tuner.warm: the nursery was lost twice: exit code 1: OSError: no space ({tmp_path / 'nursery.log'}); "
        "tuner.warm=false does without"
    )


def test_a_trial_that_the_search_never_heard_of_does_not_run(nursery, script, tmp_path):
    words = script(f"open({str(tmp_path / 'ran')!r}, 'w')")
    Child(script("pass"), tmp_path / "log", nursery=nursery).wait()
    theirs, go = os.pipe()
    with (tmp_path / "log").open("ab") as output:
        request = json.dumps({"words": words, "variables": {}})
        socket.send_fds(nursery.line, [request.encode()], [output.fileno(), theirs])
        pid = int(nursery.line.recv(64))
    os.close(theirs)
    os.close(go)  # as when the search is killed before it says go
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not (tmp_path / "ran").exists()


def test_a_nursery_ends_with_the_search_that_is_killed(tmp_path):
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom fer.process import Child\n"
        "from fer.search.nursery import Nursery\nfrom tests_runtime import RUNTIME\n"
        f"nursery = Nursery(RUNTIME, Path({str(tmp_path / 'nursery.log')!r}), modules=[])\n"
        f"Child(['tune.py', '--help'], Path({str(tmp_path / 'log')!r}), nursery=nursery).wait()\n"
        "print(nursery.process.pid, flush=True)\ntime.sleep(60)\n"
    )
    (tmp_path / "tests_runtime.py").write_text(f"from fer.runtime import Runtime\nRUNTIME = {RUNTIME!r}\n")
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    search = subprocess.Popen([sys.executable, "-c", code], stdout=-1, env=variables, text=True)
    pid = int(search.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    search.kill()
    search.wait()
    search.stdout.close()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the nursery is still there")


@pytest.mark.slow
def test_a_warm_trial_has_the_numbers_of_a_cold_one_and_a_nursery_one_thread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Nursery(RUNTIME, Path("nursery.log")) as nursery:
        for name, each in (("warm", nursery), ("cold", None), ("again", nursery)):
            child = Child(["train.py", *QUICK, f"hydra.run.dir={name}/run"], Path(f"{name}.log"), nursery=each)
            assert child.wait() == 0, child.log.read_text()
        assert len(list(Path(f"/proc/{nursery.process.pid}/task").iterdir())) == 1
    cold = RunFolder(Path("cold/run"))
    for name in ("warm", "again"):
        warm = RunFolder(Path(name, "run"))
        assert [without_time(row) for row in warm.history()] == [without_time(row) for row in cold.history()]
        one, other = (json.loads(each.manifest.read_text()) for each in (warm, cold))
        del one["config"]["folder"], other["config"]["folder"]
        for key in ("metrics", "monitor", "config", "splits", "device"):
            assert one[key] == other[key], key
        assert one["command"].replace(f"{name}/run", "cold/run") == other["command"]
        assert weights(warm) == weights(cold)


def without_time(row):
    return {key: value for key, value in row.items() if key != "seconds"}


def weights(run):
    from fer.nn.weights import load_network

    return [each.tobytes() for each in load_network(run.model).get_weights()]


@pytest.mark.slow
def test_a_warm_trial_that_is_asked_to_stop_keeps_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Nursery(RUNTIME, Path("nursery.log")) as nursery:
        words = ["train.py", *QUICK[:-1], "training.epochs=500", "training.patience=0", "hydra.run.dir=run"]
        child = Child(words, Path("log"), nursery=nursery)
        while not Path("run/metrics.csv").exists():
            assert child.poll() is None, child.log.read_text()
            time.sleep(0.05)
        child.stop()
        assert child.wait() == RESUME_ME
    assert list(Path("run/checkpoint").glob("last-*"))
