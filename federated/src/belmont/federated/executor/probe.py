"""What a machine really holds against a study's code: tried, not read off from version numbers.

1. The node puts out baits: ports and a socket that answer, a file that only its user may read, its own process.
2. An app like any study's (`probe_app`) goes through the very path that a task goes, and tries all of them. A first one
   leaves files behind for a second one to look for.
3. What the second reports is what holds. Without every one of them nothing is run, but for those that the hospital's
   own configuration says it does without; only layers behind the others can be named there.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path

from belmont.federated.errors import NotIsolated
from belmont.federated.executor.confined import PARCEL
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.process import ENVIRONMENT
from belmont.federated.executor.protocol import Answer, Outcome, Task
from belmont.federated.hashes import code_hash
from belmont.federated.node.bundle import build_bundle


class Property(StrEnum):
    """One thing that a machine holds against a study's code."""

    NETWORK = "network"
    """No TCP, UDP or abstract UNIX socket leads anywhere."""
    FILES = "files"
    """The node's files, and the hospital's folders, cannot be read."""
    PROCESSES = "processes"
    """Neither environment nor memory of another process can be read, nor a list of them."""
    SIGNALS = "signals"
    """No process outside can be signalled."""
    ENVIRONMENT = "environment"
    """Nothing of the node's environment is there."""
    WRITING = "writing"
    """No file can be made outside the task's home."""
    OTHER_TASKS = "other-tasks"
    """Nothing of an earlier task is found."""
    FORKING = "forking"
    """No more processes than there may be."""
    MEMORY = "memory"
    """No more memory than there may be."""
    PRIVILEGES = "privileges"
    """No capability, and no program that would bring one."""
    OTHER_USER = "other-user"
    """The task's user is not the node's. Missing where the node is not root of a range of users."""
    LANDLOCK = "landlock"
    """The kernel's Landlock is on, behind the mounts."""
    SECCOMP = "seccomp"
    """The filter of system calls is on, behind everything."""


WAIVABLE = frozenset({Property.OTHER_USER, Property.LANDLOCK, Property.SECCOMP})
"""Layers behind others, which a hospital's own configuration may do without."""


@dataclass(frozen=True)
class Isolation:
    """What held when it was tried."""

    held: frozenset[Property]

    @property
    def missing(self) -> frozenset[Property]:
        return frozenset(Property) - self.held

    def require(self, allow_weaker: frozenset[Property] = frozenset()) -> None:
        """Raises NotIsolated, naming what is missing and was not allowed to be."""
        unmet = self.missing - allow_weaker
        if unmet:
            raise NotIsolated(f"this machine does not hold a study's code back: {', '.join(sorted(unmet))}")

    def __str__(self) -> str:
        missing = ", ".join(sorted(self.missing))
        return f"without {missing}" if missing else "everything that was tried holds"


@cache
def probe_bundle() -> bytes:
    """The Flower App Bundle of the probe."""
    with resources.as_file(resources.files("belmont.federated.executor") / "probe_app") as folder:
        return build_bundle(Path(folder))


def probe(run: Callable[[Task], Outcome], limits: Limits, hidden: Iterable[Path] = ()) -> Isolation:
    """Try everything through ``run``; ``hidden`` are further paths that must not be seen. Raises NotIsolated if the
    probe itself does not come back with an answer."""
    with baits(limits, hidden) as config:
        held: dict[str, float] = {}
        for leave in (True, False):  # 2
            outcome = run(probe_task(config | {"leave": leave}))
            if not isinstance(outcome, Answer):
                raise NotIsolated(f"the probe of this machine did not come to its end: {outcome}")
            held = outcome.metrics
    return Isolation(frozenset(each for each in Property if held.get(each) == 1.0))


def probe_task(config: dict[str, str | int | float | bool]) -> Task:
    """A task that runs the probe, without rows."""
    bundle = probe_bundle()
    return Task(bundle, code_hash(bundle), config, {}, 0, 1, 1, ArrayTable(0, {}, {}), 1, 1)


@contextmanager
def baits(limits: Limits, hidden: Iterable[Path] = ()) -> Iterator[dict[str, str | int | float | bool]]:
    """Things to be reached and read, for as long as the block; the probe's configuration says where they are; 1."""
    name = f"belmont-probe-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="belmont-probe-")))
        secret = folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text("a secret of the node's")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        local = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        local.bind(f"\0{name}")
        local.listen()
        yield {
            "tcp_port": tcp.getsockname()[1],
            "udp_port": udp.getsockname()[1],
            "unix_name": name,
            "secret_paths": "\n".join(map(str, (secret, folder, *hidden))),
            "node_pid": os.getpid(),
            "environment": "\n".join(ENVIRONMENT),
            "folders": "\n".join(("/", "/dev", "/dev/shm", "/etc", "/usr/lib", str(folder))),  # noqa: S108
            "left_behind": name,
            "threads": limits.threads,
            "memory_bytes": limits.memory_bytes,
            "parcel": PARCEL,
        }
