"""What is checked of each request to Flower's interface before Flower sees it.

1. Who asks (`peers`), from the headers alone. A stranger's body is not read.
2. A peer has at most ``MOST_AT_ONCE`` requests under way, and its member ``MOST_BYTES_AT_ONCE`` of bodies.
3. A body is no larger than its kind needs, and comes within a time (`refusals`).
4. A node sends one message at a time, a reply, in its own name, to its run's researcher, in at most ``MAX_OBJECTS``
   parts. Flower itself compares the sender only with whom the message was for that is replied to, and would let a node
   answer in another's name, or give another node something to do.
5. A pull waits for what is pushed to its peer (`waiting`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import PushAppMessagesRequest
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from belmont.federated.deployed.coordinator.connections import Connections
from belmont.federated.deployed.coordinator.peers import Peer, Peers, Recipient
from belmont.federated.deployed.coordinator.refusals import Incoming, PeerGone, Refused, answer_json, drain, read_body
from belmont.federated.deployed.coordinator.waiting import Waiting
from belmont.federated.deployed.objects import MAX_MESSAGE_BYTES, MAX_OBJECTS
from belmont.federated.deployed.paths import (
    FLEET_LEAVE,
    FLEET_PULL,
    FLEET_PUSH,
    RUNTIME_END,
    RUNTIME_PULL,
    RUNTIME_PUSH,
    SEEN_HEADER,
    WAIT_HEADER,
)

P = TypeVar("P", PushMessagesRequest, PushAppMessagesRequest)

MOST_AT_ONCE = 8
SMALL_BYTES = 4 * 1024
LISTS_BYTES = 256 * 1024
"""Of a request that lists messages or their names."""
OBJECT_BYTES = MAX_MESSAGE_BYTES + SMALL_BYTES
MOST_BYTES_AT_ONCE = 2 * OBJECT_BYTES
_LIMITS = {FLEET_PUSH: LISTS_BYTES, RUNTIME_PUSH: LISTS_BYTES, RUNTIME_PULL: LISTS_BYTES, RUNTIME_END: LISTS_BYTES} | {
    f"/v1/{api}/push-object": OBJECT_BYTES for api in ("fleet", "runtime")
}


class Guard:
    """ASGI middleware around Flower's app."""

    def __init__(self, app: ASGIApp, peers: Peers, connections: Connections) -> None:
        self._app = app
        self._peers = peers
        self._connections = connections
        self._waiting = Waiting()
        self._under_way: Counter[Peer] = Counter()
        self._bytes: Counter[str] = Counter()

    def end(self) -> None:
        """Nobody waits from now on."""
        self._waiting.end()

    async def __call__(self, scope: Scope, incoming: Incoming, send: Send) -> None:
        try:
            peer = self._peers.of(scope["path"], scope["headers"])  # 1
            with self._connections.used(scope.get("client"), peer.member), self._counted(peer, scope):
                await self._serve(peer, scope, incoming, send)
        except Refused as error:
            await drain(incoming)
            await answer_json(send, error.status, {"error": str(error)}, close=True)
        except PeerGone:
            return

    async def _serve(self, peer: Peer, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        body = await read_body(receive, _limit(path))  # 3
        recipients = _recipients(path, peer, body)  # 4
        seen: int | None = None
        if path in (FLEET_PULL, RUNTIME_PULL):
            asked = dict(scope["headers"]).get(WAIT_HEADER.encode(), b"")
            seen = await self._waiting.wait(peer.recipient, asked, receive)  # 5
            if seen is None:
                await _nothing(send)
                return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if seen is not None:
                    message["headers"] = [*message["headers"], _seen(seen, message["headers"])]
            await send(message)

        await self._app(scope, _again(body, receive), watched)
        if status < 300:
            self._waiting.pushed(recipients)
            if path == FLEET_LEAVE:
                self._peers.left(peer)
            elif path == RUNTIME_END:
                self._waiting.forget(peer.recipient)

    @contextmanager
    def _counted(self, peer: Peer, scope: Scope) -> Iterator[None]:
        """Rule 2."""
        if self._under_way[peer] >= MOST_AT_ONCE:
            raise Refused(429, f"{MOST_AT_ONCE} requests of yours are under way: wait for one")
        size = _limit(scope["path"])
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                if int(value[:20]) > size:
                    raise Refused(413, f"the body is larger than {size} bytes")
                size = int(value)
        if self._bytes[peer.member] + size > MOST_BYTES_AT_ONCE:
            raise Refused(429, "too much of yours is under way: send it one after the other")
        self._under_way[peer] += 1
        self._bytes[peer.member] += size
        try:
            yield
        finally:
            self._under_way[peer] -= 1
            self._bytes[peer.member] -= size
            self._under_way, self._bytes = +self._under_way, +self._bytes


def _limit(path: str) -> int:
    return _LIMITS.get(path, SMALL_BYTES)


def _recipients(path: str, peer: Peer, body: bytes) -> set[Recipient]:
    """Whom a push is for; nobody for anything else. Raises Refused by rule 4."""
    if path == FLEET_PUSH:
        return _reply_of(peer, _parsed(PushMessagesRequest, body))
    if path == RUNTIME_PUSH:
        asked = _parsed(PushAppMessagesRequest, body)
        _check_parts(asked.message_object_trees)
        return {("node", each.metadata.dst_node_id) for each in asked.messages_list}
    return set()


def _parsed(kind: type[P], body: bytes) -> P:
    request = kind()
    try:
        request.ParseFromString(body)
    except Exception as error:  # whatever protobuf raises for a stranger's bytes
        raise Refused(400, "the request cannot be read") from error
    return request


def _reply_of(peer: Peer, pushed: PushMessagesRequest) -> set[Recipient]:
    if len(pushed.messages_list) != 1 or len(pushed.message_object_trees) != 1:
        raise Refused(400, "a node sends one message at a time")
    metadata = pushed.messages_list[0].metadata
    if metadata.src_node_id != peer.node_id or pushed.node.node_id != peer.node_id:
        raise Refused(403, "a node answers in its own name only")
    if not metadata.reply_to_message_id or metadata.dst_node_id != SUPERLINK_NODE_ID:
        raise Refused(403, "a node only replies")
    _check_parts(pushed.message_object_trees)
    return {("run", metadata.run_id)}


def _check_parts(trees: Iterable[ObjectTree]) -> None:
    for tree in trees:
        for k, _ in enumerate(iterate_object_tree(tree), 1):
            if k > MAX_OBJECTS:
                raise Refused(413, f"a message has more than {MAX_OBJECTS} parts")


def _seen(count: int, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """What a pull tells: after one that gave something there may be more, and the next one does not wait."""
    is_empty = dict(headers).get(b"content-length") == b"0"
    return SEEN_HEADER.encode(), str(count if is_empty else 0).encode()


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, as if it had not been."""
    left = [body]

    async def received() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return received


async def _nothing(send: Send) -> None:
    """The answer of a pull for which there is nothing: a protobuf message without a field is no bytes."""
    headers = [(b"content-type", b"application/x-protobuf"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
