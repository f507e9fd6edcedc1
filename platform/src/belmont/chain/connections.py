"""HTTP connections that cannot be held for nothing: what a stranger may keep of the server without a whole request.

1. A request has to arrive whole within 30 seconds, head and body; otherwise its connection is closed.
2. Its head is at most 64 KiB (h11 refuses more).
3. When 1,000 connections are open, the one that has waited longest for the rest of a request makes room for a new one.
4. An idle connection whose last request was answered is closed by uvicorn (`timeout_keep_alive`).
5. A WebSocket whose reader takes nothing for ten seconds, while something is to be sent, is cut off. What waits to be
   sent to it is at most one message and what the system buffers. uvicorn pings it every 20 s, and closes it when no
   answer comes for as long.

Work that a whole request asks for is bounded elsewhere (`belmont.chain.lanes`).
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

REQUEST_SECONDS: Final = 30.0
CONNECTIONS_MAX: Final = 1_000
OPEN_FILES_WANTED: Final = 4_096
READER_SECONDS: Final = 10.0


def allow_open_files() -> None:
    """Room for `CONNECTIONS_MAX` connections and the database: systems commonly begin with 1,024 files or fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class BoundedProtocol(H11Protocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Rule 3, and the time begins."""
        if len(self.connections) >= CONNECTIONS_MAX:
            waiting = [each for each in self.connections if isinstance(each, BoundedProtocol) and each.deadline]
            if waiting:
                min(waiting, key=lambda each: each.deadline).close()
        super().connection_made(transport)
        self._expect_request()

    @property
    def deadline(self) -> float:
        """When a request that is not whole yet must be; 0 when none is awaited."""
        return self._timer.when() if self._timer is not None and not self._whole else 0.0

    @property
    def _whole(self) -> bool:
        """Whether a request has arrived whole and is being answered."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def data_received(self, data: bytes) -> None:
        """The first byte of a request starts its time."""
        if self._timer is None:
            self._expect_request()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Answered: the next request has its own time."""
        self._forget_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._forget_request()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """It was a whole request; `BoundedSocket` goes on with the connection."""
        self._forget_request()
        super().handle_websocket_upgrade(event)

    def close(self) -> None:
        """Rule 1."""
        self._forget_request()
        self.transport.abort()

    def _expect_request(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._look)

    def _forget_request(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._whole:
            self._forget_request()  # on_response_complete comes later, and harms nothing
        else:
            self.close()


class BoundedSocket(WebSocketsSansIOProtocol):
    """One WebSocket."""

    _slow: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The system's buffer is full: rule 5."""
        self.writable.clear()
        if self._slow is None:
            self._slow = self.loop.call_later(READER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader reads."""
        self._forget_reader()
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone; whoever waits to write goes on, and is told."""
        self._forget_reader()
        self.writable.set()
        super().connection_lost(exc)

    def _forget_reader(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
