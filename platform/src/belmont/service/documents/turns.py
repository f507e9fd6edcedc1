"""Whose turn it is to hand in a document: 16 MiB of a stranger's JSON are a second of work and five times the memory.

1. An account hands in so many at a time, and so often (``access.limits``, ``hand_in``): whoever asks for more is told
   to wait before a byte is read.
2. Large documents are looked at one after the other, whoever hands them in. Those that wait hold no thread, so that
   whatever else is asked is answered meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from belmont.registry.types import Address
from belmont.service.documents.kinds import MIB
from belmont.service.errors import TooMany

AT_ONCE_MOST: Final = 4
LARGE_BYTES: Final = MIB
WAIT_SECONDS: Final = 5


class Turns:
    """Of one service; used by its event loop alone."""

    def __init__(self) -> None:
        self._handing_in: Counter[Address] = Counter()
        self._large = asyncio.Semaphore(1)

    @asynccontextmanager
    async def of(self, account: Address) -> AsyncIterator[None]:
        """While an account hands in a document. Raises TooMany (1)."""
        if self._handing_in[account] >= AT_ONCE_MOST:
            raise TooMany(f"You hand in {AT_ONCE_MOST} documents at this moment, and that is the most.", WAIT_SECONDS)
        self._handing_in[account] += 1
        try:
            yield
        finally:
            self._handing_in[account] -= 1
            if not self._handing_in[account]:
                del self._handing_in[account]

    @asynccontextmanager
    async def looking_at(self, size: int) -> AsyncIterator[None]:
        """While a document of so many bytes is looked at (2)."""
        if size <= LARGE_BYTES:
            yield
            return
        async with self._large:
            yield
