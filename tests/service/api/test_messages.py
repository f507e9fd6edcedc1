"""The service writes out what somebody decides; they sign it, and the contract takes it."""

import json

import pytest
from tests.service.conftest import World, account_of
from tests.service.running import Running, body_of

from belmont.identity.messages import STATEMENTS, reason_hash
from belmont.identity.signed_message import SignedMessage
from belmont.service.api.messages import WANTED

URL = "/api/v1/messages"
HASH = "0x" + "07" * 32


def test_a_stranger_is_refused(service: Running) -> None:
    for content in (b'{"kind":"Vote","study":1,"approve":true}', b"{", b"[" * 4000, b""):
        answer = service.client("stranger").post(URL, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_vote_is_written_signed_by_its_member_and_taken_by_the_contract(service: Running, world: World) -> None:
    study = world.study()
    asked = {"kind": "Vote", "study": int(study), "approve": True, "reason": "Solide."}
    written = body_of(service.client("board").post(URL, json=asked))
    content = SignedMessage.from_json(json.dumps(written["message"]).encode())
    assert content.message.actor == world.address("board")
    assert content.message.reason_hash == reason_hash("Solide.")
    signed = content.signed_by(account_of("board"))
    assert "0x" + signed.digest.hex() == written["digest"]
    world.as_("removed").relay.submit(signed)
    found = world.registry.study(study)
    assert found is not None and found.votes_for == 1


def test_every_kind_that_relay_takes_can_be_written(service: Running) -> None:
    values = {"bool": True, "bytes32": HASH, "uint64": 3, "address[]": [], "address": service.account("board")}
    assert set(WANTED) == {each.__name__ for each in STATEMENTS}
    for kind in STATEMENTS:
        own = {
            name: values[its_type]
            for name, _, its_type in kind.members()
            if name not in ("actor", "nonce", "deadline") and not name.endswith("_hash")
        }
        own |= {name: HASH for name in ("model_hash", "card_hash", "evidence_hash") if name in str(kind.members())}
        written = body_of(service.client("unknown").post(URL, json={"kind": kind.__name__, **own}))
        assert written["message"]["typed_data"]["primaryType"] == kind.__name__


def test_a_vote_brings_its_conditions_along(service: Running, world: World) -> None:
    study = world.study()
    asked = {"kind": "Vote", "study": int(study), "approve": True, "conditions": ["Report  yearly.", "\u7814\u7a76"]}
    written = body_of(service.client("lay").post(URL, json=asked))
    assert written["message"]["conditions"] == ["Report yearly.", "\u7814\u7a76"]
    signed = SignedMessage.from_json(json.dumps(written["message"]).encode()).signed_by(account_of("lay"))
    world.as_("removed").relay.submit(signed)
    service.catch_up()
    found = body_of(service.client("data_user").get(f"/api/v1/studies/{study}"))
    assert (found["conditions_count"], found["conditions_agreed"]) == (1, False)
    agreed = {"kind": "Agreement", "study": int(study), "conditions": found["conditions"]}
    written = body_of(service.client("data_user").post(URL, json=agreed))
    content = json.dumps(written["message"]).encode()
    world.as_("removed").relay.submit(SignedMessage.from_json(content).signed_by(account_of("data_user")))
    service.catch_up()
    assert body_of(service.client("data_user").get(f"/api/v1/studies/{study}"))["conditions_agreed"]


@pytest.mark.parametrize(
    "changes",
    [
        {"study": -1},
        {"study": 2**64},
        {"study": "007"},
        {"study": True},
        {"study": 1.5},
        {"approve": "yes"},
        {"actor": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
        {"nonce": 1},
        {"kind": "Execution"},
        {"kind": "ChangeOwner"},
        {"valid_seconds": 7 * 86400 + 1},
        {"valid_seconds": 0},
        {"reason": "x" * 4001},
        {"reason": "one", "reason_hash": HASH},
        {"reason_hash": "0x07"},
        {"conditions": []},
        {"conditions": ["twice", "twice"]},
        {"conditions": ["\u202e"]},
        {"conditions": ["one"], "conditions_hash": HASH},
        {"reason": "\ud800"},
        {"\ud800": 1},
    ],
    ids=str,
)
def test_what_no_contract_takes_is_refused(service: Running, changes: dict[str, object]) -> None:

    asked = {"kind": "Vote", "study": 1, "approve": True, **changes}
    answer = service.client("board").post(
        URL, content=json.dumps(asked).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"]


@pytest.mark.parametrize(
    "content",
    [b"{", b"[" * 100_000, b'{"kind":"Vote","study":NaN,"approve":true}', b'{"kind":"Vote","kind":"Vote"}', b"\xff"],
)
def test_json_that_is_none_is_refused(service: Running, content: bytes) -> None:
    answer = service.client("board").post(URL, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_body_that_is_too_large_is_refused(service: Running) -> None:
    answer = service.client("board").post(
        URL, content=b" " * (300 * 1024), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "TOO_LARGE"


def test_numbers_beyond_what_json_holds_exactly_are_text(service: Running) -> None:
    asked = {"kind": "Vote", "study": str(2**64 - 1), "approve": False}
    written = body_of(service.client("board").post(URL, json=asked))
    assert written["message"]["typed_data"]["message"]["study"] == str(2**64 - 1)
