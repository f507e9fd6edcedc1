"""Runs a study's code as a hospital would, in a process of its own that watches it: what a checker starts.

    python -c "..." DESCRIPTOR HOME      one task at a time, each in a fork of its own

1. The process has no environment but what a hospital's gives, and its home is an empty folder.
2. An audit hook (PEP 578) notes what the code opens, reads, writes or starts, at which line, and refuses what a
   hospital would refuse, in the same way: it is not there, or not allowed.
3. What is imported is the machine's own doing: files that ``import`` opens are not noted.
4. This watches honest code. It confines nobody: a hook of the interpreter can be gone around from within.
"""

import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import FrameType
from typing import Any

from belmont.federated.executor.answer import write_outcome
from belmont.federated.executor.compute import compute
from belmont.federated.executor.parcel import unpack
from belmont.federated.executor.protocol import Failed
from belmont.federated.executor.root import needed_view

BUNDLE = "<bundle>/"
MOST_NOTES = 50
MOST_TEXT = 500
_NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "poplib.", "imaplib.", "telnetlib.", "nntplib.")
_PROGRAMS = ("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.", "os.startfile")
_WRITES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_READS = ("os.listdir", "os.scandir", "os.walk", "os.chdir", "glob.")
_OF_ENVIRONMENT = ("/os.py", "/_collections_abc.py")
"""Between a line that asks for a variable and `_Environment`."""
_OF_TRACEBACKS = ("/linecache.py", "/traceback.py")
"""Read the interpreter's own sources to print them."""
_DEEP = ("ctypes.", "sys.addaudithook", "sys.settrace", "sys.setprofile", "sys._getframe", "gc.get_", "os.kill")


def main(descriptor: int, home: str) -> None:
    """Serve the checker at the other end of a socket until it hangs up."""
    checker = socket.socket(fileno=descriptor)
    watch = _Watch(Path(home).resolve())
    sys.addaudithook(watch.heard)
    vars(os)["environ"] = _Environment(os.environ, watch)
    checker.send(b"ready")
    while True:
        words, descriptors, _, _ = socket.recv_fds(checker, 4_000, 2)
        if not words:
            return
        parcel, answer = descriptors
        child = os.fork()
        if child == 0:
            checker.close()
            _run(watch, parcel, answer, json.loads(words))
        os.close(parcel)
        os.close(answer)
        _, status = os.waitpid(child, 0)
        checker.send(json.dumps({"status": status}).encode())


def _run(watch: "_Watch", parcel: int, answer: int, limits: dict[str, int]) -> None:
    """Run one task and end: what was noted, then the answer."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for what, most in ((resource.RLIMIT_AS, "memory"), (resource.RLIMIT_CPU, "cpu"), (resource.RLIMIT_FSIZE, "file")):
        resource.setrlimit(what, (limits[most], limits[most]))
    task = unpack(parcel)
    watch.active = True
    outcome = compute(task)
    watch.active = False
    used = resource.getrusage(resource.RUSAGE_SELF)
    notes = {
        "notes": watch.notes,
        "error": _said(outcome.error) if isinstance(outcome, Failed) and outcome.error is not None else "",
        "seconds": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * 1024,
    }
    text = json.dumps(notes).encode()
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(len(text).to_bytes(8) + text)
        for part in write_outcome(outcome):
            pipe.write(part)
    os._exit(0)


def _said(error: BaseException) -> str:
    """An exception's kind and text, and the line of the study that it came from."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(BUNDLE):
            place = f" at {_where(trace.tb_frame, trace.tb_lineno)}"
        trace = trace.tb_next
    cause = error.__cause__ or error.__context__
    because = f" (from {type(cause).__name__}: {cause})" if cause is not None else ""
    return f"{type(error).__name__}: {error}{place}{because}"[:MOST_TEXT]


def _where(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_filename.removeprefix(BUNDLE)}:{line}"


