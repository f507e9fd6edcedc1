"""Answers that are sent bit by bit: a reader who does not take them is put out, and one who is gone is noticed.

1. Who does not take what was written within ``SLOW_SECONDS`` is ended: the server ends a connection whose answer is not
   complete. Nothing is queued for a reader but one piece and what the system buffers.
2. Whoever hangs up ends the answer at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Final

from starlette.types import Message, Receive, Send

SLOW_SECONDS: Final = 10.0


async def while_read(receive: Receive, sending: Coroutine[Any, Any, None]) -> None:
    """Run what sends until it ends, or its reader is gone (2). Raises what that raises."""
    tasks = [asyncio.create_task(sending), asyncio.create_task(_until_gone(receive))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for each in outcomes:
        if isinstance(each, Exception):
            raise each


async def send_all(
    send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], pieces: AsyncIterator[bytes]
) -> None:
    """Send an answer; a slow reader is ended (1). What fails before the first piece is raised before all of it."""
    first = await anext(pieces, b"")
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    try:
        await _write(send, {"type": "http.response.body", "body": first, "more_body": True})
        async for piece in pieces:
            await _write(send, {"type": "http.response.body", "body": piece, "more_body": True})
        await _write(send, {"type": "http.response.body", "body": b"", "more_body": False})
    except _TooSlow:
        return


class _TooSlow(Exception):
    """The reader did not take a piece in time."""


async def _write(send: Send, message: Message) -> None:
    try:
        async with asyncio.timeout(SLOW_SECONDS):  # 1
            await send(message)
    except TimeoutError:
        raise _TooSlow from None


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
