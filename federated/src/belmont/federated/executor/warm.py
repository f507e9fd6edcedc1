"""The warm process: a fresh interpreter that has imported what a study's code needs, and forks once for each task.

1. It is started by exec, never forked from the node, and gets no environment, no argument and no descriptor of the
   node's but one socket: it never had a secret to lose.
2. It leaves the machine's file system, network and user for its own before it takes the first task, and what is left
   of its rights counts in its own user namespace only (user_namespaces(7)). Where the node is root it maps a range of
   users, one for each task at a time; otherwise all tasks have the node's own user, in namespaces of theirs.
3. It has one thread and no port: it sleeps in recvmsg(2) until the node hands over a task, and ends when the node does.
4. Large optional packages that a hospital has installed (`PRELOADED`) are imported here too. A task could import them
   itself, in seconds; nothing of its confinement differs, as all of it is put on after the fork.
"""

import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
from pathlib import Path

import numpy as np
import numpy.linalg
import numpy.random  # NumPy loads it at its first use, which would be in every task

from belmont.federated.errors import NotIsolated
from belmont.federated.executor import kernel
from belmont.federated.executor.answer import write_outcome
from belmont.federated.executor.compute import compute
from belmont.federated.executor.confined import Handed, keep
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.protocol import Answer, Task
from belmont.federated.executor.root import View, enter
from belmont.federated.hashes import code_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model

MAX_ORDER_BYTES = 1 << 16
PRELOADED = ("torch",)
_FIRST_TO_BE_KILLED = "1000"
_ONLY_USER = 1


def main(descriptor: int) -> None:
    """Serve the node at the other end of a socket until it hangs up. Raises OSError for what the machine refuses."""
    node = socket.socket(fileno=descriptor)
    order = json.loads(node.recv(MAX_ORDER_BYTES))
    _warm_up()
    view = View.from_lists(**order["view"])
    limits = Limits(**order["limits"])
    Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_BE_KILLED)
    kernel.leave_keyring()
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


def _warm_up() -> None:
    """Run the shipped study once on made-up rows: whatever is loaded at the first use is loaded here, not in tasks."""
    values = np.arange(4.0)
    column = values.astype(np.uint16), values >= 0, values
    table = ArrayTable(4, {"x": column, "y": column}, {"x": (0.0, 1.0, 4), "y": (0.0, 1.0, 4)})
    bundle, config = shipped_bundle("glm"), glm_config(["x"], "y")
    task = Task(bundle, code_hash(bundle), config, initial_model(["x"]), 0, 1, 1, table, 1, 1)
    outcome = compute(task)
    if not isinstance(outcome, Answer):
        raise NotIsolated(f"the shipped study does not run here: {outcome}")
    write_outcome(outcome)
    for name in PRELOADED:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise NotIsolated("a package started a thread when it was imported, and a process that forks must have one")


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
