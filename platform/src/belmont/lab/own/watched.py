"""The checker's own runner: tasks in a process that watches them (`trial`), and what it noted of each.

It is no hospital's: it confines nobody, and tells the code's own words. For code and rows of whoever runs it.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from belmont.federated.executor.answer import HEAD, MAX_ANSWER_BYTES, read_outcome
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.parcel import packed
from belmont.federated.executor.process import ENVIRONMENT
from belmont.federated.executor.protocol import Failed, Outcome, Stopped, Task
from belmont.federated.local_log import place_of
from belmont.identity import strict_json
from belmont.lab.errors import LabError

PREFIX = "belmont-check-"
START_SECONDS = 120.0
MOST_NOTES_BYTES = 1 << 20
_BOOT = """
import sys
sys.path[:] = sys.argv[3:]
from belmont.lab.own.trial import main
main(int(sys.argv[1]), sys.argv[2])
"""


@dataclass(frozen=True)
class Trial:
    """One task that ran. ``notes`` are kind, what and line of the study; ``error`` is what its code raised."""

    outcome: Outcome
    notes: tuple[tuple[str, str, str], ...] = ()
    error: str = ""
    seconds: float = 0.0
    memory_bytes: int = 0


class WatchedRunner:
    """An `AppRunner`. ``trials`` are all tasks so far. ``seed`` decides how Python hashes text: what depends on the
    order of a set differs between two of these. Raises LabError where no process can be started."""

    def __init__(self, limits: Limits, seed: int = 0) -> None:
        if not hasattr(os, "memfd_create"):
            raise LabError("a check runs the code as a hospital does, which needs Linux")
        self.limits = limits
        self.trials: list[Trial] = []
        self._seed = seed
        self._home = tempfile.TemporaryDirectory(prefix=PREFIX)
        try:
            self._start()
        except BaseException:
            self._home.cleanup()
            raise

    def _start(self) -> None:
        self._checker, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        home = Path(self._home.name, "home")
        home.mkdir(exist_ok=True)
        log = Path(self._home.name, "log")
        here = {"HOME": str(home), "TMPDIR": str(home), "PYTHONHASHSEED": str(self._seed)}
        with theirs, log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-c", _BOOT, str(theirs.fileno()), str(home), *filter(None, sys.path)],
                env=ENVIRONMENT | here,
                cwd=home,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        self._checker.settimeout(START_SECONDS)
        try:
            ready = self._checker.recv(100)
        except OSError:
            ready = b""
        if ready != b"ready":
            self._end()
            why = log.read_text("utf-8", "replace").strip()[-500:]
            raise LabError(f"no process for the check could be started: {why}")

    def run(self, task: Task) -> Outcome:
        """Run one task to its end."""
        with packed(task) as parcel:
            reading, writing = os.pipe()
            try:
                limits = {
                    "memory": self.limits.memory_bytes,
                    "cpu": self.limits.cpu_seconds,
                    "file": self.limits.home_bytes,
                }
                socket.send_fds(self._checker, [json.dumps(limits).encode()], [parcel, writing])
            finally:
                os.close(writing)
            trial = self._received(reading, task)
        self.trials.append(trial)
        return trial.outcome

    def close(self) -> None:
        """End the process, and remove its folder."""
        self._end()
        self._home.cleanup()

    def _end(self) -> None:
        """Kill the process, with whatever it started that did not leave its session."""
        self._checker.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _received(self, reading: int, task: Task) -> Trial:
        deadline = time.monotonic() + self.limits.wall_seconds
        content, stopped = b"", ""
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            waiting = select.poll()
            waiting.register(pipe, select.POLLIN)
            while not stopped:
                left = deadline - time.monotonic()
                if left <= 0 or not waiting.poll(1_000 * left):
                    stopped = "its time is over"
                    break
                chunk = pipe.read(1 << 20)
                if not chunk:
                    break
                content += chunk
                if len(content) > MAX_ANSWER_BYTES + MOST_NOTES_BYTES:
                    stopped = "its answer is too large"
        if stopped:
            self._end()
            self._start()
            return Trial(Stopped(stopped))
        try:
            status = int(json.loads(self._checker.recv(1_000))["status"])
        except (OSError, ValueError) as error:
            raise LabError("the process of the check ended under a task") from error
        return _read(content, status, noisy=task.noisy)


def _read(content: bytes, status: int, *, noisy: bool) -> Trial:
    """What a task's process wrote before it ended."""
    length = int.from_bytes(content[:8]) if len(content) >= 8 else -1
    if length < 0 or len(content) < 8 + length + HEAD.size:
        code = os.waitstatus_to_exitcode(status)
        if -code in (signal.SIGKILL, signal.SIGXCPU, signal.SIGXFSZ):
            return Trial(Stopped(f"signal {-code}: it took more time, memory or space than it may"))
        return Trial(Failed(f"it ended without an answer, {'signal' if code < 0 else 'exit status'} {abs(code)}"))
    try:
        said = strict_json.loads(content[8 : 8 + length])
        notes = tuple((str(each[0]), str(each[1]), str(each[2])) for each in said["notes"])
        error, seconds, memory = str(said["error"]), float(said["seconds"]), int(said["memory"])
    except (ValueError, KeyError, TypeError, IndexError):
        return Trial(Failed("it wrote over what the check says of it"))
    frame = content[8 + length :]
    kind, _ = HEAD.unpack(frame[: HEAD.size])
    try:
        outcome: Outcome = read_outcome(kind, frame[HEAD.size :], noisy)
    except Exception as refusal:  # as a node reads it
        outcome = Failed(place_of(refusal))
    return Trial(outcome, notes, error, seconds, memory)


def shown(what: str) -> str:
    """A path as people read it: a task's own folder has another name every time."""
    return f"~/{Path(what).name}" if PREFIX in what else what
