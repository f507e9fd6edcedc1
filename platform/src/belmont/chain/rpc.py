"""JSON-RPC 2.0 over HTTP and WebSocket (`belmont.chain.sockets`), as a bare ASGI application.

What is refused before a method runs: other methods than POST, other content types than JSON (so that no web page can
post to a node on the reader's own machine), unknown Host names (DNS rebinding), bodies over 5 MiB, text that is not
JSON (`NaN` and `Infinity` are not), batches over 1000, objects that are not requests, and bodies over 64 KiB while all
bodies together take 64 MiB. Each refusal is a JSON-RPC error object; the server goes on. What one request may use of
the server, however many calls it holds, is its `Share`. What comes over a connection and is no whole request:
`belmont.chain.connections`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from belmont.chain.errors import ChainDamaged
from belmont.chain.lanes import Share
from belmont.chain.methods import Methods
from belmont.chain.node import Node
from belmont.chain.parameters import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    PARSE_ERROR,
    SERVER_ERROR,
    RpcError,
)
from belmont.chain.sockets import SUBSCRIPTION_METHODS, HeadSubscriptions, Sockets, subscription_call

BODY_BYTES_MAX: Final = 5 * 1024 * 1024
BATCH_MAX: Final = 1000
SMALL_BODY_BYTES: Final = 64 * 1024
ALL_BODIES_BYTES_MAX: Final = 64 * 1024 * 1024
NESTING_ON_LOOP_MAX: Final = 256

Message = MutableMapping[str, Any]
log = logging.getLogger("belmont.chain")


class RpcApplication:
    """The ASGI application of one node; its lifespan is the node's."""

    def __init__(self, node: Node, hosts: frozenset[str] = frozenset({"localhost"})) -> None:
        self.node = node
        self.methods = Methods(node)
        self.hosts = hosts
        self.sockets = Sockets(node, self.host_allowed, self.answer)
        self._body_bytes = 0

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """ASGI entry."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            status, body = await self._http(scope, receive)
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            if status in (413, 429):
                headers.append((b"connection", b"close"))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "websocket":
            await self.sockets.serve(scope, receive, send)

    async def _lifespan(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.node.start()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.node.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Message, receive: Callable[[], Awaitable[Message]]) -> tuple[int, bytes]:
        headers = {key.lower(): value for key, value in scope["headers"]}
        if not self.host_allowed(headers.get(b"host", b"").decode("latin-1")):
            return 403, _failure(INVALID_REQUEST, "invalid host specified")
        if scope["method"] != "POST":
            return 405, _failure(INVALID_REQUEST, "method not allowed: use POST")
        content_type = headers.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
        if content_type not in ("application/json", "application/json-rpc"):
            return 415, _failure(INVALID_REQUEST, "invalid content type, only application/json is supported")
        body = bytearray()
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return 400, b""
                part = message.get("body", b"")
                body += part
                self._body_bytes += len(part)
                if len(body) > BODY_BYTES_MAX:
                    return 413, _failure(INVALID_REQUEST, f"content length too large: at most {BODY_BYTES_MAX} bytes")
                if len(body) > SMALL_BODY_BYTES and self._body_bytes > ALL_BODIES_BYTES_MAX:
                    return 429, _failure(LIMIT_EXCEEDED, "too many large requests at once: send it again later")
                if not message.get("more_body"):
                    break
            return 200, await self.answer(bytes(body))
        finally:
            self._body_bytes -= len(body)

    def host_allowed(self, host: str) -> bool:
        """Whether a Host header names this machine: by address, or by a name it was started with."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").lower()
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def answer(self, body: bytes, heads: HeadSubscriptions | None = None) -> bytes:
        """The answer to one request or batch, empty where there is none; `heads` are a WebSocket's subscriptions."""
        try:
            if body.count(b"[") + body.count(b"{") > NESTING_ON_LOOP_MAX:
                # deep nesting needs the readers' large stacks: on this thread's it would end the process
                request = await asyncio.get_running_loop().run_in_executor(self.node.readers, _parse, body)
            else:
                request = _parse(body)
        except (ValueError, RecursionError):
            return _failure(PARSE_ERROR, "parse error: the body is not JSON")
        share = Share()
        if not isinstance(request, list):
            return await self._one(request, share, heads)
        if not request:
            return _failure(INVALID_REQUEST, "empty batch")
        if len(request) > BATCH_MAX:
            return _failure(INVALID_REQUEST, f"batch too large: at most {BATCH_MAX} requests")
        answers = await asyncio.gather(*(self._one(entry, share, heads) for entry in request))
        kept = [answer for answer in answers if answer]
        return b"[" + b",".join(kept) + b"]" if kept else b""

    async def _one(self, request: Any, share: Share, heads: HeadSubscriptions | None) -> bytes:
        """The answer to one request, which counts against its share; nothing to a notification."""
        if not isinstance(request, dict):
            return _failure(INVALID_REQUEST, "invalid request: expected an object")
        identifier = request.get("id")
        if not _is_identifier(identifier):
            return _failure(INVALID_REQUEST, "invalid request: id must be a string, a number or null")
        method, parameters = request.get("method"), request.get("params", [])
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
            return _encode(_error(identifier, RpcError(INVALID_REQUEST, "invalid request: not JSON-RPC 2.0")))
        try:
            if not isinstance(parameters, list | None):
                raise RpcError(INVALID_PARAMS, "non-array args")
            if method in SUBSCRIPTION_METHODS:
                result = subscription_call(heads, method, parameters or [])
            else:
                with self.node.engine.store.state_is_whole():
                    result = await self.methods.call(method, parameters or [], share)
        except RpcError as error:
            answer = _error(identifier, error)
        except ChainDamaged as error:
            log.error("%s: %s", method, error)
            answer = _error(identifier, RpcError(SERVER_ERROR, str(error)))
        except Exception as error:
            log.exception("%s failed", method)
            answer = _error(identifier, RpcError(INTERNAL_ERROR, f"internal error: {type(error).__name__}"))
        else:
            answer = {"jsonrpc": "2.0", "id": identifier, "result": result}
        if "id" not in request:
            return b""
        encoded = _encode(answer)
        share.answer_bytes -= len(encoded)
        return encoded


def _parse(body: bytes) -> Any:
    return json.loads(body, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_identifier(value: Any) -> bool:
    """Numbers too large for a float are infinite once parsed: they could not be sent back."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def _error(identifier: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": error.document()}


def _failure(code: int, message: str) -> bytes:
    return _encode(_error(None, RpcError(code, message)))


def _encode(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
