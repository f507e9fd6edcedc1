"""The short way to Flower's handlers answers as Flower's own application does, refusals first."""

import asyncio
import datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import (
    NOOP_ACCOUNT_NAME,
    NOOP_FLWR_AID,
    PUBLIC_KEY_HEADER,
    TIMESTAMP_HEADER,
    TRANSPORT_TYPE_GRPC_RERE,
)
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest
from flwr.proto.message_pb2 import PullObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullAppMessagesRequest, PullTaskInputRequest
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import TASK_TOKEN_HEADER, TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.superlink.servicer.control.control_handlers import start_run
from flwr.superlink.servicer.runtime.runtime_handlers import acquire_task
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from belmont.federated.deployed.coordinator.app import Coordinator
from belmont.federated.deployed.coordinator.handlers import HANDLERS, Handlers
from belmont.federated.deployed.node_keys import public_node_key
from belmont.federated.deployed.paths import FLEET, FLEET_PULL, RUNTIME, RUNTIME_PULL
from belmont.federated.hashes import code_hash
from belmont.federated.models.bundles import shipped_bundle

PROTOBUF = {"content-type": PROTOBUF_MEDIA_TYPE}
VERSION = {
    "flwr-package-name": "flwr",
    "flwr-package-version": "1.41.0",
    "flwr-component-name": "flwr-serverapp",
}


@pytest.fixture(scope="module")
def flower() -> Any:
    """Flower's SuperLink, as a coordinator has it."""
    registry: Any = None
    return Coordinator(registry, "here:1")._flower


def started(flower: Any) -> str:
    """The token of a new run's task."""
    state, bundle = flower.state.linkstate_factory.state(), shipped_bundle("glm")
    asked = StartRunRequest(fab=fab_to_proto(Fab(code_hash(bundle).hex(), bundle, {})))
    start_run(asked, AccountInfo(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME), state, TRANSPORT_TYPE_GRPC_RERE)
    token: str = acquire_task(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]), state).token
    return token


def signed(key: ec.EllipticCurvePrivateKey, path: str, body: bytes) -> dict[str, str]:
    """The headers that Flower's own node sends."""
    request = httpx.Request("POST", f"https://here{path}", content=body)

    class Context:
        pass

    context: Any = Context()
    context.request = request
    NodeAuthHttpInterceptor(key, key.public_key()).intercept(context, lambda _: httpx.Response(200))
    return {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}


