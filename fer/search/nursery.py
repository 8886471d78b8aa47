"""Warm trials: a nursery has imported what a training needs, and forks a process for each.

A trial is then the process that it is without: a folder, log, environment, session and lock of its own, `train.py` from
its first line on, and its memory goes with it. It only finds its modules imported. No operation has run before the fork,
so that the backend looks for its devices, and starts its threads, in the trial.

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
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from fer.config import register
from fer.errors import RunError
from fer.process import ROOT, command, ignore_slurm, inherited, last_line
from fer.runtime import Runtime

log = logging.getLogger(__name__)

MODULES = (
    *("fer.training", "fer.search.measure", "fer.export.fp32", "ai_edge_litert.interpreter", "matplotlib.pyplot"),
    *("albumentations", "sklearn.metrics", "scipy.optimize", "tensorflow.python.keras.saving"),
)
"""What trials import. One that is not installed is left to the trial that needs it, which says so."""

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
    """The search's side: starts the nursery, again where it was killed, and asks it for trials."""

    def __init__(self, runtime: Runtime, log: Path) -> None:
        """Start it; it imports while the search goes on.

        Args:
            runtime: what is settled before Keras is imported.
            log: what it prints.
        """
        self.runtime = runtime
        self.log = log
        _prctl(CHILD_SUBREAPER, 1)
        self._begin()

    def _begin(self) -> None:
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self.log.open("wb") as output:
            words = ["-m", __name__, str(theirs.fileno()), json.dumps(asdict(self.runtime))]
            self.process = subprocess.Popen(
                command(words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=inherited(),
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
        for again in (True, False):
            if trial := self._ask(words, output, lock, variables):
                return trial
            self.close()
            reason = f"exit code {self.process.returncode}: {last_line(self.log)}"
            if again:
                log.info("the nursery of warm trials has ended (%s); it is started again", reason)
                self._begin()
        raise RunError(f"tuner.warm: the nursery ended with {reason} ({self.log}); tuner.warm=false does without")

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

    def close(self) -> None:
        """End it; its trials go on."""
        self.line.close()
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _preload(runtime: Runtime) -> None:
    runtime.announce()
    register()
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else a trial's first collection would write to, and so copy, every page of it


def _serve(line: socket.socket) -> list[str]:
    """Fork a trial for each request; return, in the trial, its words. The nursery itself does not return."""
    while True:
        message, files, *_ = socket.recv_fds(line, 1 << 20, 3)
        if not message:
            sys.exit()
        request = json.loads(message)
        ours, theirs = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            between = os.fork()
            if not between:
                if os.fork():
                    os._exit(0)
                os.setsid()
                os.write(theirs, str(os.getpid()).encode())
        if not between:
            for each in (line.detach(), ours, theirs):
                os.close(each)
            return _become(request, *files)
        os.close(theirs)
        os.waitpid(between, 0)  # from here on the trial is a child of the search
        if pid := os.read(ours, 64):
            line.send(pid)
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
    line = socket.socket(fileno=int(sys.argv[1]))
    _preload(Runtime(**json.loads(sys.argv[2])))
    first, *rest = _serve(line)
    sys.path[0] = str(ROOT)
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
