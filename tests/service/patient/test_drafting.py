"""Statements as they are drafted and checked, and consents as they stand."""

from dataclasses import replace

import pytest

from belmont.identity.keys import Identity
from belmont.identity.messages import ConsentGrant, ConsentRevocation, Vote
from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import OwnConsent
from belmont.registry.limits import GRANT_SECONDS
from belmont.registry.types import Address, DatasetId
from belmont.service.errors import Malformed
from belmont.service.patient.drafting import Drafting, check_own, draft_of, with_signature
from belmont.service.patient.errors import NotAPatient, StatementRefused
from belmont.service.patient.notes import outline
from belmont.service.patient.own_records import SourceRecord

ME = Identity.create()
ACCOUNT = Address(ME.address)
DATASET = DatasetId(b"\x01" * 32)
DOMAIN = Domain(1337, "0x" + "11" * 20)
NOW = 1_800_000_000
SCOPE = Scope(1 << 37, 15, NOW - 10, NOW + 10_000)
FRESH = OwnConsent(1, 0, bytes(32), 0)
GRANTED = OwnConsent(1, NOW - 2 * GRANT_SECONDS, b"\x01" * 32, NOW - 2 * GRANT_SECONDS)


def drafting(own: OwnConsent | None = FRESH, now: int = NOW) -> Drafting:
    return Drafting(ACCOUNT, DATASET, DOMAIN, own, now, clock=lambda: now)


def test_a_sequence_is_the_time_of_now_or_one_above_the_last() -> None:
    granted = drafting().grant(SCOPE).message
    assert isinstance(granted, ConsentGrant) and granted.sequence == NOW
    ahead = replace(GRANTED, sequence=NOW + 500)
    revoked = drafting(ahead).revocation().message
    assert isinstance(revoked, ConsentRevocation) and revoked.sequence == NOW + 501


def test_a_grant_holds_exactly_what_was_chosen_and_reads_back_as_a_file() -> None:
    draft = drafting().grant(SCOPE)
    again = draft_of(draft.to_json().encode())
    assert again == draft and again.signatures == ()
    message = again.message
    assert isinstance(message, ConsentGrant)
    assert (message.actor, message.dataset, message.purposes, message.categories) == (ACCOUNT, DATASET, 1 << 37, 15)
    assert (message.valid_from, message.valid_until, message.recipients) == (NOW - 10, NOW + 10_000, ())


def test_a_day_is_between_a_statement_and_the_next_grant_and_not_before_a_revocation() -> None:
    soon = replace(GRANTED, stated_at=NOW - GRANT_SECONDS + 1)
    with pytest.raises(StatementRefused) as refused:
        drafting(soon).grant(SCOPE)
    assert refused.value.code == "GRANT_TOO_SOON" and drafting(soon).grant_from == NOW + 1
    drafting(soon).revocation()
    drafting(soon, NOW + 1).grant(SCOPE)
    drafting(GRANTED).grant(SCOPE)


def test_what_is_revoked_is_not_revoked_again_and_what_was_never_stated_can_be() -> None:
    revoked = replace(GRANTED, scope_hash=bytes(32))
    assert not drafting(revoked).can_revoke and drafting(FRESH).can_revoke
    with pytest.raises(StatementRefused) as refused:
        drafting(revoked).revocation()
    assert refused.value.code == "ALREADY_REVOKED"
    drafting(FRESH).revocation()


def test_an_account_that_is_not_enrolled_drafts_nothing() -> None:
    for attempt in (lambda: drafting(None).revocation(), lambda: drafting(None).grant(SCOPE)):
        with pytest.raises(NotAPatient) as refused:
            attempt()
        assert refused.value.code == "NOT_ENROLLED"


@pytest.mark.parametrize("change", [
    {"purposes": 0}, {"purposes": 1}, {"categories": 0}, {"categories": 256}, {"valid_until": NOW - 10},
    {"valid_from": 0, "valid_until": NOW},
])  # fmt: skip
def test_a_scope_that_the_contract_would_refuse_or_that_is_over_is_no_draft(change: dict[str, int]) -> None:
    with pytest.raises(Malformed):
        drafting().grant(replace(SCOPE, **change))


def test_only_the_visitors_own_signed_statement_about_this_dataset_is_passed_on() -> None:
    good = drafting().revocation().signed_by(ME)
    assert check_own(good, ACCOUNT, DATASET, DOMAIN) is good
    other = Identity.create()
    wrong = {
        "OTHER_ACTOR": replace(good, message=replace(good.message, actor=other.address)),
        "OTHER_DATASET": replace(good, message=replace(good.message, dataset=b"\x02" * 32)),
        "OTHER_CONSORTIUM": replace(good, domain=replace(DOMAIN, chain_id=1)),
        "NOT_SIGNED": replace(good, signatures=()),
        "NOT_A_CONSENT": SignedMessage(Vote(actor=ACCOUNT, study=1, approve=True), DOMAIN).signed_by(ME),
    }
    for code, signed in wrong.items():
        with pytest.raises((StatementRefused, Malformed)) as refused:
            check_own(signed, ACCOUNT, DATASET, DOMAIN)
        assert refused.value.code == code


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format": "belmont-signed-message"}', b"[" * 9000])
def test_what_is_no_message_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        draft_of(content)


@pytest.mark.parametrize("signature", ["", "0x", "0x1", "12", "0xzz", "0x" + "00" * 3000])
def test_what_is_no_signature_is_malformed(signature: str) -> None:
    with pytest.raises(Malformed):
        with_signature(drafting().revocation(), signature)


@pytest.mark.parametrize("content", [
    {}, {"code": 7}, {"code": {"coding": 7}}, {"code": {"coding": [7, {"display": 5}]}}, {"type": "x"},
    {"valueQuantity": 5}, {"valueQuantity": {"value": "x"}}, {"period": {"start": 7}}, {"effectiveDateTime": 9},
])  # fmt: skip
def test_a_record_of_any_shape_has_an_outline(content: dict[str, object]) -> None:
    found = outline(SourceRecord("Observation", content))
    assert isinstance(found.text, str) and isinstance(found.day, str)
