"""Serves a coordinator over TLS until it is told to stop.

1. Connections are accepted here, a few at a turn of the event loop, and counted (`connections`). A request's head is
   read by h11, which has a limit for it.
2. SIGTERM and SIGINT end it in order, and are no failure: whoever waits is let go, what is under way is finished within
   two seconds, and the process exits with status 0.
"""

import asyncio
import errno
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
from belmont.federated.deployed.coordinator.connections import STRANGER_SECONDS, listening
from belmont.federated.errors import CoordinatorError
from belmont.registry.protocol import Registry

START_SECONDS = 60.0
MAX_HEAD_BYTES = 16 * 1024
ACCEPTED_AT_A_TURN = 32
_NO_ROOM_SECONDS = 1.0


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
    with listening(serving.host, serving.port) as listener:
        audience = _audience(serving, listener)
        _Server(Coordinator(registry, audience), serving, listener, lambda: announce(audience)).run()


class Running:
    """A coordinator in a thread of this process; ``audience`` is where."""

    def __init__(self, audience: str, server: "_Server", thread: threading.Thread) -> None:
        self.audience = audience
        self._server = server
        self._thread = thread

    @classmethod
    def start(cls, make: Callable[[str], Coordinator], serving: Serving) -> "Running":
        """Serve what ``make`` gives for the audience. Raises CoordinatorError if it does not start."""
        listener = listening(serving.host, serving.port)
        audience = _audience(serving, listener)
        ready = threading.Event()
        server = _Server(make(audience), serving, listener, ready.set)
        thread = threading.Thread(target=lambda: _run_and_close(server, listener), daemon=True, name="coordinator")
        thread.start()
        if not ready.wait(START_SECONDS):
            raise CoordinatorError(f"the coordinator did not start within {START_SECONDS:.0f} s")
        return cls(audience, server, thread)

    def stop(self) -> None:
        """End it, after what is under way."""
        self._server.should_exit = True
        self._thread.join()


class _Server(uvicorn.Server):
    def __init__(
        self, app: Coordinator, serving: Serving, listener: socket.socket, announce: Callable[[], None]
    ) -> None:
        super().__init__(_config(app, serving))
        self._app = app
        self._listener = listener
        self._announce = announce
        self._opening: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        if self.started:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)
            self._announce()

    def _accept(self) -> None:
        """Rule 1."""
        for _ in range(ACCEPTED_AT_A_TURN):
            try:
                accepted, address = self._listener.accept()
            except OSError as error:  # nothing to accept, or no room for it
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    loop = asyncio.get_running_loop()
                    loop.remove_reader(self._listener)
                    loop.call_later(_NO_ROOM_SECONDS, self._accept_again)
                return
            accepted.setblocking(False)
            self._app.connections.opened(accepted, (str(address[0]), int(address[1])))
            task = asyncio.ensure_future(self._open(accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _accept_again(self) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def _open(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol, accepted, ssl=self.config.ssl, ssl_handshake_timeout=STRANGER_SECONDS
            )
        except (OSError, EOFError):  # no TLS, or gone before the handshake was over
            accepted.close()

    def _protocol(self) -> asyncio.Protocol:
        return H11Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._app.connections.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._app.end()
        for task in self._opening:
            task.cancel()
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


def _audience(serving: Serving, listener: socket.socket) -> str:
    return serving.audience or f"{serving.host}:{listener.getsockname()[1]}"


def _config(app: Coordinator, serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=serving.certificate,
        ssl_keyfile=str(serving.key),
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ws="none",
        proxy_headers=False,  # who is connected is who is connected
        interface="asgi3",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def _run_and_close(server: _Server, listener: socket.socket) -> None:
    with listener:
        server.run()
