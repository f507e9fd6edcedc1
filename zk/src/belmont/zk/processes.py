"""Several processes for one proof: each holds some chunks from beginning to end and answers when a method is called.

    with spread(provers, processes, tell) as chunks:
        chunks.each(ChunkProver.tallies, ())

1. A process with one Python thread forks: workers inherit rows, points and c-kzg's tables, and start at once. Where
   there are others (notebooks, gRPC) a fork may inherit a lock that nobody will release, so fresh interpreters are
   started and sent the rows; that costs each of them about three seconds, so it is done only where it saves more.
2. A worker ends with its parent, however that ends: its channel closes, and it looks every half second whether it has
   been orphaned. Ctrl-C reaches the parent only. Leaving the block kills the workers; they keep nothing.
3. An exception in a worker is raised here as it is. A worker that dies (memory, a signal) is a WorkerLost.
4. Only parent and workers, one program under one user, write to the channel; so it carries pickles.
"""

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final, NoReturn

from py_arkworks_bls12381 import G1Point

from belmont.zk.curve import G1, compressed
from belmont.zk.errors import WorkerLost, ZkError
from belmont.zk.prover import Chunks, LocalChunks
from belmont.zk.relation import Table
from belmont.zk.srs import reference_string
from belmont.zk.witness import Column

START_SECONDS: Final = 3.0
"""What it takes until a fresh interpreter begins to work."""
LOOK_SECONDS: Final = 0.5
"""How often a worker looks whether its parent is there, and the parent whether it was interrupted."""


@contextmanager
def spread(
    held: Sequence[Any], processes: int, tell: Callable[[int], None] = lambda done: None, seconds: float = 1.0
) -> Iterator[Chunks]:
    """``held`` in so many processes, or in this one if that is quicker. ``seconds`` is about what one of them takes."""
    number = min(processes, len(held))
    fork = _may_fork()
    saved = seconds * len(held) * (1 - 1 / max(number, 1))
    if number < 2 or not (fork or saved > START_SECONDS):
        yield LocalChunks(held, tell)
        return
    chunks = ProcessChunks(held, processes, tell, fork)
    try:
        yield chunks
    finally:
        chunks.close()


class ProcessChunks:
    """Chunks in other processes: number c is with worker c modulo their number. ``close`` it.

    Workers are forked, or else fresh interpreters: see 1.
    """

    def __init__(self, held: Sequence[Any], processes: int, tell: Callable[[int], None], fork: bool) -> None:
        self.count = len(held)
        self._tell = tell
        self._workers: list[_Worker] = []
        number = min(processes, len(held))
        start = _Forked if fork else _Fresh
        try:
            for k in range(number):
                self._workers.append(start(held[k::number], self._workers))
            _ = reference_string().kzg  # while fresh workers load it too
        except BaseException:
            self.close()
            raise

    def each(self, method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]] | tuple[Any, ...]) -> list[Any]:
        """``arguments`` is one tuple for all chunks, or a list of one for each."""
        if not self._workers:
            raise WorkerLost("the processes of this proof have ended")
        number = len(self._workers)
        try:
            for k, worker in enumerate(self._workers):
                worker.send((method, arguments[k::number] if isinstance(arguments, list) else arguments))
            replies = self._collect()
        except (EOFError, OSError) as error:
            self.close()
            raise WorkerLost("a process that computed a part of the proof has ended") from error
        except BaseException:  # an interrupt: replies that are still to come would be taken for those of the next call
            self.close()
            raise
        for good, value in replies:
            if not good:
                raise value
        return [value for _, value in replies]

    def close(self) -> None:
        """End the workers, whatever they do."""
        for worker in self._workers:
            worker.end()
        self._workers = []

    def _collect(self) -> list[tuple[bool, Any]]:
        """One reply for each chunk, in whatever order they come."""
        number = len(self._workers)
        replies: dict[int, tuple[bool, Any]] = {}
        due = {worker.channel: list(range(k, self.count, number)) for k, worker in enumerate(self._workers)}
        while due:
            ready = wait(list(due), LOOK_SECONDS)  # a signal just before a call that waits is seen only after it
            for channel in [each for each in due if each in ready]:
                replies[due[channel].pop(0)] = _loads(channel.recv_bytes())
                if not due[channel]:
                    del due[channel]
                self._tell(len(replies))
        return [replies[c] for c in range(self.count)]


