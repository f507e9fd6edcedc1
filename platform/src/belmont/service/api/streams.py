"""Events as server-sent events (HTML Living Standard, section 9.2): one response for each listener.

1. An event's ``id`` is its position on the chain and the first bytes of its transaction's hash. Who comes back with it
   in ``Last-Event-ID`` is told what came after it: nothing twice, nothing left out.
2. Where that event is no longer on the chain, and when blocks are dropped while somebody listens, an event ``reset``
   says so: read ``/api/v1/events`` again; what follows is told after the position that ``reset`` names.
3. Nothing is queued for a listener. Who does not take what was written in time is ended (``belmont.service.sending``),
   and can come back.
4. Whether the session is still there, and its account still a member, is looked at while the stream is open.
5. A comment is written at least every ``KEEP_ALIVE_SECONDS``, with the place up to which everything was told.
6. An account has a bounded number of streams, all accounts together too, and a stream a longest time.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from belmont.audit.events import LOG_MAX, IndexedEvent, Position
from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import Address
from belmont.service.access.visitor import Sessions, SessionView
from belmont.service.api.values import moment
from belmont.service.config import StreamLimits
from belmont.service.errors import TooMany
from belmont.service.sending import send_all, while_read
from belmont.service.state.feed import Feed

KEEP_ALIVE_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 5.0
RETRY_MILLISECONDS: Final = 2_000
PREFIX_BYTES: Final = 4
_KEPT_ENCODED: Final = 4_096
_NOTHING: Final = Position(0, 0)


@dataclass(frozen=True)
class Place:
    """Where a listener is: an event's id."""

    position: Position
    prefix: str = ""
    """Of its transaction's hash, in hexadecimal; empty where the listener did not say."""

    def __str__(self) -> str:
        return f"{self.position}-{self.prefix}" if self.prefix else str(self.position)

    @classmethod
    def of(cls, event: IndexedEvent) -> "Place":
        """An event's."""
        return cls(event.position, event.transaction[:PREFIX_BYTES].hex())

    @classmethod
    def parse(cls, text: str) -> "Place":
        """From an id. Raises QueryError."""
        position, _, prefix = text.partition("-")
        return cls(Position.parse(position), prefix)


class Streams:
    """All streams of one service."""

    def __init__(self, index: EventIndex, feed: Feed, sessions: Sessions, limits: StreamLimits) -> None:
        self.index, self.feed, self.limits = index, feed, limits
        self._sessions = sessions
        self._open: Counter[Address] = Counter()
        self._live: dict[Address, tuple[float, frozenset[str]]] = {}
        self._encoded: dict[tuple[int, Place], bytes] = {}

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    def begin(self, account: Address) -> None:
        """One more for an account. Raises TooMany (6)."""
        if self._open[account] >= self.limits.of_an_account or self.count >= self.limits.most:
            raise TooMany("As many streams are open as are allowed.", retry_after_seconds=30)
        self._open[account] += 1

    def end(self, account: Address) -> None:
        """One less."""
        self._open[account] -= 1
        if not self._open[account]:
            del self._open[account]
            self._live.pop(account, None)

    async def is_live(self, session: SessionView) -> bool:
        """Whether a session has not ended, as of ``LOOK_SECONDS`` ago at most; looking does not prolong it."""
        seen = self._live.get(session.account)
        now = time.monotonic()
        if seen is None or now - seen[0] >= LOOK_SECONDS or session.id not in seen[1]:  # it may have begun since
            known: frozenset[str] = seen[1] if seen else frozenset()
            self._live[session.account] = (now, known | {session.id})  # others need not look
            found = await run_in_threadpool(self._sessions.of_account, session.account)
            seen = (now, frozenset(each.id for each, _ in found))
            self._live[session.account] = seen
        return session.id in seen[1] and session.expires_at > time.time()

    async def newest(self) -> Place:
        """The place of the newest event."""
        found = await run_in_threadpool(self.index.search, EventQuery(limit=1))
        return Place.of(found.events[0]) if found.events else Place(_NOTHING)

    async def is_on_chain(self, place: Place) -> bool:
        """Whether what a listener heard last is still there (2)."""
        at = place.position
        if at == _NOTHING:
            return True
        before = Position(at.block, at.log + 1) if at.log < LOG_MAX else Position(at.block + 1, 0)
        page = await run_in_threadpool(self.index.search, EventQuery(before=before, limit=1))
        if not place.prefix:
            newest = await self.newest()
            return at <= newest.position
        return bool(page.events) and Place.of(page.events[0]) == place

    def encoded(self, event: IndexedEvent, as_json: Callable[[IndexedEvent], dict[str, Any]]) -> bytes:
        """An event as it is sent, the same for everybody."""
        key = (self.feed.turn, Place.of(event))
        found = self._encoded.get(key)
        if found is None:
            if len(self._encoded) >= _KEPT_ENCODED:
                self._encoded.clear()
            text = json.dumps(as_json(event), ensure_ascii=True, separators=(",", ":"))
            found = self._encoded[key] = f"id: {key[1]}\ndata: {text}\n\n".encode()
        return found


class EventStream(Response):
    """The response that a listener gets."""

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: Streams,
        session: SessionView,
        still_allowed: Callable[[], bool],
        wanted: Callable[[IndexedEvent], bool],
        as_json: Callable[[IndexedEvent], dict[str, Any]],
        place: Place | None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.raw_headers = [each for each in self.raw_headers if each[0] != b"content-length"]
        self._streams, self._session, self._place = streams, session, place
        self._still_allowed, self._wanted, self._as_json = still_allowed, wanted, as_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.begin(self._session.account)
        try:
            await while_read(receive, send_all(send, 200, self.raw_headers, self._chunks()))  # 3
        finally:
            self._streams.end(self._session.account)

    async def _chunks(self) -> AsyncIterator[bytes]:
        streams, feed, ends = self._streams, self._streams.feed, time.monotonic() + self._streams.limits.seconds
        turn, start = feed.turn, self._place or await streams.newest()
        place = start if self._place is None or await streams.is_on_chain(start) else await streams.newest()
        opening = f"retry: {RETRY_MILLISECONDS}\nid: {place}\n\n".encode()
        yield opening if place == start else opening + _reset(place)
        written = time.monotonic()
        while not feed.closed and time.monotonic() < ends and await self._may_listen():
            if feed.turn != turn:
                turn, place = feed.turn, await streams.newest()
                yield _reset(place)  # 2
            found = feed.since(place.position)
            if found is None:
                found = await run_in_threadpool(streams.index.after, place.position)
                if feed.turn != turn:
                    continue
            if found:
                place = Place.of(found[-1])
                chunk = b"".join(streams.encoded(each, self._as_json) for each in found if self._wanted(each))
                if chunk:
                    yield chunk
                    written = time.monotonic()
                continue
            left = min(LOOK_SECONDS, ends - time.monotonic(), written + KEEP_ALIVE_SECONDS - time.monotonic())
            await feed.wait(max(left, 0.0))
            if time.monotonic() - written >= KEEP_ALIVE_SECONDS:
                yield f": nothing new\nid: {place}\n\n".encode()  # 5
                written = time.monotonic()

    async def _may_listen(self) -> bool:
        if self._session.is_former:
            return False  # it would be listening when the new secret is shown
        return self._still_allowed() and await self._streams.is_live(self._session)  # 4


def _reset(place: Place) -> bytes:
    data = json.dumps({"after": str(place.position), "at": moment(int(time.time()))})
    return f"event: reset\nid: {place}\ndata: {data}\n\n".encode()
