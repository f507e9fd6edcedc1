"""A listener to server-sent events, as a browser reads them (HTML Living Standard, section 9.2.6)."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx


@dataclass
class Told:
    """One event as it was dispatched."""

    kind: str
    data: str
    id: str


@dataclass
class Listener:
    """Reads one stream in a thread until it ends or is left."""

    url: str
    headers: dict[str, str]
    told: list[Told] = field(default_factory=list)
    comments: int = 0
    last_id: str = ""
    status: int = 0
    ended: bool = False
    opened: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Listener:
        """Connect; returns when the answer began."""
        self._client = httpx.Client(timeout=httpx.Timeout(30), trust_env=False)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self.opened.wait(30)
        return self

    def leave(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._client.close()

    def wait(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Return when something holds."""
        give_up = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up, (self.status, self.ended, self.told[-3:])
            time.sleep(0.02)

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self.url, headers=self.headers) as self._response:
                self.status = self._response.status_code
                kind, data = "message", []
                for line in self._response.iter_lines():
                    name, _, value = line.partition(": ")
                    if not line:
                        if data:
                            self.told.append(Told(kind, "\n".join(data), self.last_id))
                        kind, data = "message", []
                        self.opened.set()
                    elif line.startswith(":"):
                        self.comments += 1
                    elif name == "id":
                        self.last_id = value
                    elif name == "event":
                        kind = value
                    elif name == "data":
                        data.append(value)
        except (httpx.HTTPError, httpx.StreamError):
            pass
        self.ended = True
        self.opened.set()
