"""What a hostile study would try first. Each function returns whether the hospital's machine held against it.

It is an app like any study's, so that it meets exactly what a study's code meets. It does no harm where nothing holds:
what it makes it takes away again, but for the file that it leaves for the next task to find.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

app = ClientApp()
server = ServerApp()
_SECONDS = 2.0
_PR_GET_NO_NEW_PRIVS = 39


@app.train()
def train(message: Message, context: Context) -> Message:
    """Try everything, or only leave a file behind for the next task."""
    config = dict(context.run_config)
    left = [Path(folder) / str(config["left_behind"]) for folder in ("/tmp", "/dev/shm", Path.home())]  # noqa: S108
    held: dict[str, float] = {}
    if config["leave"]:
        for path in left:
            with contextlib.suppress(OSError):
                path.write_text("left behind")
    else:
        held["other-tasks"] = not any(_readable(path) for path in left)
        for path in left:
            with contextlib.suppress(OSError):
                path.unlink()
        held |= {name: attempt(config) for name, attempt in ATTEMPTS.items()}
    metrics = MetricRecord({name: float(each) for name, each in held.items()})
    return Message(RecordDict({"arrays": ArrayRecord(), "metrics": metrics}), reply_to=message)


def network(config: Mapping[str, object]) -> bool:
    """TCP, UDP and an abstract UNIX socket, to where the node listens."""
    targets: list[tuple[int, int, object]] = [
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", config["tcp_port"])),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", config["udp_port"])),
        (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + str(config["unix_name"])),
    ]
    return not any(_connects(*target) for target in targets)


def files(config: Mapping[str, object]) -> bool:
    """Read what only the node's user may, and see the hospital's folders."""
    return not any(_readable(Path(path)) for path in _lines(config["secret_paths"]))


def processes(config: Mapping[str, object]) -> bool:
    """Environment and memory of the node, and the list of all processes."""
    node = Path("/proc") / str(config["node_pid"])
    return not any(_readable(path) for path in (node / "environ", node / "mem", node / "cmdline", Path("/proc")))


def signals(config: Mapping[str, object]) -> bool:
    """Signal number 0 to the node, and to everybody."""
    for process in (int(str(config["node_pid"])), -1):
        if process == os.getpid():
            continue  # the node is process 1 of its machine, as this task is of its own
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            return False  # it exists, and can be seen
        return False
    return True


def environment(config: Mapping[str, object]) -> bool:
    """Anything in the environment but what every task gets."""
    return set(os.environ) <= set(_lines(config["environment"]))


def writing(config: Mapping[str, object]) -> bool:
    """Make a file outside the home."""
    return not any(_writes(Path(folder) / str(config["left_behind"])) for folder in _lines(config["folders"]))


def forking(config: Mapping[str, object]) -> bool:
    """Start one process more than there may be threads; all of them live until it has tried."""
    started = []
    waiting, ending = os.pipe()
    try:
        for _ in range(int(str(config["threads"])) + 1):
            process = os.fork()
            if process == 0:
                os.close(ending)
                os.read(waiting, 1)
                os._exit(0)
            started.append(process)
    except OSError:
        return True
    finally:
        os.close(ending)
        os.close(waiting)
        for process in started:
            os.waitpid(process, 0)
    return False


def memory(config: Mapping[str, object]) -> bool:
    """Map as much memory as a task may have in all."""
    try:
        mmap.mmap(-1, int(str(config["memory_bytes"]))).close()
    except (OSError, MemoryError):
        return True
    return False


def privileges(config: Mapping[str, object]) -> bool:
    """Change the root directory; and whether a program could bring rights back."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.chroot(b"/") != 0 and libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)


def other_user(config: Mapping[str, object]) -> bool:
    """Be the node's user: whose is the file in memory that the node made, and this task reads its rows from?"""
    return os.fstat(int(str(config["parcel"]))).st_uid != os.getuid()


def landlock(config: Mapping[str, object]) -> bool:
    """Make a named pipe in the home, which nothing but Landlock forbids."""
    path = Path.home() / str(config["left_behind"])
    try:
        os.mkfifo(path)
    except OSError as error:
        return error.errno == errno.EACCES
    path.unlink()
    return False


def seccomp(config: Mapping[str, object]) -> bool:
    """Make a file in memory, which nothing but the filter of system calls forbids."""
    try:
        os.close(os.memfd_create("probe"))
    except OSError as error:
        return error.errno == errno.EPERM
    return False


ATTEMPTS: dict[str, Callable[[Mapping[str, object]], bool]] = {
    "network": network,
    "files": files,
    "processes": processes,
    "signals": signals,
    "environment": environment,
    "writing": writing,
    "forking": forking,
    "memory": memory,
    "privileges": privileges,
    "other-user": other_user,
    "landlock": landlock,
    "seccomp": seccomp,
}


def _lines(value: object) -> list[str]:
    return [line for line in str(value).split("\n") if line]


def _connects(family: int, kind: int, address: object) -> bool:
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(_SECONDS)
            sock.connect(address)  # type: ignore[arg-type]
            return sock.send(b"probe") > 0
    except OSError:
        return False


def _readable(path: Path) -> bool:
    try:
        if path.is_dir():
            return any(path.iterdir())
        with path.open("rb", buffering=0) as file:
            file.read(1)
    except OSError as error:
        return error.errno == errno.EIO  # memory at address 0 was open to be read
    return True


def _writes(path: Path) -> bool:
    try:
        path.write_bytes(b"probe")
    except OSError:
        return False
    path.unlink()
    return True
