"""Waiting for a chain's new blocks: told by its server over WebSocket (`eth_subscribe`), and else looking again.

1. A server that offers WebSocket does so on the port of its HTTP, as the embedded chain does; some do elsewhere or
   nowhere. Then `wait` returns every second, and WebSocket is tried again after pauses that grow to five minutes.
2. `wait` returns too often rather than too late: at once after connecting, after a lost connection, and after fifteen
   seconds of silence, in which a chain with heartbeats would have said something.
3. What the server says of a block is not believed here, only that there is one: whoever waited asks for it.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from belmont.identity.strict_json import loads

LOOK_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 300.0
MESSAGE_BYTES_MAX: Final = 64 * 1024


class HeadWatch:
    """Waits for blocks of the chain at one URL. One thread waits; any thread may `close` it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = parts._replace(scheme="wss" if parts.scheme == "https" else "ws").geturl()
        self._connection: ClientConnection | None = None
        self._closed = threading.Event()
        self._pause = FIRST_PAUSE_SECONDS
        self._try_at = 0.0

    @property
    def is_told(self) -> bool:
        """Whether the server tells of new blocks; otherwise `wait` only lets a second pass."""
        return self._connection is not None

    def wait(self) -> None:
        """Until there may be a new block, or `close`."""
        if self._closed.is_set():
            return
        if self._connection is None and time.monotonic() >= self._try_at:
            self._connection = self._connected()
            if self._connection is not None:
                self._pause = FIRST_PAUSE_SECONDS
                return
            self._try_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)
        if self._connection is None:
            self._closed.wait(LOOK_SECONDS)
        else:
            self._listen(self._connection)

    def close(self) -> None:
        """End the connection; whoever waits goes on."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            _close(connection)

    def _listen(self, connection: ClientConnection) -> None:
        try:
            connection.recv(timeout=SILENCE_SECONDS)
            while True:  # what came meanwhile is seen by the same look
                connection.recv(timeout=0)
        except TimeoutError:
            return
        except (OSError, WebSocketException):
            _close(connection)
            self._connection = None
            self._try_at = time.monotonic() + self._pause

    def _connected(self) -> ClientConnection | None:
        """A connection on which new heads are told; None where there is none to be had."""
        try:
            connection = connect(
                self._url,
                open_timeout=CONNECT_SECONDS,
                close_timeout=1,
                max_size=MESSAGE_BYTES_MAX,
                compression=None,
                proxy=None,
            )
        except (OSError, WebSocketException, EOFError, ValueError):
            return None
        try:
            connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
            answer = loads(connection.recv(timeout=CONNECT_SECONDS))
            subscribed = isinstance(answer, dict) and answer.get("id") == 1 and isinstance(answer.get("result"), str)
        except (OSError, WebSocketException, ValueError):
            subscribed = False
        if subscribed and not self._closed.is_set():
            return connection
        _close(connection)
        return None


def _close(connection: ClientConnection) -> None:
    with contextlib.suppress(OSError, WebSocketException):
        connection.close()
