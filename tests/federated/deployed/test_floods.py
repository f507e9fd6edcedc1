"""What strangers send costs a coordinator little, and stops no member; what a member sends has its bounds."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import PullObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.deployed.backoff import EarlyAnswers, pauses
from belmont.federated.deployed.coordinator import connections, guard, refusals, server
from belmont.federated.deployed.coordinator.connections import Connections
from belmont.federated.deployed.coordinator.waiting import Waiting
from belmont.federated.deployed.fleet import Fleet, join
from belmont.federated.deployed.http import connect, explained, tls_context
from belmont.federated.deployed.paths import FLEET_PULL, RUNS, STATUS
from belmont.federated.deployed.signed_requests import MOST_NONCES, SignedRequests, signed_headers
from belmont.federated.errors import CoordinatorError, RequestUnsigned
from belmont.federated.models.glm import newton
from belmont.federated.models.training import Training

FLOOD = Path(__file__).with_name("flood.py")


def tls(address: str, authority: bytes) -> ssl.SSLSocket:
    host, port = address.split(":")
    raw = socket.create_connection((host, int(port)), timeout=20)
    return tls_context(authority).wrap_socket(raw, server_hostname=host)


def head(path: str, headers: dict[str, str], length: int) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: here", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has not ended it."""
    connection.settimeout(0.05)
    try:
        return bool(connection.recv(1000))
    except TimeoutError:
        return True
    except OSError:
        return False


@contextmanager
def idle_connections(deployment: Any, count: int) -> Iterator[list[ssl.SSLSocket]]:
    """Connections that say nothing, as a stranger holds them."""
    with ExitStack() as stack:
        yield [stack.enter_context(tls(deployment.address, deployment.authority)) for _ in range(count)]


def asks(deployment: Any) -> Any:
    """A member's own request."""
    return deployment.client().nodes()


# --- connections ---


