"""What every server of ours that uvicorn runs has in common: it listens first, says when it answers, ends in order.

1. A port that is taken shows before anything is opened or made.
2. SIGTERM and SIGINT end it, and that is no failure: uvicorn's own handling raises the signal once more when it is
   done, and so ends the process before whatever is to be closed after it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

BACKLOG: Final = 2_048


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens (1), on a free port for 0. Raises OSError, and TypeError for no host name."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


class AnnouncingServer(uvicorn.Server):
    """Calls ``ready`` once it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Rule 2."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
