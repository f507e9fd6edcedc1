"""Serves a coordinator over TLS until it is told to stop."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import uvicorn
from starlette.types import ASGIApp

from belmont.federated.deployed.coordinator.app import Coordinator
from belmont.federated.errors import CoordinatorError
from belmont.registry.protocol import Registry

START_SECONDS = 60.0


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
    with _listener(serving) as listener:
        audience = _audience(serving, listener)
        server = _Server(_config(Coordinator(registry, audience), serving), lambda: announce(audience))
        server.run(sockets=[listener])


class Running:
    """A coordinator in a thread of this process; ``audience`` is where."""

    def __init__(self, audience: str, server: "_Server", thread: threading.Thread) -> None:
        self.audience = audience
        self._server = server
        self._thread = thread

    @classmethod
    def start(cls, make: Callable[[str], ASGIApp], serving: Serving) -> "Running":
        """Serve what ``make`` gives for the audience. Raises CoordinatorError if it does not start."""
        listener = _listener(serving)
        audience = _audience(serving, listener)
        ready = threading.Event()
        server = _Server(_config(make(audience), serving), ready.set)
        thread = threading.Thread(target=lambda: _serve_and_close(server, listener), daemon=True, name="coordinator")
        thread.start()
        if not ready.wait(START_SECONDS):
            raise CoordinatorError(f"the coordinator did not start within {START_SECONDS:.0f} s")
        return cls(audience, server, thread)

    def stop(self) -> None:
        """End it, after what is under way."""
        self._server.should_exit = True
        self._thread.join()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _listener(serving: Serving) -> socket.socket:
    return socket.create_server((serving.host, serving.port))


def _audience(serving: Serving, listener: socket.socket) -> str:
    return serving.audience or f"{serving.host}:{listener.getsockname()[1]}"


def _config(app: ASGIApp, serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=serving.certificate,
        ssl_keyfile=str(serving.key),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def _serve_and_close(server: _Server, listener: socket.socket) -> None:
    with listener:
        server.run(sockets=[listener])