def both(flower: Any, path: str, body: bytes, headers: dict[str, str]) -> tuple[httpx.Response, httpx.Response]:
    """Flower's answer, and ours."""

    async def asked(app: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://here") as inside:
            return await inside.post(path, content=body, headers=headers)

    return asyncio.run(asked(flower)), asyncio.run(asked(Handlers(flower)))


def agree(flower: Any, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    theirs, ours = both(flower, path, body, headers)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    return ours


def test_what_is_open_has_a_handler_and_nothing_else_has() -> None:
    assert set(HANDLERS) == FLEET | RUNTIME


@pytest.mark.parametrize("path", sorted(FLEET | RUNTIME))
@pytest.mark.parametrize(
    "body, headers",
    [
        (b"", {}),
        (b"", {"content-type": "application/json"}),
        (b"", PROTOBUF),
        (b"\xff\xff\xff", PROTOBUF),
        (b"", PROTOBUF | VERSION),
        (b"", PROTOBUF | VERSION | {TASK_TOKEN_HEADER: "0" * 64}),
        (b"", PROTOBUF | VERSION | {"flwr-package-version": "0.1.0", TASK_TOKEN_HEADER: "0" * 64}),
        (b"", PROTOBUF | {PUBLIC_KEY_HEADER: "AAAA", TIMESTAMP_HEADER: "yesterday"}),
    ],
)
def test_a_stranger_is_refused_as_flower_refuses(flower: Any, path: str, body: bytes, headers: dict[str, str]) -> None:
    assert agree(flower, path, body, headers).status_code >= 400


@pytest.mark.parametrize("path", sorted(FLEET))
def test_a_key_that_no_node_has_is_refused_as_flower_refuses(flower: Any, path: str) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    body = PullMessagesRequest(node=Node(node_id=5)).SerializeToString()
    assert agree(flower, path, body, PROTOBUF | signed(key, path, body)).status_code >= 400


def test_a_node_is_answered_for_itself_and_for_nobody_else(flower: Any) -> None:
    state = flower.state.linkstate_factory.state()
    key, other = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    own, its = (state.create_node("flwr", "name", public_node_key(each), 30) for each in (key, other))
    activate = ActivateNodeRequest(public_key=public_node_key(key), heartbeat_interval=30).SerializeToString()
    path = "/v1/fleet/activate-node"
    once, again = both(flower, path, activate, PROTOBUF | signed(key, path, activate))
    assert once.status_code == 200 and again.status_code == 412, "a node is activated once, whoever serves it"
    assert agree(flower, path, activate, PROTOBUF | signed(other, path, activate)).status_code == 401
    for node_id, status in ((own, 200), (its, 401), (7, 401)):
        body = PullMessagesRequest(node=Node(node_id=node_id)).SerializeToString()
        assert agree(flower, FLEET_PULL, body, PROTOBUF | signed(key, FLEET_PULL, body)).status_code == status


def test_a_time_that_was_signed_long_ago_is_refused(flower: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from flwr.supernode import node_auth_http_interceptor as flowers

    key = ec.generate_private_key(ec.SECP384R1())
    state = flower.state.linkstate_factory.state()
    body = PullMessagesRequest(
        node=Node(node_id=state.create_node("flwr", "name", public_node_key(key), 30))
    ).SerializeToString()
    fresh = signed(key, FLEET_PULL, body)
    monkeypatch.setattr(flowers, "now", lambda: datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1))
    old = signed(key, FLEET_PULL, body)
    assert agree(flower, FLEET_PULL, body, PROTOBUF | old).status_code == 401
    assert agree(flower, FLEET_PULL, body, PROTOBUF | fresh).status_code == 200


def test_a_runs_token_drives_that_run_and_two_of_them_nothing(flower: Any) -> None:
    headers = PROTOBUF | VERSION | {TASK_TOKEN_HEADER: started(flower)}
    path = "/v1/runtime/pull-object"
    for node_id in (1, 2):
        body = PullObjectRequest(node=Node(node_id=node_id), object_id="0" * 64).SerializeToString()
        agree(flower, path, body, headers)
    assert agree(flower, RUNTIME_PULL, PullAppMessagesRequest().SerializeToString(), headers).status_code == 200
    older = headers | {"flwr-package-version": "0.1.0"}
    assert agree(flower, RUNTIME_PULL, b"", older).status_code >= 400

    async def twice(app: Any) -> int:
        pairs = [*headers.items(), (TASK_TOKEN_HEADER, headers[TASK_TOKEN_HEADER])]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://here") as inside:
            return (await inside.post(RUNTIME_PULL, content=b"", headers=pairs)).status_code

    assert asyncio.run(twice(Handlers(flower))) == asyncio.run(twice(flower)) >= 400


def test_a_task_begins_once_on_either_way(flower: Any) -> None:
    headers = PROTOBUF | VERSION | {TASK_TOKEN_HEADER: started(flower)}
    body = PullTaskInputRequest().SerializeToString()
    theirs, ours = both(flower, "/v1/runtime/pull-task-input", body, headers)
    assert theirs.status_code == 200 and ours.status_code >= 400


def test_a_failure_inside_says_nothing_of_itself(flower: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = PROTOBUF | VERSION | {TASK_TOKEN_HEADER: started(flower)}
    state = flower.state.linkstate_factory.state()
    monkeypatch.setattr(state, "get_message_res", lambda **_: 1 / 0, raising=False)
    answer = agree(flower, RUNTIME_PULL, b"", headers)
    assert answer.status_code == 500 and b"ZeroDivision" not in answer.content