class _Watch:
    """What one task did that a hospital would not let it, or that the permit binds nothing of."""

    def __init__(self, home: Path) -> None:
        view = needed_view()
        self._seen = (*view.folders, *view.files, *(link for link, _ in view.links), "/tmp/", str(home))  # noqa: S108
        self._home = str(home)
        self.active = False
        self.notes: list[list[str]] = []
        self._inside = threading.local()

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The hook: raises where a hospital would refuse."""
        if not self.active or getattr(self._inside, "now", False):
            return
        self._inside.now = True
        try:
            self._weigh(event, arguments)
        finally:
            self._inside.now = False

    def environment(self, name: str) -> None:
        """A variable of the environment was asked for."""
        if not self.active or getattr(self._inside, "now", False):
            return
        self._inside.now = True
        place, importing, itself = _study()
        if place and itself and not importing:
            self._note("environment", name, place)
        self._inside.now = False

    def _weigh(self, event: str, arguments: tuple[Any, ...]) -> None:
        kind = _kind(event)
        if kind is None:
            return
        place, importing, itself = _study()
        if not place or (importing and kind in ("reads", "open")) or (kind == "deep" and not itself):  # 3
            return
        what = str(arguments[0]) if arguments else event
        if kind == "open":
            self._opened(what, arguments, place)
        elif kind == "network":
            self._note("network", event, place)
            raise PermissionError(f"{event}: there is no network at a hospital")
        elif kind == "programs":
            self._note("programs", event, place)
            raise PermissionError(f"{event}: no program can be started at a hospital")
        elif kind == "deep":
            self._note("deep", event, place)
        elif kind == "writes":
            self._written(what, place)
        elif not self._is_seen(what):
            self._note("reads", what, place)
            raise FileNotFoundError(2, "not there at a hospital", what)

    def _opened(self, what: str, arguments: tuple[Any, ...], place: str) -> None:
        mode, flags = arguments[1], arguments[2]
        if isinstance(arguments[0], int):
            return
        if (isinstance(mode, str) and set(mode) & set("wax+")) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._written(what, place)
        elif not self._is_seen(what):
            self._note("reads", what, place)
            raise FileNotFoundError(2, "not there at a hospital", what)

    def _written(self, what: str, place: str) -> None:
        if Path(what).resolve().is_relative_to(self._home):
            self._note("home", what, place)
            return
        self._note("writes", what, place)
        raise PermissionError(13, "cannot be written at a hospital", what)

    def _is_seen(self, what: str) -> bool:
        """Whether a hospital's tasks see it too (`belmont.federated.executor.root`)."""
        path = os.path.realpath(what)
        return any(path == each or path.startswith(each.rstrip("/") + "/") for each in self._seen)

    def _note(self, kind: str, what: str, place: str) -> None:
        note = [kind, what[:MOST_TEXT], place]
        if len(self.notes) < MOST_NOTES and note not in self.notes:
            self.notes.append(note)


class _Environment(MutableMapping[str, str]):
    """The environment, which says when it is read."""

    def __init__(self, real: MutableMapping[str, str], watch: _Watch) -> None:
        self._real, self._watch = real, watch

    def __getitem__(self, name: str) -> str:
        self._watch.environment(str(name))
        return self._real[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._real[name] = value

    def __delitem__(self, name: str) -> None:
        del self._real[name]

    def __iter__(self) -> Iterator[str]:
        self._watch.environment("all of it")
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _kind(event: str) -> str | None:
    if event == "open":
        return "open"
    kinds = (("network", _NETWORK), ("programs", _PROGRAMS), ("writes", _WRITES), ("reads", _READS), ("deep", _DEEP))
    return next((kind for kind, begins in kinds if event.startswith(begins)), None)


def _study() -> tuple[str, bool, bool]:
    """The innermost line of the study that is running, empty for none; whether it was importing something; whether it
    is that very line, and not a library that it called.

    A thread that the study started counts as the study, whatever its code calls itself.
    """
    frame: FrameType | None = sys._getframe(1)
    importing, itself = False, True
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(BUNDLE):
            return _where(frame, frame.f_lineno), importing, itself
        itself = itself and (name == __file__ or name.startswith("<frozen ") or name.endswith(_OF_ENVIRONMENT))
        importing = importing or name.startswith("<frozen importlib") or name.endswith(_OF_TRACEBACKS)
        importing = importing or frame.f_code.co_name == "invoke_excepthook"  # of a thread that failed: it prints why
        frame = frame.f_back
    is_thread = threading.current_thread() is not threading.main_thread()
    return ("a thread" if is_thread else ""), importing, False
