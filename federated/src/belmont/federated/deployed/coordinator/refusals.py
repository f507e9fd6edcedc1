"""Answers of a coordinator that refuses, and bodies that are read only as far as they may go.

1. A body is read up to a number of bytes, and within a time: ``BODY_SECONDS``, and what it takes at
   ``SLOWEST_RATE``.
2. A connection on which something was refused is closed. What its peer still sends is thrown away unread for
   ``DRAIN_SECONDS``, so that the answer arrives and says why.
"""

import asyncio
import json
from contextlib import suppress

from starlette.types import Message, Receive, Send

BODY_SECONDS = 15.0
SLOWEST_RATE = 64 * 1024
"""Bytes a second."""
DRAIN_SECONDS = 2.0


class Refused(Exception):
    """A request that a coordinator does not serve; the text goes to whoever asked."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class PeerGone(Exception):
    """Whoever asked does not wait for the answer any more."""


class Incoming:
    """A request's body as it comes; ``ended`` once nothing more does."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.ended = self.ended or message["type"] != "http.request" or not message.get("more_body", False)
        return message


async def read_body(receive: Receive, limit: int) -> bytes:
    """A request's body. Raises Refused (413, 408) by rule 1, and PeerGone."""
    body = bytearray()
    loop = asyncio.get_running_loop()
    started = loop.time()
    more = True
    while more:
        try:
            async with asyncio.timeout_at(started + BODY_SECONDS + len(body) / SLOWEST_RATE):
                message = await receive()
        except TimeoutError as error:
            raise Refused(408, "the body did not arrive in time") from error
        if message["type"] == "http.disconnect":
            raise PeerGone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise Refused(413, f"the body is larger than {limit} bytes")
    return bytes(body)


async def drain(incoming: Incoming) -> None:
    """Rule 2."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while not incoming.ended:
                await incoming()


async def answer_json(send: Send, status: int, content: dict[str, object], *, close: bool = False) -> None:
    """Send one JSON object; ``close`` ends the connection after it."""
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
