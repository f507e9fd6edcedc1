"""JSON-RPC over WebSocket: every method, and `eth_subscribe` to new heads, as geth answers it.

1. No web page: a handshake with an Origin header is refused, since browsers open WebSockets to any machine. Host names
   are held to the rule for HTTP (`belmont.chain.rpc`).
2. At most 100 WebSockets, of 16 subscriptions each; a message has at most 256 KiB. Messages of one WebSocket are
   answered one after the other, and the next is not read before.
3. A WebSocket without a subscription is closed when it asks nothing for a minute.
4. Each block after the subscription is told once and in order, after the answer that named the subscription. A reader
   that does not keep up is cut off (`belmont.chain.connections`), and never slows the chain.
5. When a block cannot be told, since the database is damaged, the WebSocket is closed: silence would look like no
   block.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from belmont.chain import parameters as read
from belmont.chain.documents import header_document
from belmont.chain.node import Node
from belmont.chain.parameters import RpcError

SOCKETS_MAX: Final = 100
SUBSCRIPTIONS_MAX: Final = 16
MESSAGE_BYTES_MAX: Final = 256 * 1024
IDLE_SECONDS: Final = 60.0
SUBSCRIPTION_METHODS: Final = frozenset({"eth_subscribe", "eth_unsubscribe"})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
log = logging.getLogger("belmont.chain")


class HeadSubscriptions:
    """Those of one WebSocket, each with the number of the block that was told last."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told: dict[str, int] = {}
        self._new: list[str] = []
        """Named in an answer that was not sent yet."""
        self._began = asyncio.Event()

    def __len__(self) -> int:
        return len(self._told) + len(self._new)

    def add(self, kind: Any) -> str:
        """The identifier of a new one. Raises `RpcError`."""
        if kind != "newHeads":
            named = kind if isinstance(kind, str) and kind.isidentifier() and len(kind) <= 64 else "such"
            raise RpcError(read.METHOD_NOT_FOUND, f'no "{named}" subscription in eth namespace: there is newHeads')
        if len(self) >= SUBSCRIPTIONS_MAX:
            raise RpcError(read.LIMIT_EXCEEDED, f"too many subscriptions: at most {SUBSCRIPTIONS_MAX} a connection")
        key = "0x" + secrets.token_hex(16)
        self._new.append(key)
        return key

    def remove(self, key: Any) -> bool:
        """End one. Raises `RpcError` when there is no such."""
        if isinstance(key, str):
            if self._told.pop(key, None) is not None:
                return True
            if key in self._new:
                self._new.remove(key)
                return True
        raise RpcError(read.SERVER_ERROR, "subscription not found")

    def begin(self) -> None:
        """What was subscribed is in an answer that was sent: blocks from now on are told."""
        while self._new:
            self._told[self._new.pop()] = self._node.engine.head.number
            self._began.set()

    async def tell(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Rule 4; does not end."""
        while True:
            await self._began.wait()
            if not self._told:
                self._began.clear()
                continue
            head = await self._node.head_after(min(self._told.values()))
            for number in range(min(self._told.values(), default=head) + 1, head + 1):
                header = header_document(self._node.engine.header(number))
                for key in [each for each, told in self._told.items() if told < number]:
                    self._told[key] = number
                    notice = {"subscription": key, "result": header}
                    document = {"jsonrpc": "2.0", "method": "eth_subscription", "params": notice}
                    await send(json.dumps(document, separators=(",", ":")).encode())


def subscription_call(heads: HeadSubscriptions | None, method: str, parameters: list[Any]) -> Any:
    """The result of `eth_subscribe` or `eth_unsubscribe`. Raises `RpcError`; over HTTP there is nothing to tell on."""
    if heads is None:
        raise RpcError(read.METHOD_NOT_FOUND, "notifications not supported: connect by WebSocket, on the same port")
    if method == "eth_subscribe":
        return heads.add(read.needed(parameters, 0, "subscription name"))
    return heads.remove(read.needed(parameters, 0, "subscription id"))


class Sockets:
    """All WebSockets of one node."""

    def __init__(
        self,
        node: Node,
        host_allowed: Callable[[str], bool],
        answer: Callable[[bytes, HeadSubscriptions], Awaitable[bytes]],
    ) -> None:
        self._node = node
        self._host_allowed = host_allowed
        self._answer = answer
        self._open = 0

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """One WebSocket, from its handshake to its end."""
        await receive()
        headers = {key.lower(): value for key, value in scope["headers"]}
        status = 0
        if b"origin" in headers or not self._host_allowed(headers.get(b"host", b"").decode("latin-1")):
            status = 403
        elif self._open >= SOCKETS_MAX:
            status = 503
        if status:
            await send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        self._open += 1
        try:
            await send({"type": "websocket.accept"})
            await self._talk(receive, send)
        except (OSError, RuntimeError):
            log.debug("a WebSocket was closed while something was sent to it")
        finally:
            self._open -= 1

    async def _talk(self, receive: Receive, send: Send) -> None:
        heads = HeadSubscriptions(self._node)

        async def send_text(body: bytes) -> None:
            await send({"type": "websocket.send", "text": body.decode()})

        telling = asyncio.create_task(heads.tell(send_text))
        waiting: asyncio.Task[Message] = asyncio.ensure_future(receive())
        try:
            while True:
                idle_seconds = None if len(heads) else IDLE_SECONDS
                await asyncio.wait({telling, waiting}, timeout=idle_seconds, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done() or telling.done():
                    code, reason = (1011, "this block cannot be told") if telling.done() else (1000, "idle")
                    await send({"type": "websocket.close", "code": code, "reason": reason})
                    return
                message = waiting.result()
                if message["type"] != "websocket.receive":
                    return
                answer = await self._answer(message.get("bytes") or (message.get("text") or "").encode(), heads)
                if answer:
                    await send_text(answer)
                heads.begin()
                waiting = asyncio.ensure_future(receive())
        finally:
            if telling.done() and (error := telling.exception()) and not isinstance(error, OSError | RuntimeError):
                log.error("a new block could not be told: %s", error)
            for task in (telling, waiting):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
