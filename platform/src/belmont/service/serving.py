"""Serving over HTTP: one process, bounded, ended in order.

1. A port that is taken shows before anything is opened. Port 0 is a free one; the address that browsers use follows it
   where that is this machine's own.
2. A request has to arrive whole in time, with a head of bounded size, on one of a bounded number of connections
   (``belmont.chain.connections``).
3. SIGTERM and SIGINT end it, and that is no failure: event streams are told first, requests on their way are answered,
   what waits to be written is written.
4. The access trail is the service's own; uvicorn logs none.
5. What is loaded at the start stays: the garbage collector looks at it once and never again. A look at all of it takes
   half a second, in which nobody is answered.
6. TLS is a reverse proxy's. Whose ``X-Forwarded-For`` counts is the configuration's to say (``access.limits``), so that
   uvicorn believes nobody's.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from belmont.chain.connections import BoundedProtocol, allow_open_files
from belmont.chain.serving import AnnouncingServer, listening_socket
from belmont.service.config import ServiceConfig
from belmont.service.errors import ConfigRefused
from belmont.service.sign_in.oidc.fetching import LOOPBACK

KEEP_ALIVE_SECONDS: Final = 20
SHUTDOWN_SECONDS: Final = 10
HEAD_MOST_BYTES: Final = 32 * 1024
ANSWERED_AT_ONCE_MOST: Final = 1_500
Announce = Callable[[str], None]
"""Is told the address that browsers use, once requests are answered."""


def serve(config: ServiceConfig, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigRefused, RegistryError, AuditError where it cannot start."""
    from belmont.service.app import create_app

    listening, config = bound(config)
    try:

        def ready() -> None:
            gc.collect()
            gc.freeze()  # 5
            announce(config.public_url)

        server = Serving(create_app(config), ready)
        server.run(sockets=[listening])
    finally:
        listening.close()
    if not server.started:
        raise ConfigRefused("the service did not begin to serve: its log says why")


class Serving(AnnouncingServer):
    """One running server."""

    def __init__(self, app: FastAPI, ready: Callable[[], None]) -> None:
        allow_open_files()
        config = uvicorn.Config(
            app,
            lifespan="on",
            http=BoundedProtocol,  # 2
            ws="none",
            h11_max_incomplete_event_size=HEAD_MOST_BYTES,
            limit_concurrency=ANSWERED_AT_ONCE_MOST,
            log_config=None,
            access_log=False,  # 4
            server_header=False,
            proxy_headers=False,  # 6
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        super().__init__(config, ready)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.service.feed.close()  # 3
        await super().shutdown(sockets)


def bound(config: ServiceConfig) -> tuple[socket.socket, ServiceConfig]:
    """A socket that listens, and the configuration with its port (1). Raises ConfigRefused."""
    try:
        listening = listening_socket(config.host, config.port)
    except (OSError, TypeError) as error:
        raise ConfigRefused(f"cannot listen on {config.host} port {config.port}: {error}") from error
    port = int(listening.getsockname()[1])
    parts = urlsplit(config.public_url)
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        config = replace(config, public_url=f"http://{parts.hostname}:{port}")
    return listening, replace(config, port=port)
