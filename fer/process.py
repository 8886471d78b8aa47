"""Commands of this project as processes of their own: what they hold, memory above all, ends with them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from fer.interruption import RESUME_ME

if TYPE_CHECKING:
    from fer.search.nursery import Nursery, Trial

ROOT = Path(__file__).resolve().parents[1]
GRACE = 60.0
"""Seconds between SIGTERM, on which a training writes its checkpoint, and SIGKILL."""


class Lock:
    """A lock on a file that a child process inherits: it is held until the last of them is gone, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held: int | None = None

    def take(self, *, wait: bool = False) -> bool:
        """Take the lock; return False where another process has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            return False
        self.held = file
        return True

    def release(self) -> None:
        """Let go of it; a child that inherited it still holds it."""
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def __enter__(self) -> Lock:
        self.take(wait=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


class Child:
    """A running command, in a session of its own, so that Ctrl-C in the terminal reaches only its parent.

    Attributes:
        words: what it runs.
        log: the file that has what it printed.
        overtime: it was stopped since it ran longer than its limit.
    """

    def __init__(
        self,
        words: Sequence[str],
        log: Path,
        *,
        limit: float = 0,
        lock: Lock | None = None,
        environment: Mapping[str, str] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        """Start it.

        Args:
            words: a script of the repository or "-m", and its arguments.
            log: where its output is appended.
            limit: seconds after which it is stopped; 0 for none.
            lock: a lock that it inherits.
            environment: variables to change.
            nursery: what forks it; None for a new interpreter.
        """
        self.words = words
        self.log = log
        self.overtime = False
        self.started = time.monotonic()
        self.limit = limit
        self._term: float | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        self.offset = log.stat().st_size if log.exists() else 0
        variables = {**inherited(), **(environment or {})}
        held = lock.held if lock else None
        self.process: subprocess.Popen[bytes] | Trial
        with log.open("ab") as output:
            if nursery:
                self.process = nursery.start(words, output.fileno(), held, variables)
                self.started = time.monotonic()  # the first waits for the nursery's imports
                return
            self.process = subprocess.Popen(
                command(words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
                preexec_fn=ignore_slurm,
                pass_fds=[] if held is None else [held],
            )

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs; enforce the limit and the grace on the way."""
        now = time.monotonic()
        if self.limit and now - self.started > self.limit and self._term is None:
            self.overtime = True
            self.stop()
        if self._term is not None and now - self._term > GRACE:
            self._signal(signal.SIGKILL)
        return self.process.poll()

    def stop(self) -> None:
        """Ask it to stop and keep a checkpoint; `poll` kills it where it does not."""
        self._term = self._term or time.monotonic()
        self._signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        while (code := self.poll()) is None:
            time.sleep(0.05)
        return code

    @property
    def asked(self) -> bool:
        """Whether it was asked to stop."""
        return self._term is not None

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def reason(self) -> str:
        """Say in one line why it failed; call it after its end."""
        code = self.process.returncode
        assert code is not None
        if self.overtime:
            return f"stopped at its time limit of {self.limit / 60:g} minutes"
        if code < 0:
            name = signal.Signals(-code).name
            return f"killed by {name}" + (" (out of memory, or by hand)" if code == -signal.SIGKILL else "")
        return f"exit code {code}: {last_line(self.log, self.offset)}"


def inherited() -> dict[str, str]:
    """Return a child's variables; PYTHONPATH has this repository first: `-m fer` is then this one, installed or not."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def ignore_slurm() -> None:
    """Let Slurm's warning pass: it reaches every process of a job, and is for the one that submitit watches."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def command(words: Sequence[str]) -> list[str]:
    """Return the full command line of a script of the repository, or of "-m <module>"."""
    first = words[0] if words[0] == "-m" else str(ROOT / words[0])
    return [sys.executable, first, *words[1:]]


def last_line(log: Path, offset: int = 0) -> str:
    """Return the last line of a log that says something; "error: " in front of it is dropped."""
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - 20_000))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it printed nothing"])[-1].removeprefix("error: ")


class Stop:
    """Whether this process was asked to stop, by Ctrl-C, SIGTERM or Slurm's SIGUSR2: between these it keeps working.

    Attributes:
        code: 0, or the exit code that tells why.
    """

    def __init__(self) -> None:
        self.code = 0
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._asked)
        return self

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.code = RESUME_ME if number == signal.SIGTERM else 130

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def devices() -> list[str]:
    """Return the GPUs that this process may use, as CUDA names them; empty where there are none."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(index) for index, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]
