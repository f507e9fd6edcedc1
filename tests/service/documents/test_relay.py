"""Relaying: what the contract takes, and that why somebody decided is kept with it, or not at all."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.service.conftest import World
from tests.service.documents.conftest import Client, get, put, wait_for

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.messages import Freeze, Vote, reason_hash
from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry.errors import RegistryUnreachable
from belmont.service.documents.documents import Documents
from belmont.service.documents.kinds import Kind
from belmont.service.errors import Unavailable
from belmont.service.service import Service


def vote(world: World, study: int, reason: str, who: str = "board", **changes: Any) -> SignedMessage:
    message = Vote(actor=world.address(who), study=study, approve=True, reason_hash=reason_hash(reason), **changes)
    return SignedMessage(message, world.registry.relay.domain, reason=reason).signed_by(world.people[who])


def relay(client: Any, signed: SignedMessage | bytes) -> Any:
    content = signed if isinstance(signed, bytes) else signed.to_json().encode()
    return client.post("/api/v1/relay", content=content)


def key(reason: str) -> str:
    return hashlib.sha256(reason.encode()).hexdigest()


def test_a_vote_is_cast_and_its_reason_can_be_read(client: Client, world: World) -> None:
    study, reason = world.study(), "Verhältnismäßig. 风险很小。"
    answer = relay(client("lay"), vote(world, study, reason))
    assert answer.status_code == 200, answer.text
    assert answer.json()["kind"] == "Vote"
    assert answer.json()["actor"] == world.address("board")
    record = world.registry.study(study)
    assert record is not None and record.votes_for == 1
    assert get(client("lay"), key(reason)).content.decode() == reason


def test_the_conditions_of_a_vote_are_kept_with_it(client: Client, world: World, documents: Documents) -> None:
    study, conditions = world.study(), ApprovalConditions.of(["Only adults.", "报告结果。"])
    message = Vote(actor=world.address("board"), study=study, approve=True, conditions_hash=conditions.hash)
    signed = SignedMessage(message, world.registry.relay.domain, conditions=conditions)
    assert relay(client("board"), signed.signed_by(world.people["board"])).status_code == 200
    assert get(client("data_user"), conditions.hash.hex()).content == conditions.canonical()
    assert put(client("lay"), study, "conditions", conditions.canonical()).status_code == 200
    listed = {each.kind: each.document for each in documents.for_study(study)}
    assert listed[Kind.CONDITIONS] is not None


def test_a_message_that_nobody_signed_or_that_has_several_signatures_of_no_keys_is_malformed(
    client: Client, world: World, documents: Documents
) -> None:
    study, reason = world.study(), "Signed by nobody."
    unsigned = replace(vote(world, study, reason), signatures=())
    for signed in (unsigned, replace(unsigned, signatures=(b"\x01" * 65, b"\x02" * 65))):
        answer = relay(client("board"), signed)
        assert (answer.status_code, answer.json()["code"]) == (400, "MESSAGE_MALFORMED"), answer.text
    assert get(client("lay"), key(reason)).status_code == 404
    assert world.registry.study(study).votes_for == 0


def test_a_refused_message_leaves_nothing_behind(client: Client, world: World) -> None:
    study, reason = world.study(), "Signed by somebody who has no vote."
    answer = relay(client("board"), vote(world, study, reason, who="holder"))
    assert answer.status_code == 409
    assert answer.json()["code"] == "NOT_ETHICS_BOARD"
    assert get(client("board"), key(reason)).status_code == 404


@pytest.mark.parametrize("study", [2**63, 2**64 - 1])
def test_a_message_on_a_study_that_no_table_holds_is_refused_by_the_contract(
    client: Client, world: World, study: int
) -> None:
    reason = f"About study {study}."
    answer = relay(client("board"), vote(world, study, reason))
    assert (answer.status_code, answer.json()["code"]) == (409, "STUDY_UNKNOWN")
    assert get(client("board"), key(reason)).status_code == 404


def test_a_message_relayed_twice_is_refused_and_its_reason_stays(client: Client, world: World) -> None:
    signed = vote(world, world.study(), "Once.")
    assert relay(client("board"), signed).status_code == 200
    assert relay(client("other_board"), signed).status_code == 409
    assert get(client("board"), key("Once.")).content == b"Once."


def test_a_reason_of_another_message_is_refused(client: Client, world: World) -> None:
    text = vote(world, world.study(), "What was signed.").to_json().replace("What was signed.", "What was not.")
    assert relay(client("board"), text.encode()).json()["code"] == "MESSAGE_MALFORMED"
    assert get(client("board"), key("What was not.")).status_code == 404


def test_a_message_of_another_consortium_is_refused(client: Client, world: World) -> None:
    signed = vote(world, world.study(), "Elsewhere.")
    other = SignedMessage(signed.message, Domain(1, signed.domain.contract), reason="Elsewhere.")
    assert relay(client("board"), other.signed_by(world.people["board"])).json()["code"] == "OTHER_CONSORTIUM"


def test_a_signature_that_nobody_made_is_refused(client: Client, world: World) -> None:
    study = world.study()
    signed = vote(world, study, "Forged.")
    forged = SignedMessage(signed.message, signed.domain, reason="Forged.").signed_by(world.people["data_user"])
    assert relay(client("data_user"), forged).status_code == 409
    assert get(client("board"), key("Forged.")).status_code == 404
    record = world.registry.study(study)
    assert record is not None and record.votes_for == 0


def test_half_of_a_character_in_a_message_is_said_back_in_an_answer_that_every_program_reads(
    client: Client, world: World
) -> None:
    content = json.loads(vote(world, world.study(), "Sound.").to_json())
    for written in (content | {"primaryType": "\ud800"}, content | {"\ud800" * 1_000: 1}):
        answer = relay(client("board"), json.dumps(written).encode())
        assert answer.status_code == 400 and len(answer.json()["says"]) < 1_000, answer.text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 1000, b"x" * 300_000])
def test_what_is_no_message_is_refused(client: Client, content: bytes) -> None:
    assert relay(client("board"), content).status_code in (400, 413)


def test_a_freeze_is_relayed_and_its_reason_is_the_permits(client: Client, world: World, documents: Documents) -> None:
    permit, reason = world.permit(), "Stop until somebody looked."
    message = Freeze(actor=world.address("lay"), permit=permit, duration=3600, reason_hash=reason_hash(reason))
    signed = SignedMessage(message, world.registry.relay.domain, reason=reason).signed_by(world.people["lay"])
    assert relay(client("lay"), signed).status_code == 200
    put(client("lay"), permit, "reason", reason.encode())  # waits for the event
    found = [each for each in documents.for_study(permit) if each.said_in == "PermitFrozen"]
    assert [each.document is not None for each in found] == [True]


def test_what_was_held_back_is_given_only_once_the_chain_has_it(client: Client, world: World, service: Service) -> None:
    signed = vote(world, world.study(), "The service ended before it knew.")
    service.documents.hold(signed, world.address("board"))
    assert get(client("board"), key("The service ended before it knew.")).status_code == 404
    world.as_("holder").relay.submit(signed)  # somebody relays it elsewhere
    study = signed.message.study  # type: ignore[attr-defined]
    assert put(client("board"), study, "reason", b"The service ended before it knew.").status_code in (200, 201)
    assert get(client("board"), key("The service ended before it knew.")).status_code == 200


def test_where_the_chain_does_not_answer_the_reason_waits(
    client: Client, world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = vote(world, world.study(), "Sent, and nobody knows.")

    def away(*_: Any) -> None:
        raise RegistryUnreachable("away")

    with monkeypatch.context() as patch:
        patch.setattr(service.relaying, "submit", away)
        assert relay(client("board"), signed).status_code == 503
    assert get(client("board"), key("Sent, and nobody knows.")).status_code == 404
    assert relay(client("board"), signed).status_code == 200
    assert get(client("board"), key("Sent, and nobody knows.")).status_code == 200


def test_a_reason_that_waits_is_not_lost_to_a_second_attempt(
    client: Client, world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, reason = world.study(), "Taken, though nobody was told."
    signed, submit = vote(world, study, reason), service.relaying.submit

    def taken_and_away(*given: Any) -> None:
        submit(*given)
        raise RegistryUnreachable("away")

    with monkeypatch.context() as patch:
        patch.setattr(service.relaying, "submit", taken_and_away)
        assert relay(client("board"), signed).status_code == 503
    forged = vote(world, study, reason, who="holder")
    assert relay(client("data_user"), forged).json()["code"] == "NOT_ETHICS_BOARD"
    assert relay(client("board"), signed).json()["code"] == "NONCE_USED"
    assert service.documents.text(Kind.REASON, reason_hash(reason)) == reason


def test_where_the_database_is_away_afterwards_the_message_is_taken_and_its_reason_found(
    client: Client, world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = vote(world, world.study(), "Taken, and then the database was away.")

    def away(*_: Any) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(service.documents, "confirm", away)
        assert relay(client("board"), signed).status_code == 200
    wait_for(lambda: get(client("board"), key("Taken, and then the database was away.")).status_code == 200)
