"""Flower's own handlers of the open paths, without the way through its application.

Flower's application leads each request through nine nested middlewares, FastAPI's dependencies and two changes of
thread: 3 ms of the processor, where the handler itself takes a tenth of that, eighty times a round. Here one function
in one thread does what that way does for the paths that are open (`paths`), by Flower's own functions:

1. the content type, then the protobuf message of the path's type;
2. a node's signed time, its key, and that the node it speaks for is its own; or the token of a run's task, and Flower's
   version; before anything of the request is acted on;
3. the handler, and its errors in the form that Flower's clients know.

What else that way holds is for Flower's Control API, which is not open, or for logs and traces, which are off.

A push may bring objects, and a pull's answer takes them along where that is asked for (`carried`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from anyio.to_thread import run_sync
from fastapi import FastAPI
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto.message_pb2 import ObjectTree, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.constant import TASK_TOKEN_HEADER
from flwr.supercore.dependencies.task import authenticate_task
from flwr.supercore.dependencies.version import VersionDependency
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.error.http import http_error_translator
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES
from flwr.supercore.servicer.runtime import runtime_handlers as core_handlers
from flwr.superlink.routers.fleet.node_auth import authenticate_node
from flwr.superlink.servicer.fleet import fleet_handlers
from flwr.superlink.servicer.runtime import runtime_handlers
from google.protobuf.message import DecodeError, Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from belmont.federated.deployed.carried import CARRY_HEADER, MOST_CARRIED_BYTES, carried, carry, fits, names_of
from belmont.federated.deployed.objects import MAX_OBJECTS
from belmont.federated.deployed.paths import FLEET, FLEET_PULL, FLEET_PUSH, RUNTIME_PULL, RUNTIME_PUSH

Handler = Callable[..., Message]

_FLEET: Mapping[str, Handler] = {
    "activate-node": fleet_handlers.activate_node,
    "deactivate-node": fleet_handlers.deactivate_node,
    "send-node-heartbeat": fleet_handlers.send_node_heartbeat,
    "pull-messages": lambda asked, state: fleet_handlers.pull_messages(asked, state, state.object_store),
    "push-messages": fleet_handlers.push_messages,
    "get-run": fleet_handlers.get_run,
    "get-fab": fleet_handlers.get_fab,
    "push-object": fleet_handlers.push_object,
    "pull-object": fleet_handlers.pull_object,
    "confirm-message-received": lambda asked, state: fleet_handlers.confirm_message_received(
        asked, state, state.object_store
    ),
}
_RUNTIME: Mapping[str, Handler] = {
    "send-task-heartbeat": core_handlers.send_task_heartbeat,
    "pull-task-input": runtime_handlers.pull_task_input,
    "push-task-output": runtime_handlers.push_task_output,
    "push-messages": runtime_handlers.push_messages,
    "pull-messages": runtime_handlers.pull_messages,
    "push-object": runtime_handlers.push_object,
    "pull-object": runtime_handlers.pull_object,
    "confirm-message-received": runtime_handlers.confirm_message_received,
}
HANDLERS: Mapping[str, Handler] = {f"/v1/fleet/{name}": each for name, each in _FLEET.items()} | {
    f"/v1/runtime/{name}": each for name, each in _RUNTIME.items()
}


class Handlers:
    """ASGI application for the paths of ``FLEET`` and ``RUNTIME``, over the state of Flower's application."""

    def __init__(self, flower: FastAPI) -> None:
        self._flower = flower
        self._version = VersionDependency(
            component_name="SuperLink", connection_name="Caller <-> SuperLink Runtime API"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request({**scope, "app": self._flower}, receive)
        response = await http_error_translator(request, self._answer)  # 3
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != PROTOBUF_MEDIA_TYPE:
            raise FlowerError(ApiErrorCode.UNSUPPORTED_CONTENT_TYPE, f"Unsupported Content-Type: {content_type!r}")
        body = await request.body()
        content = await run_sync(self._served, request, body)
        return Response(content, media_type=PROTOBUF_MEDIA_TYPE)

    def _served(self, request: Request, body: bytes) -> bytes:
        path = request.scope["path"]
        message = PROTOBUF_REQUEST_TYPES["POST", path]()
        with _readable():
            message.ParseFromString(body)
        request.state.protobuf_request = message
        state = self._flower.state.linkstate_factory.state()
        if path in FLEET:
            authenticate_node(request)  # 2
            args: tuple[Any, ...] = (state,)
            node = getattr(message, "node", None)
        else:
            self._version(request)
            task = authenticate_task(request, request.headers.get(TASK_TOKEN_HEADER), state)  # 2
            args, node = (state, task), Node(node_id=SUPERLINK_NODE_ID)
        with _readable():
            brought = carried(message) if path in (FLEET_PUSH, RUNTIME_PUSH) else {}
        answer = HANDLERS[path](message, *args)
        if brought:
            _store(path, message, answer, brought, node, args)
        if path in (FLEET_PULL, RUNTIME_PULL) and CARRY_HEADER in request.headers:
            _take_along(answer, state)
        return bytes(answer.SerializeToString())


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (DecodeError, ValueError) as error:
        raise FlowerError(ApiErrorCode.INVALID_PROTOBUF_PAYLOAD, f"Invalid protobuf payload: {error!r}") from error


def _store(
    path: str, pushed: Any, answer: Any, brought: Mapping[str, bytes], node: Node | None, args: tuple[Any, ...]
) -> None:
    """Keep what came with a push as if each had been pushed; the answer asks for the rest only."""
    push = HANDLERS[path.replace("push-messages", "push-object")]
    run_id, session = pushed.messages_list[0].metadata.run_id, answer.session_id
    missing = []
    for name in answer.objects_to_push:
        held = PushObjectRequest(
            node=node, object_id=name, object_content=brought.get(name, b""), run_id=run_id, session_id=session
        )
        if name not in brought or not getattr(push(held, *args), "stored", False):
            missing.append(name)
    del answer.objects_to_push[:]
    answer.objects_to_push.extend(missing)


def _take_along(answer: Any, state: Any) -> None:
    """Add the objects of the messages that are answered, where all of a message's are there and small; the coordinator
    keeps none of them.
    """
    left = MOST_CARRIED_BYTES
    known: dict[str, bytes] = {}
    whole: list[str] = []
    for envelope, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
        found = _contents(state, envelope.metadata.run_id, tree, known)
        if found is None or not fits(found, left):
            continue
        left -= sum(map(len, found.values()))
        known |= found
        whole.append(tree.object_id)
    carry(answer, known)
    for name in whole:
        state.object_store.delete(name)


def _contents(state: Any, run_id: int, tree: ObjectTree, known: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """What of a message is not carried yet; None where it has too many objects, or one that is not there."""
    names = names_of(tree)
    if len(names) > MAX_OBJECTS:
        return None
    found: dict[str, bytes] = {}
    for name in names - set(known):
        content = state.get_object(run_id, name)
        if not content:
            return None
        found[name] = content
    return found
