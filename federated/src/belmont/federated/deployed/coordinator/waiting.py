"""Pulls that wait for something to pull: an event in place of a poll.

Flower's pulls answer at once, with nothing where there is nothing. One that carries ``WAIT_HEADER`` is kept back,
before Flower sees it, until something was pushed that could be for whoever asks, or its seconds are over; then it is
passed on unchanged. Whoever sends no such header gets Flower's own behaviour.

1. A count rises with every push that succeeded: one for what researchers push, one for what nodes push.
2. A pull says which count it has seen; the answer says which count there was before Flower was asked, so that a push in
   between is not missed.
3. At most ``MOST_WAITING`` requests wait at a time; more are passed on at once.
"""

import asyncio
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from belmont.federated.deployed.paths import FLEET_PULL, MOST_WAIT_SECONDS, RUNTIME_PULL, SEEN_HEADER, WAIT_HEADER

MOST_WAITING = 1_000
_WAIT = re.compile(rb"([0-9]{1,2}(?:\.[0-9]{1,3})?) ([0-9]{1,18})\Z")


class _Count:
    def __init__(self) -> None:
        self.value = 1
        self._changed = asyncio.Event()

    def rise(self) -> None:
        self.value += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_past(self, seen: int, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, MOST_WAIT_SECONDS)):
                while self.value <= seen:
                    await self._changed.wait()
        except TimeoutError:
            return


class Waiting:
    """ASGI middleware around Flower's app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._waiting = 0
        researchers, nodes = _Count(), _Count()
        self._pulls = {FLEET_PULL: researchers, RUNTIME_PULL: nodes}
        self._pushes = {
            f"/v1/{api}/{name}": count
            for api, count in (("runtime", researchers), ("fleet", nodes))
            for name in ("push-messages", "push-object")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path in self._pulls:
            await self._pull(self._pulls[path], scope, receive, send)
        elif path in self._pushes:
            await self._push(self._pushes[path], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pull(self, count: _Count, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _WAIT.match(dict(scope["headers"]).get(WAIT_HEADER.encode(), b""))
        if asked is None:
            await self._app(scope, receive, send)
            return
        if self._waiting < MOST_WAITING:  # 3
            self._waiting += 1
            try:
                await count.wait_past(int(asked[2]), float(asked[1]))
            finally:
                self._waiting -= 1
        before = count.value  # 2

        async def send_with_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (SEEN_HEADER.encode(), str(before).encode())]
            await send(message)

        await self._app(scope, receive, send_with_count)

    async def _push(self, count: _Count, scope: Scope, receive: Receive, send: Send) -> None:
        succeeded = False

        async def watch(message: Message) -> None:
            nonlocal succeeded
            if message["type"] == "http.response.start":
                succeeded = message["status"] < 300
            await send(message)

        await self._app(scope, receive, watch)
        if succeeded:
            count.rise()  # 1