class _Worker(ABC):
    """The parent's end of one worker."""

    pid: int

    def __init__(self, channel: Connection) -> None:
        self.channel = channel

    def send(self, message: object) -> None:
        self.channel.send_bytes(_dumps(message))

    @abstractmethod
    def end(self) -> None:
        """End the worker, whatever it is doing."""


class _Forked(_Worker):
    def __init__(self, held: Sequence[Any], earlier: Sequence[_Worker]) -> None:
        setup = reference_string()
        _ = setup.kzg, setup.lagrange  # inherited, not loaded in each
        ours, theirs = Pipe()
        super().__init__(ours)
        parent = os.getpid()
        try:
            self.pid = os.fork()
            if self.pid == 0:
                for channel in (ours, *(worker.channel for worker in earlier)):
                    channel.close()  # or it would not be noticed that the parent has gone
                _serve(theirs, held, parent)
        finally:
            if os.getpid() != parent:  # an interrupt on the way: never run the parent's code in a worker
                os._exit(1)
        theirs.close()

    def end(self) -> None:
        self.channel.close()
        with suppress(ProcessLookupError, ChildProcessError):  # whoever ignores SIGCHLD has no children left
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


class _Fresh(_Worker):
    def __init__(self, held: Sequence[Any], earlier: Sequence[_Worker]) -> None:
        ours, theirs = Pipe()
        super().__init__(ours)
        code = "from belmont.zk.processes import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is not for it, not even while it starts
        )
        theirs.close()
        self.pid = self._process.pid
        self._held: list[Any] | None = list(held)

    def send(self, message: object) -> None:
        if self._held is not None:  # with the first call, when all interpreters are starting
            super().send(self._held)
            self._held = None
        super().send(message)

    def end(self) -> None:
        self.channel.close()
        self._process.kill()
        self._process.wait()


def main() -> NoReturn:
    """A fresh worker's life."""
    channel = Connection(int(sys.argv[1]))
    _ = reference_string().kzg
    _serve(channel, None, int(sys.argv[2]))


def _serve(channel: Connection, held: Sequence[Any] | None, parent: int) -> NoReturn:
    """Answer until the parent is gone. Without ``held``, the first message brings it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        if held is None:
            held = _loads(channel.recv_bytes())
        while True:
            method, arguments = _loads(channel.recv_bytes())
            for i, each in enumerate(held or ()):
                channel.send_bytes(_reply(method, each, arguments[i] if isinstance(arguments, list) else arguments))
    except (EOFError, OSError):
        os._exit(0)
    finally:
        os._exit(1)


def _reply(method: Callable[..., Any], each: Any, arguments: tuple[Any, ...]) -> bytes:
    try:
        return _dumps((True, method(each, *arguments)))
    except Exception as error:
        data = _dumps((False, error))
        try:
            _loads(data)
        except Exception:  # an exception that pickles, but does not come back
            return _dumps((False, WorkerLost(f"{type(error).__name__}: {error}")))
        return data


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _may_fork() -> bool:
    """Whether no other thread can hold a lock of Python's; threads that never run Python, such as BLAS's, do not count.

    On macOS forking is not safe once system libraries are in use.
    """
    return sys.platform == "linux" and len(sys._current_frames()) == 1


class _Pickler(pickle.Pickler):
    """Points are the library's and do not pickle; tables and columns leave behind what can be computed again."""

    def reducer_override(self, each: Any) -> Any:
        if isinstance(each, G1Point):
            return _own_point, (compressed(each),)
        if isinstance(each, Table):
            return Table, (each.parts, each.padding, _no_commitments)
        if isinstance(each, Column):
            return Column, (each.codes, each.blinding)
        return NotImplemented


def _own_point(data: bytes) -> G1:
    return G1Point.from_compressed_bytes_unchecked(data)


def _no_commitments() -> tuple[G1, ...]:
    raise ZkError("a worker verifies nothing, so it has no table's commitments")


def _dumps(message: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()


def _loads(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301  (4)
