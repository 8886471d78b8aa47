"""Warm trials: a nursery has imported what a training needs, and forks a process for each.

A trial is the process that it is without: a folder, log, environment, session and lock of its own, `train.py` from its
first line on, and its memory goes with it. It only finds its modules imported. No operation has run before the fork, so
that the backend looks for its devices, and starts its threads, in the trial.

The nursery keeps nothing: a trial is handed to the search as its own child (the nursery forks twice, and the search is
a subreaper, prctl(2)), so whoever kills the nursery harms none. It ends with the search, whatever ends that.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from fer.config import compose
from fer.errors import RunError
from fer.process import command, ignore_slurm, inherited, last_line
from fer.runtime import Runtime

log = logging.getLogger(__name__)

MODULES = (
    *("fer.training", "fer.commands.train", "fer.nn.weights", "fer.evaluation.explain"),
    *("fer.search.measure", "fer.export.fp32", "ai_edge_litert.interpreter"),
    *("albumentations", "matplotlib.pyplot", "sklearn.metrics", "PIL.ImageOps", "PIL.JpegImagePlugin"),
)
"""What trials import. One that is not installed is left to the trial that needs it, which says so."""

ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""pandas imports Arrow, whose allocator starts a thread. (OpenBLAS ends its threads at a fork by itself.)"""

PDEATHSIG, CHILD_SUBREAPER = 1, 36  # of <linux/prctl.h>


class Trial:
    """A forked trial as a child of this process, as far as `fer.process.Child` needs a subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        if self.returncode is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.returncode = os.waitstatus_to_exitcode(ended[1])
        return self.returncode


class Nursery:
    """The search's side: starts the nursery with the first trial, again where it was lost, and asks it for trials."""

    def __init__(self, runtime: Runtime, log: Path, modules: Sequence[str] = MODULES) -> None:
        """Keep what it is started with.

        Args:
            runtime: what is settled before Keras is imported.
            log: what it prints.
            modules: what it imports.
        """
        self.log = log
        self.words = ["-m", __name__, json.dumps(asdict(runtime)), json.dumps(modules)]
        self.process: subprocess.Popen[bytes] | None = None

    def _begin(self) -> subprocess.Popen[bytes]:
        _prctl(CHILD_SUBREAPER, 1)
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, self.log.open("wb") as output:
            return subprocess.Popen(
                command([*self.words, str(theirs.fileno())]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=inherited() | ONE_THREAD,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

    def start(self, words: Sequence[str], output: int, lock: int | None, variables: Mapping[str, str]) -> Trial:
        """Start a trial.

        Args:
            words: see fer.process.Child.
            output: the open file that takes what it prints.
            lock: an open file that it inherits.
            variables: its whole environment.

        Raises:
            RunError: the nursery ends before it can start one, twice.
        """
        for _ in range(2):
            if not self.process:
                self.process = self._begin()
            if trial := self._ask(words, output, lock, variables):
                return trial
            reason = self._ended()
            log.info("the nursery of warm trials was lost: %s", reason)
        raise RunError(f"tuner.warm: the nursery was lost twice: {reason} ({self.log}); tuner.warm=false does without")

    def _ask(self, words: Sequence[str], output: int, lock: int | None, variables: Mapping[str, str]) -> Trial | None:
        """Return the trial, or None where the nursery is gone."""
        theirs, go = os.pipe()  # the trial waits for a word: one that we never heard of must not run
        files = [output, theirs] if lock is None else [output, theirs, lock]
        try:
            request = json.dumps({"words": command(words)[1:], "variables": dict(variables)})
            socket.send_fds(self.line, [request.encode()], files)
            if not (answer := self.line.recv(64)):
                return None
            os.write(go, b"1")
            return Trial(int(answer))
        except ConnectionError:
            return None
        finally:
            os.close(theirs)
            os.close(go)

    def _ended(self) -> str:
        """Return why it is gone, and forget it."""
        assert self.process
        code = self.process.wait()
        self.close()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}: {last_line(self.log)}"

    def close(self) -> None:
        """End it; its trials go on."""
        if self.process:
            self.line.close()
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _preload(runtime: Runtime, modules: Sequence[str]) -> None:
    runtime.announce()
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)
    compose("train")  # the parser is quicker with what it has seen
    gc.collect()
    gc.freeze()  # else a trial's first collection would write to, and so copy, every page of it


def _serve(line: socket.socket) -> list[str]:
    """Fork a trial for each request; return, in the trial, its words. The nursery itself does not return."""
    while True:
        message, files, *_ = socket.recv_fds(line, 1 << 20, 3)
        if not message:
            sys.exit()
        ours, theirs = os.pipe()
        if not (between := os.fork()):
            if os.fork():
                os._exit(0)
            os.setsid()
            os.write(theirs, str(os.getpid()).encode())
            for each in (line.detach(), ours, theirs):
                os.close(each)
            return _become(json.loads(message), *files)
        os.close(theirs)
        os.waitpid(between, 0)  # from here on the trial is a child of the search
        if number := os.read(ours, 64):
            line.send(number)
        for each in (ours, *files):
            os.close(each)


def _become(request: dict, output: int, go: int, lock: int | None = None) -> list[str]:
    """Make this process what subprocess.Popen would have made it; the lock only stays open."""
    if not os.read(go, 1):
        os._exit(0)
    os.close(go)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["variables"])
    words: list[str] = request["words"]
    return words


def main() -> None:
    """Be the nursery, and then each of its trials."""
    _prctl(PDEATHSIG, signal.SIGKILL)
    ignore_slurm()
    runtime, modules, line = sys.argv[1:]
    _preload(Runtime(**json.loads(runtime)), json.loads(modules))
    sys.argv = _serve(socket.socket(fileno=int(line)))
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(sys.argv[0]).parent)
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
