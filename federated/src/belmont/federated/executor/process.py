"""The node's side of the warm process: starts it, hands tasks over, notices its death.

1. It is started from a thread of its own that lives as long as it does: the signal that a parent's death sends
   (PR_SET_PDEATHSIG, prctl(2)) is sent when the thread that started it ends, not the process.
2. Its environment is written here, in full; nothing of the node's environment is passed on.
3. Nothing is sent through a port or a path: one pair of connected sockets, inherited.
"""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from belmont.federated.errors import NotIsolated
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.root import HOME, View

ENVIRONMENT = {
    "HOME": HOME,
    "TMPDIR": HOME,
    "FLWR_HOME": f"{HOME}/.flwr",
    "LANG": "C.UTF-8",
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "OPENBLAS_NUM_THREADS": "1",  # a process that forks must have one thread
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
START_SECONDS = 120.0
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_BOOT = """
import os, sys
node = int(sys.argv[1])
sys.path += sys.argv[2:]
try:
    from belmont.federated.executor.warm import main
    main(node)
except BaseException as error:
    os.write(node, f"{type(error).__name__}: {error}".encode("ascii", "replace")[:500])
"""


class WarmProcess:
    """A warm process that is ready for tasks. ``users`` is how many users of their own tasks get, 0 for none; they are
    counted from ``first_user``. Raises NotIsolated where this machine or its settings do not allow it."""

    def __init__(self, view: View, limits: Limits, users: int, first_user: int) -> None:
        self._node, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._ended = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        with theirs:
            arguments = [sys.executable, "-I", "-S", "-B", "-c", _BOOT, str(theirs.fileno()), *view.packages]
            self._thread = threading.Thread(target=self._live, args=(arguments, theirs.fileno()), daemon=True)
            self._thread.start()
            self._started.wait()
        try:
            self._node.settimeout(START_SECONDS)  # for good: a warm process that takes no task is no use
            order = {"view": asdict(view), "limits": asdict(limits), "users": users, "environment": ENVIRONMENT}
            self._greet(order, users, first_user)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def hand_over(self, parcel: int, user: int) -> tuple[socket.socket, int]:
        """Start a task: a socket on which its keeper says how it ended, and the pipe that its answer comes from.

        Raises OSError where the process has died.
        """
        control, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answer, writing = os.pipe()
        try:
            _enlarge(answer)
            with self._lock:
                socket.send_fds(self._node, [str(user).encode()], [keepers.fileno(), writing, parcel])
        except BaseException:
            control.close()
            os.close(answer)
            raise
        finally:
            keepers.close()
            os.close(writing)
        return control, answer

    def close(self) -> None:
        """Kill it, and with it every task; returns when it is gone."""
        self._node.close()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def _live(self, arguments: list[str], descriptor: int) -> None:  # 1
        try:
            self._process = subprocess.Popen(
                arguments,
                env=ENVIRONMENT,  # 2
                cwd="/",
                pass_fds=[descriptor],  # 3
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._started.set()
            self._process.wait()
        finally:
            self._ended.set()
            self._started.set()

    def _greet(self, order: dict[str, object], users: int, first_user: int) -> None:
        try:
            self._node.send(json.dumps(order).encode())
            words = self._node.recv(1_000)
            if words == b"unshared":
                for name in ("uid_map", "gid_map"):
                    Path(f"/proc/{self.pid}/{name}").write_text(f"0 {first_user} {users + 1}")
                self._node.send(b"mapped")
                words = self._node.recv(1_000)
        except OSError as error:
            raise NotIsolated(f"the process for studies' code could not be set apart: {error}") from error
        if words != b"ready":
            why = words.decode("ascii", "replace") or "it ended"
            raise NotIsolated(f"the process for studies' code could not be set apart: {why}")


def _enlarge(pipe: int) -> None:
    """A larger pipe takes fewer turns; where the system does not allow it, it stays as it is (fcntl(2))."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
