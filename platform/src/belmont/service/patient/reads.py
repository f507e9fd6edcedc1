"""Reads of a patient's records, so many at a time: each goes through the hospital's files.

1. There are ``AT_ONCE_MOST`` places over all accounts, and an account has ``OF_AN_ACCOUNT`` of them: no patient keeps
   the others out. Who finds all taken waits for a short time, in turn; who has a share already is refused at once.
2. Pages, answers and the archive all take a place before a file is read, and keep it until their last piece is taken.
   What drafts a consent or takes one needs none: nobody is kept from revoking by those who read.
3. Files are read in threads of the reads' own, fewer than there are places: those that wait hold none, and none that
   other requests need. A reader who is slow holds no thread either, but a place, and is put out in seconds
   (``belmont.service.sending``, 1). Whatever is taken too slowly as a whole is broken off after ``SECONDS_MOST``.
4. What fails before the first byte is an answer that says so; the headers go out with the first piece, not before it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import anyio.to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from belmont.registry.types import Address
from belmont.service.patient.errors import Reading
from belmont.service.sending import send_all, while_read

AT_ONCE_MOST: Final = 8
OF_AN_ACCOUNT: Final = 2
THREADS: Final = 2
SECONDS_MOST: Final = 600.0
"""How long sending one takes at most; it is broken off then."""
WAIT_SECONDS: Final = 5
PIECE_BYTES: Final = 64 * 1024
T = TypeVar("T")
Pieces = Generator[bytes, None, None]


@dataclass(frozen=True)
class Made:
    """An answer whose pieces are made as they are sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    pieces: Pieces


def whole(response: Response) -> Made:
    """An answer that was made as a whole."""
    body = bytes(response.body)

    def pieces() -> Pieces:
        for start in range(0, len(body), PIECE_BYTES):
            yield body[start : start + PIECE_BYTES]

    return Made(response.status_code, response.raw_headers, pieces())


def file(pieces: Pieces, name: str, media_type: str) -> Made:
    """A file to keep."""
    disposition = f'attachment; filename="{name}"'
    headers = {"content-type": media_type, "content-disposition": disposition}
    return Made(200, [(key.encode(), value.encode()) for key, value in headers.items()], pieces)


class Reads:
    """Of one service; used by its event loop alone."""

    def __init__(self) -> None:
        self._of: Counter[Address] = Counter()
        self._places = anyio.Semaphore(AT_ONCE_MOST)
        self._threads = anyio.CapacityLimiter(THREADS)

    @property
    def open(self) -> int:
        """How many accounts' reads hold a place or wait for one."""
        return self._of.total()

    @asynccontextmanager
    async def of(self, account: Address) -> AsyncIterator[None]:
        """While something is read for an account. Raises Reading (1)."""
        if self._of[account] >= OF_AN_ACCOUNT:
            raise Reading(f"Your records are read for you {OF_AN_ACCOUNT} times at this moment already.", WAIT_SECONDS)
        self._of[account] += 1
        try:
            await self._take_place()
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._of[account] -= 1
            if not self._of[account]:
                del self._of[account]

    async def work(self, do: Callable[[], T]) -> T:
        """What a function returns that reads files (3). Whoever hangs up waits for its end: a thread cannot be stopped,
        and its place is taken until it is done."""
        task = asyncio.create_task(anyio.to_thread.run_sync(do, limiter=self._threads))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            task.exception()  # it was looked at
            raise

    async def _take_place(self) -> None:
        try:
            with anyio.fail_after(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Reading(
                f"{AT_ONCE_MOST} people's records are read at this moment, and that is the most.", WAIT_SECONDS
            ) from None


class Read(Response):
    """An answer made of a patient's records, in their account's turn. ``make`` begins it, in a thread."""

    def __init__(self, reads: Reads, account: Address, make: Callable[[], Made]) -> None:
        super().__init__()
        self._reads, self._account, self._make = reads, account, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._reads.of(self._account):
            made, first = await self._reads.work(self._begun)  # 4
            sending = send_all(send, made.status, made.headers, self._rest(first, made.pieces))
            try:
                async with asyncio.timeout(SECONDS_MOST) as most:
                    await while_read(receive, sending)
            except TimeoutError:
                if not most.expired():
                    raise
            finally:
                made.pieces.close()  # no thread is in it: ``work`` waits

    def _begun(self) -> tuple[Made, bytes]:
        made = self._make()
        return made, next(made.pieces, b"")

    async def _rest(self, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        yield first
        while (piece := await self._reads.work(lambda: next(pieces, None))) is not None:
            yield piece
