"""Serves a coordinator over TLS until it is told to stop.

1. A request's head is read by h11, which has a limit for it; the connections are counted (`connections`).
2. SIGTERM and SIGINT end it in order, and are no failure: whoever waits is let go, what is under way is finished within
   two seconds, and the process exits with status 0.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from belmont.federated.deployed.coordinator.app import Coordinator
from belmont.federated.deployed.coordinator.connections import Door
from belmont.federated.errors import CoordinatorError
from belmont.registry.protocol import Registry

START_SECONDS = 60.0
MAX_HEAD_BYTES = 16 * 1024
ACCEPTED_AT_A_TURN = 32


@dataclass(frozen=True)
class Serving:
    """Where a coordinator listens, and under which certificate."""

    host: str
    port: int
    """0 for a free one."""
    audience: str
    """``host:port`` as others name it; empty for ``host`` and the port that it gets."""
    certificate: Path
    key: Path


def serve(registry: Registry, serving: Serving, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. ``announce`` is told the audience once requests are answered."""
    with Door(serving.host, serving.port) as door:
        audience = _audience(serving, door)
        server = _Server(Coordinator(registry, audience), serving, door, lambda: announce(audience))
        server.run(sockets=[door])


class Running:
    """A coordinator in a thread of this process; ``audience`` is where."""

    def __init__(self, audience: str, server: "_Server", thread: threading.Thread) -> None:
        self.audience = audience
        self._server = server
        self._thread = thread

    @classmethod
    def start(cls, make: Callable[[str], Coordinator], serving: Serving) -> "Running":
        """Serve what ``make`` gives for the audience. Raises CoordinatorError if it does not start."""
        door = Door(serving.host, serving.port)
        audience = _audience(serving, door)
        ready = threading.Event()
        server = _Server(make(audience), serving, door, ready.set)
        thread = threading.Thread(target=lambda: _serve_and_close(server, door), daemon=True, name="coordinator")
        thread.start()
        if not ready.wait(START_SECONDS):
            raise CoordinatorError(f"the coordinator did not start within {START_SECONDS:.0f} s")
        return cls(audience, server, thread)

    def stop(self) -> None:
        """End it, after what is under way."""
        self._server.should_exit = True
        self._thread.join()


class _Server(uvicorn.Server):
    def __init__(self, app: Coordinator, serving: Serving, door: Door, announce: Callable[[], None]) -> None:
        super().__init__(_config(app, serving))
        self._app = app
        self._announce = announce
        door.connections = app.connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._app.connections.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.end()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own raises the signal once more when it has ended, and so ends the process by it (2)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Protocol(H11Protocol):
    """Tells the coordinator's connections whose TLS handshake is over."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if isinstance(self.app, Coordinator):
            self.app.connections.shaken(self.client)


def _audience(serving: Serving, door: Door) -> str:
    return serving.audience or f"{serving.host}:{door.getsockname()[1]}"


def _config(app: Coordinator, serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=serving.certificate,
        ssl_keyfile=str(serving.key),
        http=_Protocol,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        loop="asyncio",  # whose accepting goes through the door
        ws="none",
        proxy_headers=False,  # who is connected is who is connected
        interface="asgi3",
        backlog=ACCEPTED_AT_A_TURN,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def _serve_and_close(server: _Server, door: Door) -> None:
    with door:
        server.run(sockets=[door])
