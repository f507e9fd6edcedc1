"""Hand one task to the warm process, and take its answer: the other end is hostile.

1. One frame, then the end of the pipe, all before the deadline. A byte too many, an end too early or a length too large
   is a failure, and nothing of what came is used.
2. No more is read than may be, and nothing is parsed before all of it is there.
3. The keeper then kills whatever of the task is left, and says so; the node returns only after that.
"""

import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass

from belmont.federated.errors import NodeFault, NotIsolated
from belmont.federated.executor.answer import HEAD, KINDS, MAX_ANSWER_BYTES, read_outcome
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.parcel import packed
from belmont.federated.executor.process import WarmProcess
from belmont.federated.executor.protocol import Failed, Outcome, Stopped, Task
from belmont.federated.local_log import place_of

_STATUS_BYTES = 2_000
_STATUS_SECONDS = 1.0
_END_SECONDS = 10.0
_READ_BYTES = 1 << 20
_LIMIT_SIGNALS = (signal.SIGKILL, signal.SIGXCPU, signal.SIGXFSZ)


class _PassedLimit(Exception):
    """The task used more of something than it may."""


class _NotOneFrame(Exception):
    """What came is not one frame."""


class _EndedEarly(Exception):
    """The pipe ended before the frame did."""


def deliver(warm: WarmProcess, task: Task, user: int, limits: Limits) -> Outcome:
    """Run a task as ``user`` (0: the node's own). Raises NodeFault where it could not be run, NotIsolated where it
    could not be confined; the study's code has not been loaded then."""
    with packed(task) as parcel:
        deadline = time.monotonic() + limits.wall_seconds
        try:
            control, answer = warm.hand_over(parcel, user)
        except OSError as error:
            raise NodeFault("the process for studies' code has ended; the next task starts another") from error
    frame: tuple[int, bytes] | None = None
    outcome: Outcome | None = None
    with control:
        try:
            frame = _receive(answer, deadline)
        except _PassedLimit as passed:
            outcome = Stopped(str(passed))
        except _NotOneFrame as error:
            outcome = Failed(str(error))
        except _EndedEarly:
            pass
        finally:
            os.close(answer)
        early = frame is None and outcome is None
        ended = _end(warm, control, _STATUS_SECONDS if early else 0)
    if ended.not_confined is not None:
        raise NotIsolated(f"the task could not be confined: {ended.not_confined}")
    if frame is None:
        return ended.outcome() if outcome is None else outcome
    try:
        return read_outcome(*frame, task.noisy)
    except Exception as error:  # of whatever kind: its text could hold what the code chose
        return Failed(place_of(error))


def _receive(answer: int, deadline: float) -> tuple[int, bytes]:
    """The frame's kind and body."""
    kind, length = HEAD.unpack(_exactly(answer, HEAD.size, deadline))
    if kind not in KINDS:
        raise _NotOneFrame("what it sent is no answer")
    if length > MAX_ANSWER_BYTES:  # 2
        raise _PassedLimit(f"its answer is larger than {MAX_ANSWER_BYTES} bytes")
    body = _exactly(answer, length, deadline)
    if _some(answer, 1, deadline):  # 1
        raise _NotOneFrame("it sent more than one answer")
    return kind, body


def _exactly(answer: int, size: int, deadline: float) -> bytes:
    chunks = []
    while size:
        chunk = _some(answer, min(size, _READ_BYTES), deadline)
        if not chunk:
            raise _EndedEarly
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _some(answer: int, size: int, deadline: float) -> bytes:
    """What is there, at most ``size`` bytes; empty at the end. Blocks until the deadline."""
    waiting = select.poll()
    waiting.register(answer, select.POLLIN)
    left = deadline - time.monotonic()
    if left <= 0 or not waiting.poll(1_000 * left):
        raise _PassedLimit("its time is over")
    return os.read(answer, size)


def _end(warm: WarmProcess, control: socket.socket, wait: float) -> "_Ended":
    """Kill what is left of the task, and return how it ended when nothing is left; 3."""
    words = _status(control, wait) if wait else None
    if words is None:
        control.shutdown(socket.SHUT_WR)
        words = _status(control, _END_SECONDS)
    if words is None:
        warm.close()
        raise NodeFault("a task could not be ended; the process for studies' code was, and all tasks with it")
    if not words:
        raise NodeFault("the process for studies' code ended under a task; the next task starts another")
    said = json.loads(words)
    return _Ended(said.get("not_confined"), said.get("status", 0), said.get("by_itself", False))


def _status(control: socket.socket, seconds: float) -> bytes | None:
    """What the keeper says; empty if it is dead, None if it says nothing in time."""
    control.settimeout(seconds)
    try:
        return control.recv(_STATUS_BYTES)
    except TimeoutError:
        return None
    except OSError:
        return b""


@dataclass(frozen=True)
class _Ended:
    not_confined: str | None
    status: int
    by_itself: bool
    """And not because it was killed for the node."""

    def outcome(self) -> Outcome:
        """Of a task that gave no answer."""
        code = os.waitstatus_to_exitcode(self.status)
        if self.by_itself and -code in _LIMIT_SIGNALS:
            return Stopped(f"signal {-code}: it took more time, memory or space than it may")
        if self.by_itself:
            return Failed(f"it ended without an answer, {f'signal {-code}' if code < 0 else f'exit status {code}'}")
        return Failed("it ended its answer before it began")
