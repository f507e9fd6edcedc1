"""Pulls that wait for something to pull: an event in place of a poll.

Flower's pulls answer at once, with nothing where there is nothing. One that carries ``WAIT_HEADER`` is kept back,
before Flower sees it, until something was pushed for whoever asks, or its seconds are over; then it is passed on
unchanged. Whoever sends no such header gets Flower's own behaviour.

1. Each recipient, a node or a run, has a count that rises with every push to it that succeeded. What others are sent
   wakes nobody.
2. A pull says which count it has seen; an empty answer says which count there was before Flower was asked, so that a
   push in between is not missed. One that gave something says 0: a node is given one message at a time.
3. A recipient waits once. A newer pull ends the older one, which is answered with nothing, and whose peer, most likely
   gone behind a cut line, gets no message that it would lose. Nor does one that hung up.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable

from starlette.types import Receive

from belmont.federated.deployed.coordinator.peers import Recipient
from belmont.federated.deployed.paths import MOST_WAIT_SECONDS

_WAIT = re.compile(rb"([0-9]{1,2}(?:\.[0-9]{1,3})?) ([0-9]{1,18})\Z")


class _Count:
    def __init__(self) -> None:
        self.value = 1
        self.pulls = 0
        self._changed = asyncio.Event()

    def rise(self) -> None:
        self.value += 1
        self.wake()

    def wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()


class Waiting:
    """Who waits for what at one coordinator. Everything here happens on the event loop's thread."""

    def __init__(self) -> None:
        self._counts: dict[Recipient, _Count] = {}
        self._is_over = False

    def pushed(self, recipients: Iterable[Recipient]) -> None:
        """Something was pushed to these. Who never pulled has seen nothing, and need not be counted for."""
        for each in recipients:
            if each in self._counts:
                self._counts[each].rise()

    def forget(self, recipient: Recipient) -> None:
        """A run is over."""
        self._counts.pop(recipient, None)

    def end(self) -> None:
        """Nobody waits from now on: the coordinator ends."""
        self._is_over = True
        for each in self._counts.values():
            each.wake()

    async def wait(self, recipient: Recipient, asked: bytes, receive: Receive) -> int | None:
        """Wait as ``asked`` (the header's value, or empty); the count to tell, or None for a pull that is answered with
        nothing (3). ``receive`` has nothing left but the news that its peer hung up.
        """
        count = self._counts.setdefault(recipient, _Count())
        count.pulls += 1
        mine = count.pulls
        count.wake()
        wanted = _WAIT.match(asked)
        if wanted is not None:
            seen, seconds = int(wanted[2]), min(float(wanted[1]), MOST_WAIT_SECONDS)

            async def until_something() -> None:
                while count.value <= seen and count.pulls == mine and not self._is_over:
                    await count.changed()

            if not await _first(until_something, lambda: _hung_up(receive), seconds):
                return None
        return count.value if count.pulls == mine else None


async def _first(wanted: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]], seconds: float) -> bool:
    """Wait for the first of two, at most so long; False if it was the second."""
    tasks = [asyncio.ensure_future(wanted()), asyncio.ensure_future(other())]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return not tasks[1].done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