def test_a_limit_on_connections_that_knows_nobody_lets_a_stranger_shut_everybody_out(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uvicorn's own, for comparison: what is not used here, and why."""
    plain = server._config
    monkeypatch.setattr(server, "_config", lambda *given: limited(plain(*given)))
    monkeypatch.setattr(connections, "MOST_STRANGERS", 10_000)

    def limited(config: Any) -> Any:
        config.limit_concurrency = 20
        return config

    coordinator.restart_coordinator()
    with idle_connections(coordinator, 25), pytest.raises(CoordinatorError, match="503"):
        asks(coordinator)


def test_a_stranger_with_many_connections_loses_its_own_and_a_member_is_served(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_STRANGERS", 20)
    with idle_connections(coordinator, 60) as held:
        assert asks(coordinator) == {}
        assert sum(map(is_open, held)) <= 20


@pytest.mark.parametrize("seconds", [1_000.0, 1.0])
def test_a_request_whose_head_never_ends_is_ended(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(connections, "STRANGER_SECONDS", seconds)
    with tls(coordinator.address, coordinator.authority) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\n")
        deadline = time.monotonic() + 4
        with suppress(OSError):
            while time.monotonic() < deadline:
                slow.sendall(b"x")
                time.sleep(0.1)
        assert is_open(slow) == (seconds > 100)


def test_a_head_that_is_too_large_is_refused(coordinator: Any) -> None:
    with tls(coordinator.address, coordinator.authority) as connection:
        answer = b""
        with suppress(OSError):
            connection.sendall(b"POST / HTTP/1.1\r\nx: " + b"x" * 100_000)
            while chunk := connection.recv(1000):
                answer += chunk
        assert answer == b"" or b" 400 " in answer
        assert not is_open(connection)


class Hosts:
    """Connections as they would come from several addresses."""

    def __init__(self) -> None:
        self.connections = Connections()
        self.sockets: list[socket.socket] = []

    def open(self, host: str, port: int) -> tuple[str, int]:
        ours, theirs = socket.socketpair()
        self.sockets += [ours, theirs]
        self.connections.opened(ours, (host, port))
        return host, port

    def hosts(self) -> list[str]:
        return [host for host, _ in self.connections._all]

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@given(st.lists(st.integers(0, 1), max_size=60))
def test_a_flood_from_one_address_ends_no_connection_of_another(story: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch, closing(Hosts()) as hosts:
        patch.setattr(connections, "MOST_STRANGERS", 12)
        calm = [hosts.open(f"10.0.1.{k}", 1) for k in range(3)]
        for port, k in enumerate(story):
            hosts.open(f"10.0.0.{k}", 10 + port)
        assert set(calm) <= set(hosts.connections._all)
        assert len(hosts.connections) <= 12


def test_a_members_connections_are_not_a_strangers_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_STRANGERS", 5)
    monkeypatch.setattr(connections, "MOST_OF_A_MEMBER", 3)
    member: Any = "0xmember"
    with closing(Hosts()) as hosts:
        for port in range(6):
            with hosts.connections.used(hosts.open("10.0.0.1", port), member):
                pass
        assert hosts.hosts() == ["10.0.0.1"] * 3
        for port in range(100, 140):
            hosts.open("10.0.0.1", port)
        assert sorted(port for _, port in hosts.connections._all)[:3] == [3, 4, 5]


# --- who is no member costs nothing ---


def test_a_strangers_body_is_not_waited_for(coordinator: Any) -> None:
    """The same request of a member is: its body is what it is about."""
    for account, answered in ((Account.create(), True), (coordinator.scene.consortium.researcher, False)):
        headers = signed_headers(account, coordinator.address, "POST", RUNS, bytes(1_000_000))
        with tls(coordinator.address, coordinator.authority) as connection:
            connection.sendall(head(RUNS, headers, 1_000_000))
            connection.settimeout(refusals.DRAIN_SECONDS + 2)
            if answered:
                assert b"403" in connection.recv(1000)
            else:
                with pytest.raises(TimeoutError):
                    connection.recv(1000)


def test_the_nonces_of_strangers_are_not_kept(coordinator: Any) -> None:
    """Kept for whoever signs, they would fill up for everybody."""
    requests = SignedRequests("here:1")
    for _ in range(3):
        stranger = Account.create()
        requests.take(requests.signed(signed_headers(stranger, "here:1", "POST", "/p", b""), "POST", "/p", nobody))
    assert len(requests._nonces) == 3
    with coordinator.http() as http:
        for _ in range(5):
            headers = signed_headers(Account.create(), coordinator.address, "POST", STATUS, b"")
            assert http.post(STATUS, headers=headers).status_code == 403
    assert coordinator_app(coordinator)._members._requests._nonces == {}


def nobody(address: Any) -> None:
    """Nobody is unknown."""


def coordinator_app(deployment: Any) -> Any:
    return deployment.running._server._app


def test_one_member_fills_nobody_elses_nonces() -> None:
    requests = SignedRequests("here:1", clock=lambda: 1e9)
    busy, other = Account.create(), Account.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("belmont.federated.deployed.signed_requests.time.time", lambda: 1e9)
        headers = signed_headers(busy, "here:1", "POST", "/p", b"")
        one = requests.signed(headers, "POST", "/p", nobody)
        requests._nonces[one.address] = {f"{k:032x}": 2e9 for k in range(MOST_NONCES)}
        with pytest.raises(RequestUnsigned, match="too many"):
            requests.take(one)
        requests.take(requests.signed(signed_headers(other, "here:1", "POST", "/p", b""), "POST", "/p", nobody))


def test_who_is_unknown_is_looked_up_on_chain_once_a_second_at_most(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[float] = []
    registry = coordinator.scene.registry
    members = registry.members
    monkeypatch.setattr(registry, "members", lambda: (read.append(time.monotonic()), members())[1])
    with coordinator.http() as http:
        for _ in range(20):
            headers = signed_headers(Account.create(), coordinator.address, "POST", STATUS, b"")
            assert http.post(STATUS, headers=headers).status_code == 403
    assert all(later - earlier > 1 for earlier, later in pairwise(read)) and read


def test_flower_sees_no_request_of_a_stranger(coordinator: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from belmont.federated.deployed.node_keys import new_node_key, read_node_key

    seen: list[str] = []
    app = coordinator_app(coordinator)

    async def flower(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    monkeypatch.setattr(app._guard, "_app", flower)
    key = read_node_key(new_node_key(), tmp_path)
    auth = NodeAuthHttpInterceptor(key, key.public_key())
    client = connect(FleetHttpClient, coordinator.address, coordinator.authority, "SuperNode", auth)
    with closing(client), pytest.raises(CoordinatorError, match="no node joined with this key"):
        explained(lambda: client.PullMessages(PullMessagesRequest(node=Node(node_id=7))), "receiving")
    with coordinator.http() as http:
        for headers in ({}, {"flwr-public-key": "x"}, {"flwr-task-token": "x"}):
            assert http.post(FLEET_PULL, headers=headers).status_code == 401
    assert seen == []


# --- what a member may have under way ---


def joined(deployment: Any, i: int = 0) -> Fleet:
    me = deployment.membership(i)
    node_id = join(me.address, me.authority, me.account, me.key, deployment.scene.participants[i], "5e" * 16)
    return Fleet(me.address, me.authority, me.key, node_id, "5e" * 16)


def test_a_body_that_is_larger_than_its_kind_needs_is_refused(coordinator: Any) -> None:
    with joined(coordinator) as fleet:
        object_id = PullObjectRequest(node=fleet._node, run_id=1, object_id="x" * guard.SMALL_BYTES)
        push = PushMessagesRequest(node=fleet._node, clientapp_runtime_list=[0.5] * guard.LISTS_BYTES)
        for call, request in ((fleet._client.PullObject, object_id), (fleet._client.PushMessages, push)):
            with pytest.raises(CoordinatorError, match="larger than") as refused:
                explained(lambda call=call, request=request: call(request), "asking")
            assert refused.value.status == 413


def test_a_body_that_comes_too_slowly_is_refused(coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "BODY_SECONDS", 0.5)
    researcher = coordinator.scene.consortium.researcher
    headers = signed_headers(researcher, coordinator.address, "POST", RUNS, bytes(1_000_000))
    with tls(coordinator.address, coordinator.authority) as connection:
        connection.sendall(head(RUNS, headers, 1_000_000) + bytes(1_000))
        assert b"408" in connection.recv(1000)


def test_a_node_that_asks_too_much_at_once_is_refused_and_others_are_not(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_AT_ONCE", 0)
    with pytest.raises(CoordinatorError, match="under way") as refused, joined(coordinator):
        pytest.fail("it connected")
    assert refused.value.may_pass
    assert asks(coordinator) == {}


# --- pulls that are answered early ---


@pytest.mark.parametrize("patient", [True, False])
def test_a_node_does_not_spin_where_every_pull_is_answered_at_once(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    pulls: list[float] = []

    async def at_once(self: Any, recipient: Any, asked: bytes, receive: Any) -> int:
        pulls.append(time.monotonic())
        return 1

    monkeypatch.setattr(Waiting, "wait", at_once)
    if not patient:
        monkeypatch.setattr(EarlyAnswers, "pause", lambda self, soon: 0.0)
    coordinator.start_node(0)
    time.sleep(2)
    assert (len(pulls) < 12) == patient


@given(st.lists(st.booleans(), max_size=40))
def test_only_early_answers_in_a_row_are_paused_after(story: list[bool]) -> None:
    early, row = EarlyAnswers(), 0
    for soon in story:
        row = row + 1 if soon else 0
        pause = early.pause(soon)
        assert (pause > 0) == (row > 2) and pause <= 10


@given(st.floats(0.01, 1), st.floats(1, 20))
def test_pauses_double_up_to_the_longest_and_are_spread(first: float, longest: float) -> None:
    found = [next_pause for next_pause, _ in zip(pauses(first, longest), range(20), strict=False)]
    assert all(0.5 * min(first * 2**k, longest) <= each <= longest for k, each in enumerate(found))


# --- all at once ---


def test_a_round_is_answered_while_a_stranger_floods_the_coordinator(deployment: Any, tmp_path: Path) -> None:
    scene = deployment.scene
    authority = tmp_path / "authority.pem"
    authority.write_bytes(deployment.authority)
    flood = subprocess.Popen(
        [sys.executable, str(FLOOD), deployment.address, str(authority)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert flood.stdout is not None
        said, before = flood.stdout.readline().split()
        assert said == "flooding" and int(before) > 20, "there was no flood"
        with closing(deployment.grid()) as grid:
            trained = Training(
                scene.by_researcher,
                grid,
                scene.issue(),
                config=scene.config,
                model=scene.model,
                combine=newton(),
                participants=scene.participants,
                node_ids=grid.node_ids,
                timeout_seconds=20,
                patience_seconds=60,
            )
            results = list(trained.rounds(2))
        assert flood.poll() is None
    finally:
        flood.terminate()
        told, _ = flood.communicate(timeout=30)
    assert [[each.status for each in result.hospitals] for result in results] == [["answered"] * 4] * 2
    assert int(told.split()[-1]) > int(before), "the flood went on meanwhile"
