"""The warm process: a fresh interpreter that has imported what a study's code needs, and forks once for each task.

1. It is started by exec, never forked from the node, and gets no environment, no argument and no descriptor of the
   node's but one socket: it never had a secret to lose.
2. It leaves the machine's file system, network and user for its own before it takes the first task, and what is left
   of its rights counts in its own user namespace only (user_namespaces(7)). Where the node is root it maps a range of
   users, one for each task at a time; otherwise all tasks have the node's own user, in namespaces of theirs.
3. It has one thread and no port: it sleeps in recvmsg(2) until the node hands over a task, and ends when the node does.
"""

import gc
import json
import os
import signal
import socket
from pathlib import Path

from belmont.federated.executor import kernel
from belmont.federated.executor.confined import Handed, keep
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.root import View, enter

MAX_ORDER_BYTES = 1 << 16
_FIRST_TO_BE_KILLED = "1000"
_ONLY_USER = 1


def main(descriptor: int) -> None:
    """Serve the node at the other end of a socket until it hangs up. Raises OSError for what the machine refuses."""
    node = socket.socket(fileno=descriptor)
    order = json.loads(node.recv(MAX_ORDER_BYTES))
    view = View.from_lists(**order["view"])
    limits = Limits(**order["limits"])
    Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_BE_KILLED)
    os.closerange(0, descriptor)
    if order["users"]:
        _leave_as_root(node, view)
    else:
        _leave_as_user(view)
    kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS)
    kernel.die_with_parent(signal.SIGKILL)
    kernel.hide_memory()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the keepers
    os.environ.clear()  # imports add to it
    os.environ.update(order["environment"])
    gc.collect()
    gc.freeze()
    node.send(b"ready")
    _serve(node, limits)


def _serve(node: socket.socket, limits: Limits) -> None:
    me = os.getpid()
    while True:
        words, descriptors, _, _ = socket.recv_fds(node, 64, 3)
        if not words:
            return
        if os.fork() == 0:
            node.close()
            keep(Handed(int(words), *descriptors), limits, me)
        for each in descriptors:
            os.close(each)


def _leave_as_root(node: socket.socket, view: View) -> None:
    os.setgroups([])
    kernel.unshare(kernel.CLONE_NEWNS)
    enter(view)
    kernel.unshare(kernel.CLONE_NEWUSER)
    node.send(b"unshared")
    if node.recv(16) != b"mapped":
        os._exit(0)  # the node has gone, or cannot map users, and knows it
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _leave_as_user(view: View) -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{_ONLY_USER} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{_ONLY_USER} {user} 1")
    enter(view)
