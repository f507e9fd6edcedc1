"""The feed of events: who listens is told of every event once, in order, and who was away goes on from where they were.

1. The newest events are kept in memory, so that two hundred listeners are one read of the database.
2. A listener waits; nobody polls. Threads tell, the event loop wakes.
3. A listener who is behind what is kept here reads the rest from the index first.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable

from belmont.audit.events import IndexedEvent, Position

KEPT = 2_000


class Feed:
    """New events, from the follower's thread to any number of coroutines."""

    def __init__(self) -> None:
        self._events: deque[IndexedEvent] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self.closed = False

    def bind(self) -> None:
        """Call from the event loop that listeners run in."""
        self._loop = asyncio.get_running_loop()

    def put(self, events: Iterable[IndexedEvent]) -> None:
        """Tell of events; from any thread."""
        with self._lock:
            self._events.extend(events)
        self._wake()

    def forget(self) -> None:
        """Blocks were dropped from the chain: what was kept may not have been."""
        with self._lock:
            self._events.clear()
        self._wake()

    def close(self) -> None:
        """End every listener's wait for good."""
        self.closed = True
        self._wake()

    def since(self, position: Position | None) -> list[IndexedEvent] | None:
        """The kept events after a position, in order; None where some after it may not be kept here (3)."""
        with self._lock:
            if not self._events or position is None or position < self._events[0].position:
                return None
            return [each for each in self._events if each.position > position]

    async def wait(self, seconds: float) -> bool:
        """Until something was told, or so many seconds are over; whether something was."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
