"""Patients' downloads, so many at a time: each reads all files of a hospital, and keeps who is who in them.

1. An account downloads one at a time, and there are so many over all accounts: whoever asks for more is told to wait
   before a file is read.
2. Files are read in threads of the downloads' own, fewer than there are downloads: those that wait hold none, and none
   that other requests need. A reader who is slow holds no thread either, but a place (1), which ends in time.
3. What fails before the first byte is an answer that says so; the headers go out with the first piece, not before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

import anyio
import anyio.to_thread
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from belmont.registry.types import Address
from belmont.service.patient.errors import Downloading

AT_ONCE_MOST: Final = 8
THREADS: Final = 2
SECONDS_MOST: Final = 600.0
"""How long sending one takes at most; it is broken off then."""
WAIT_SECONDS: Final = 5
T = TypeVar("T")
Pieces = Generator[bytes, None, None]


class Downloads:
    """Of one service; used by its event loop alone."""

    def __init__(self) -> None:
        self._open: set[Address] = set()
        self._threads = anyio.CapacityLimiter(THREADS)

    @contextmanager
    def of(self, account: Address) -> Iterator[None]:
        """While an account downloads. Raises Downloading (1)."""
        if account in self._open:
            raise Downloading("You download your records at this moment already.", WAIT_SECONDS)
        if len(self._open) >= AT_ONCE_MOST:
            raise Downloading(f"{AT_ONCE_MOST} people download at this moment, and that is the most.", WAIT_SECONDS)
        self._open.add(account)
        try:
            yield
        finally:
            self._open.discard(account)

    async def work(self, do: Callable[[], T]) -> T:
        """What a function returns that reads files (2)."""
        return await anyio.to_thread.run_sync(do, limiter=self._threads)


class Download(StreamingResponse):
    """A ZIP file to keep, made as it is sent, in its account's turn. ``make`` begins it, in a thread."""

    def __init__(self, downloads: Downloads, account: Address, make: Callable[[], Pieces]) -> None:
        headers = {"Content-Disposition": 'attachment; filename="my-records.zip"'}
        super().__init__(iter(()), media_type="application/zip", headers=headers)
        self._downloads, self._account, self._make = downloads, account, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._downloads.of(self._account):
            pieces, first = await self._downloads.work(self._begun)  # 3
            self.body_iterator = self._sent(pieces, first)
            try:
                with anyio.fail_after(SECONDS_MOST):
                    await super().__call__(scope, receive, send)
            finally:
                with suppress(ValueError):  # a thread that is still in it lets go of it
                    pieces.close()

    def _begun(self) -> tuple[Pieces, bytes]:
        pieces = self._make()
        return pieces, next(pieces, b"")

    async def _sent(self, pieces: Pieces, first: bytes) -> AsyncIterator[bytes]:
        yield first
        while (piece := await self._downloads.work(lambda: next(pieces, None))) is not None:
            yield piece
