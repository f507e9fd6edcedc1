"""Who may join and who may start a run: members of the chain, by signed requests that are good once."""

import base64
import json
import time
from typing import Any

import pytest
from eth_account import Account

from belmont.federated.deployed.fleet import Fleet, join
from belmont.federated.deployed.node_keys import new_node_key, public_node_key, read_node_key
from belmont.federated.deployed.paths import NODES, RUNS, STATUS
from belmont.federated.deployed.signed_requests import SignedRequests, signed_headers
from belmont.federated.errors import CoordinatorError, NodeFault, RequestUnsigned

INSTANCE = "5e" * 16


def join_body(deployment: Any, i: int) -> bytes:
    key = base64.b64encode(public_node_key(deployment.keys[i])).decode()
    dataset = deployment.scene.participants[i].hex()
    return json.dumps({"dataset": dataset, "public_key": key, "instance": INSTANCE, "first": True}).encode()


def post(deployment: Any, path: str, body: bytes, headers: Any) -> Any:
    with deployment.http() as http:
        return http.post(path, content=body, headers=headers)


def signed(deployment: Any, account: Any, path: str, body: bytes, audience: str | None = None) -> Any:
    return post(deployment, path, body, signed_headers(account, audience or deployment.address, "POST", path, body))


def test_an_anonymous_request_is_refused(coordinator: Any) -> None:
    for path in (NODES, RUNS, STATUS):
        assert post(coordinator, path, b"", {}).status_code == 401


def test_a_stranger_is_refused(coordinator: Any) -> None:
    stranger = Account.create()
    for path, body in ((NODES, join_body(coordinator, 0)), (RUNS, coordinator.scene.bundle), (STATUS, b"")):
        answer = signed(coordinator, stranger, path, body)
        assert (answer.status_code, "not an active member" in answer.text) == (403, True)


def test_a_data_holder_joins_for_its_own_dataset_only(coordinator: Any) -> None:
    hospitals = coordinator.scene.consortium.hospitals
    assert signed(coordinator, hospitals[0], NODES, join_body(coordinator, 0)).status_code == 200
    answer = signed(coordinator, hospitals[0], NODES, join_body(coordinator, 1))
    assert (answer.status_code, "not the data holder" in answer.text) == (403, True)


def test_a_node_key_that_the_chain_does_not_have_is_refused(coordinator: Any, tmp_path: Any) -> None:
    coordinator.keys[0] = read_node_key(new_node_key(), tmp_path)
    hospital = coordinator.scene.consortium.hospitals[0]
    answer = signed(coordinator, hospital, NODES, join_body(coordinator, 0))
    assert (answer.status_code, "another node key" in answer.text) == (403, True)
    membership = coordinator.membership(0)
    with pytest.raises(CoordinatorError, match="another node key"):
        dataset = coordinator.scene.participants[0]
        join(membership.address, membership.authority, membership.account, membership.key, dataset, INSTANCE)


def test_a_removed_member_is_refused_from_then_on(coordinator: Any) -> None:
    scene = coordinator.scene
    members = [scene.consortium.researcher, *scene.consortium.board, *scene.consortium.hospitals[1:]]
    target = scene.consortium.hospitals[0].address
    first, *others = members[:6]
    proposal = scene.registry.as_(first).propose_removal(target, b"grounds")
    for member in others:
        if scene.registry.member(target).status.name == "ACTIVE":
            scene.registry.as_(member).support(proposal)
    answer = signed(coordinator, scene.consortium.hospitals[0], NODES, join_body(coordinator, 0))
    assert answer.status_code == 403


def test_only_a_data_user_starts_a_run(coordinator: Any) -> None:
    scene = coordinator.scene
    assert signed(coordinator, scene.consortium.researcher, RUNS, scene.bundle).status_code == 200
    for account in (scene.consortium.board[0], scene.consortium.hospitals[0]):
        answer = signed(coordinator, account, RUNS, scene.bundle)
        assert (answer.status_code, "not a data user" in answer.text) == (403, True)


@pytest.mark.parametrize("body", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_bundle_starts_nothing(coordinator: Any, body: bytes) -> None:
    assert signed(coordinator, coordinator.scene.consortium.researcher, RUNS, body).status_code == 400


def test_a_body_that_is_too_large_is_cut_off(coordinator: Any) -> None:
    researcher, holder = coordinator.scene.consortium.researcher, coordinator.scene.consortium.hospitals[0]
    assert signed(coordinator, researcher, RUNS, bytes(12 * 1024 * 1024)).status_code == 413
    assert signed(coordinator, holder, NODES, bytes(5_000)).status_code == 413
    assert signed(coordinator, holder, STATUS, b"x").status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"dataset": 7, "public_key": "x"}', b'{"dataset": "00", "public_key": "AA=="}']
)
def test_a_malformed_join_is_refused(coordinator: Any, body: bytes) -> None:
    assert signed(coordinator, coordinator.scene.consortium.hospitals[0], NODES, body).status_code == 400


