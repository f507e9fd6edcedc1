"""The feed of events: who listens is told of every event once, in order, and who was away goes on from where they were.

1. The newest events are kept in memory, so that two hundred listeners are one read of the database.
2. A listener waits; nobody polls. Threads tell, the event loop wakes: a group of listeners at a time, so that whoever
   asks for something meanwhile waits for one group and not for all.
3. A listener who is behind what is kept here reads the rest from the index first.
4. An event that is told again (the follower does, after a failure) is not kept twice.
5. When blocks were dropped from the chain, ``turn`` is another number: what was told before may not hold.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from itertools import cycle, takewhile

from belmont.audit.events import IndexedEvent, Position

KEPT = 2_000
GROUPS = 16


class Feed:
    """New events, from the follower's thread to any number of coroutines."""

    def __init__(self) -> None:
        self._events: deque[IndexedEvent] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = [asyncio.Event() for _ in range(GROUPS)]
        self._next_group = cycle(range(GROUPS))
        self.closed = False
        self.turn = 0

    def bind(self) -> None:
        """Call from the event loop that listeners run in."""
        self._loop = asyncio.get_running_loop()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept: at the start, and after ``forget``."""
        return not self._events

    def put(self, events: Iterable[IndexedEvent]) -> None:
        """Tell of events, in order; from any thread."""
        with self._lock:
            for each in events:
                if not self._events or each.position > self._events[-1].position:  # 4
                    self._events.append(each)
        self._wake()

    def forget(self) -> None:
        """Blocks were dropped from the chain: what was kept may not have been (5)."""
        with self._lock:
            self._events.clear()
            self.turn += 1
        self._wake()

    def close(self) -> None:
        """End every listener's wait for good."""
        self.closed = True
        self._wake()

    def since(self, position: Position) -> list[IndexedEvent] | None:
        """The kept events after a position, in order; None where some after it may not be kept here (3)."""
        with self._lock:
            if not self._events or position < self._events[0].position:
                return None
            found = list(takewhile(lambda each: each.position > position, reversed(self._events)))
        return found[::-1]

    async def wait(self, seconds: float) -> bool:
        """Until something was told, or so many seconds are over; whether something was."""
        changed = self._changed[next(self._next_group)]
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notify, self._loop, 0)

    def _notify(self, loop: asyncio.AbstractEventLoop, group: int) -> None:
        self._changed[group].set()
        self._changed[group] = asyncio.Event()
        if group + 1 < GROUPS:
            loop.call_soon(self._notify, loop, group + 1)  # after whatever else is waiting now
