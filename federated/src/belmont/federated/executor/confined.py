"""One task, from the warm process's fork to its end: a keeper, and in new namespaces the process that runs the code.

    warm process -> keeper -> task (process 1 of its own process namespace)

1. The keeper makes new namespaces (network, processes, IPC, host name; namespaces(7)), forks the task, which takes one
   of mounts for itself, and does nothing but wait: for the task's end, or for the node to hang up. Then it kills the
   task, and with process 1 goes everything in its namespace (pid_namespaces(7)).
2. The task gives up its rights in this order: descriptors, home, groups and user, capabilities, resources, Landlock,
   seccomp. Only then it reads what it has to compute.
3. Whoever dies takes those below along (PR_SET_PDEATHSIG): keeper the task, warm process the keeper, node the warm
   process. The task tells the keeper that it is confined after it has asked for that signal, and cannot tell a dead
   one: it dies then too.
4. The home is a tmpfs of this task's mount namespace alone, and is gone with it, however it ends.
"""

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from belmont.federated.executor import kernel, landlock, seccomp
from belmont.federated.executor.answer import write_outcome
from belmont.federated.executor.compute import compute
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.parcel import unpack
from belmont.federated.executor.protocol import Failed
from belmont.federated.executor.root import HOME
from belmont.federated.local_log import place_of

_NAMESPACES = kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
_ANSWER, PARCEL, _SAYING, _ABOVE = 3, 4, 5, 64
_HOME_FILES = 1_024
_WORDS = 500
_CONFINED = "confined"


@dataclass(frozen=True)
class Handed:
    """What the node hands over for one task: descriptors, and the task's user and group (0: the same as before)."""

    user: int
    control: int
    answer: int
    parcel: int


def keep(handed: Handed, limits: Limits, warm_process: int) -> NoReturn:
    """The keeper: start the task, wait for its end, tell the node how it ended. In a fork of the warm process."""
    control = socket.socket(fileno=handed.control)
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != warm_process:  # 3
            os._exit(1)
        kernel.unshare(_NAMESPACES)
        said, saying = os.pipe()
        task = os.fork()
        if task == 0:
            _be_the_task(handed, limits, saying)
        for each in (saying, handed.answer, handed.parcel):
            os.close(each)
        _tell(control, _wait(control, task, said))
    except BaseException as error:
        _tell(control, {"not_confined": _words(error)})
    os._exit(0)


def _wait(control: socket.socket, task: int, said: int) -> dict[str, object]:
    process = os.pidfd_open(task)
    waiting = select.poll()
    for each in (process, control.fileno()):
        waiting.register(each, select.POLLIN | select.POLLHUP)
    by_itself = process in dict(waiting.poll())
    os.kill(task, signal.SIGKILL)  # 1
    _, status = os.waitpid(task, 0)
    words = os.read(said, _WORDS).decode("ascii", "replace")
    if words == _CONFINED:
        return {"status": status, "by_itself": by_itself}
    return {"not_confined": words or f"it ended with status {status}"}


def _tell(control: socket.socket, what: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # the node has gone
        control.send(json.dumps(what).encode())


def _be_the_task(handed: Handed, limits: Limits, saying: int) -> NoReturn:
    _keep_descriptors(handed.answer, handed.parcel, saying)
    try:
        _confine(handed.user, limits)
    except BaseException as error:
        os.write(_SAYING, _words(error).encode("ascii", "replace"))
        os._exit(1)
    os.write(_SAYING, _CONFINED.encode())  # 3
    os.close(_SAYING)
    np.random.seed()  # NumPy's old global generator: forks of one process would all draw the same
    try:
        parts = write_outcome(compute(unpack(PARCEL)))
    except BaseException as error:  # an answer that no frame holds
        parts = write_outcome(Failed(place_of(error)))
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(_ANSWER, view) :]
    os._exit(0)


def _keep_descriptors(*kept: int) -> None:
    """Nothing but the answer's pipe, the parcel, and until it has spoken the pipe to the keeper."""
    nothing = os.open("/dev/null", os.O_RDWR)
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD, _ABOVE) for each in (nothing, nothing, nothing, *kept)]
    for place, each in enumerate(moved):
        os.dup2(each, place)
    kernel.close_from(len(moved))


def _confine(user: int, limits: Limits) -> None:
    """See 2 above."""
    os.setsid()
    os.umask(0o077)
    kernel.unshare(kernel.CLONE_NEWNS)
    owner = f",uid={user},gid={user}" if user else ""
    options = f"size={limits.home_bytes},nr_inodes={_HOME_FILES},mode=0700{owner}"
    kernel.mount("tmpfs", HOME, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, options)  # 4
    socket.sethostname("task")
    kernel.keep_no_capability()
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    kernel.drop_capabilities()
    kernel.die_with_parent(signal.SIGKILL)
    kernel.hide_memory()
    kernel.no_new_privileges()
    os.chdir(HOME)
    _limit(limits)
    landlock.restrict(HOME)
    seccomp.restrict()


def _limit(limits: Limits) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.home_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.threads),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, most = resource.getrlimit(kind)
        allowed = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (allowed, allowed))


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_WORDS]