def test_a_replayed_request_is_refused(coordinator: Any) -> None:
    body = join_body(coordinator, 0)
    headers = signed_headers(coordinator.scene.consortium.hospitals[0], coordinator.address, "POST", NODES, body)
    assert post(coordinator, NODES, body, headers).status_code == 200
    answer = post(coordinator, NODES, body, headers)
    assert (answer.status_code, "nonce is taken" in answer.text) == (401, True)


def test_a_signature_is_good_for_one_coordinator_path_and_body(coordinator: Any) -> None:
    hospital, body = coordinator.scene.consortium.hospitals[0], join_body(coordinator, 0)
    elsewhere = signed_headers(hospital, "coordinator.example:9443", "POST", NODES, body)
    other_path = signed_headers(hospital, coordinator.address, "POST", STATUS, body)
    other_body = signed_headers(hospital, coordinator.address, "POST", NODES, body + b" ")
    other_method = signed_headers(hospital, coordinator.address, "GET", NODES, body)
    for headers in (elsewhere, other_path, other_body, other_method):
        assert post(coordinator, NODES, body, headers).status_code == 401


def test_a_signature_of_somebody_else_is_refused(coordinator: Any) -> None:
    hospitals, body = coordinator.scene.consortium.hospitals, join_body(coordinator, 0)
    headers = signed_headers(hospitals[1], coordinator.address, "POST", NODES, body)
    headers["belmont-address"] = hospitals[0].address
    assert post(coordinator, NODES, body, headers).status_code == 401


HEADERS = ("belmont-address", "belmont-time", "belmont-nonce", "belmont-digest", "belmont-signature")


def everybody(address: Any) -> None:
    """Nobody is unknown."""


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", ["", "0x", "-1", "é", "9" * 400, "00" * 65])
def test_a_malformed_header_is_refused(name: str, value: str) -> None:
    account = Account.create()
    requests = SignedRequests("here:1")
    headers = signed_headers(account, "here:1", "POST", "/p", b"")
    assert requests.signed(headers, "POST", "/p", everybody).address == account.address
    headers = signed_headers(account, "here:1", "POST", "/p", b"")
    with pytest.raises(RequestUnsigned):
        requests.signed(headers | {name: value}, "POST", "/p", everybody)


@pytest.mark.parametrize("seconds", [-61, 61])
def test_a_request_of_another_time_is_refused(seconds: int) -> None:
    requests = SignedRequests("here:1", clock=lambda: time.time() + seconds)
    with pytest.raises(RequestUnsigned, match="another time"):
        requests.signed(signed_headers(Account.create(), "here:1", "POST", "/p", b""), "POST", "/p", everybody)


def test_a_request_from_before_the_coordinator_started_is_refused() -> None:
    headers = signed_headers(Account.create(), "here:1", "POST", "/p", b"")
    requests = SignedRequests("here:1", clock=lambda: time.time() + 5)
    with pytest.raises(RequestUnsigned, match="another time"):
        requests.signed(headers, "POST", "/p", everybody)


def test_a_node_that_did_not_join_cannot_connect(coordinator: Any) -> None:
    membership = coordinator.membership(0)
    fleet = Fleet(membership.address, membership.authority, membership.key, 7, INSTANCE)
    with pytest.raises(CoordinatorError, match="connecting"), fleet:
        pytest.fail("it connected")


def test_another_certificate_authority_is_not_trusted(coordinator: Any) -> None:
    from belmont.federated.deployed.certificates import make_certificates

    membership, other = coordinator.membership(0), make_certificates(["127.0.0.1"]).authority
    where = coordinator.scene.participants[0], INSTANCE
    with pytest.raises(CoordinatorError, match="certificate is refused"):
        join(membership.address, other, membership.account, membership.key, *where)
    with pytest.raises(CoordinatorError, match="no certificate"):
        join(
            membership.address,
            b"nonsense",
            membership.account,
            membership.key,
            coordinator.scene.participants[0],
            INSTANCE,
        )


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_node_key_is_refused(pem: bytes, tmp_path: Any) -> None:
    with pytest.raises(NodeFault):
        read_node_key(pem, tmp_path)
