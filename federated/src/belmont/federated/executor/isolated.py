"""A hospital's own runner: a researcher's code in a process that can reach nothing but its rows, and then is gone.

1. A warm process that holds no secret forks one process for each task (`warm`, `confined`), in its own namespaces, as
   another user, without rights, within limits.
2. Rows go in through a sealed memory file (`parcel`), the answer comes out through one pipe (`answer`): one frame, read
   with bounds, then the end. Anything more or less is a failure, whatever came before.
3. The deadline is the node's. When it passes, or the answer is there, the task is killed with everything it started,
   and ``run`` returns only when all of it is gone.
4. Before a warm process serves its first task, the node attacks it itself (`probe`). What does not hold makes this
   refuse to start, unless the hospital's own configuration names it in ``allow_weaker``.
5. A warm process that died is replaced, and its replacement probed, when the next task comes. A task that it took along
   is a NodeFault: it is not run twice.
"""

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from belmont.federated.errors import NodeFault, NotIsolated
from belmont.federated.executor import kernel
from belmont.federated.executor.delivery import deliver
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.probe import WAIVABLE, Isolation, Property, probe
from belmont.federated.executor.process import WarmProcess
from belmont.federated.executor.protocol import Outcome, Task
from belmont.federated.executor.root import needed_view

FIRST_USER = 0x7000_0000
"""Users from here on belong to nobody on a Linux system by convention (systemd's UIDS-GIDS: 1879048192 is unused)."""
_PROBE_SECONDS = 60.0


class IsolatedRunner:
    """See the module. ``hidden`` are paths that the probe tries to read besides its own: the hospital's folders.

    ``packages`` are further folders from which studies may import. ``tasks_at_once`` run side by side; the next waits.
    Raises NotIsolated with what is missing.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        allow_weaker: Iterable[Property] = (),
        hidden: Iterable[Path] = (),
        packages: Iterable[Path] = (),
        tasks_at_once: int = 4,
        first_user: int = FIRST_USER,
    ) -> None:
        kernel.machine()
        self._limits = Limits() if limits is None else limits
        allowed = frozenset(map(Property, allow_weaker))
        if not allowed <= WAIVABLE:
            raise NotIsolated(f"nothing but {', '.join(sorted(WAIVABLE))} can be done without")
        self._allowed = allowed
        self._hidden = tuple(hidden)
        self._view = needed_view(packages)
        own_users = _can_give(first_user, tasks_at_once + 1)
        self._users = (tasks_at_once, first_user) if own_users else (0, 0)
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place in range(tasks_at_once):
            self._free.put(place + 1 if own_users else 0)
        self._lock = threading.Lock()
        self._closed = False
        self._warm, self.isolation = self._start()

    def run(self, task: Task) -> Outcome:
        """Run one task in a process of its own; see the module."""
        with self._user() as user:
            return deliver(self._living(), task, user, self._limits)

    def close(self) -> None:
        """End the warm process, and with it every task."""
        with self._lock:
            self._closed = True
            self._warm.close()

    def __repr__(self) -> str:
        return f"IsolatedRunner({self.isolation})"

    @contextmanager
    def _user(self) -> Iterator[int]:
        """One of the places for tasks, as the number of the user it runs as; 0 for the node's own."""
        try:
            user = self._free.get(timeout=self._limits.wall_seconds)
        except queue.Empty:
            raise NodeFault("this node is busy with other tasks") from None
        try:
            yield user
        finally:
            self._free.put(user)

    def _living(self) -> WarmProcess:
        with self._lock:
            if self._closed:
                raise NodeFault("what runs the studies' code is closed")
            if not self._warm.alive:  # 5
                self._warm, self.isolation = self._start()
            return self._warm

    def _start(self) -> tuple[WarmProcess, Isolation]:
        warm = WarmProcess(self._view, self._limits, *self._users)
        try:
            user, patient = (1 if self._users[0] else 0), replace(self._limits, wall_seconds=_PROBE_SECONDS)
            isolation = probe(lambda task: deliver(warm, task, user, patient), self._limits, self._hidden)
            isolation.require(self._allowed)  # 4
        except BaseException:
            warm.close()
            raise
        return warm, isolation


def isolation_here(limits: Limits | None = None, hidden: Iterable[Path] = ()) -> Isolation:
    """What this machine can give, without running any study's code. Raises NotIsolated where nothing can be set up."""
    runner = IsolatedRunner(limits, allow_weaker=WAIVABLE, hidden=hidden)
    runner.close()
    return runner.isolation


def _can_give(first_user: int, count: int) -> bool:
    """Whether this process is root, and root of a range of users (user_namespaces(7), uid_map)."""
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, length = map(int, line.split())
        if inside <= first_user and first_user + count <= inside + length:
            return True
    return False
