"""What was signed with no network does the same on contracts and reference model as a transaction."""

import pytest
from tests.contracts.releases.conftest import CARD, EVIDENCE, MODEL

from belmont.identity import messages as m
from belmont.identity.typed_data import Domain
from belmont.registry.errors import RegistryRefused
from belmont.registry.releases.protocol import ReleaseStatus


@pytest.fixture
def relay(stage):
    """Relays a message on both, which have to take it or to refuse it for the same reason; returns that reason."""
    pair, its = stage.consortium.registry, stage.consortium
    pair.model._world.stated_domains["Relay"] = Domain(its.evm.chain_id, pair.chain.addresses["Relay"])

    def relayed(kind, by, **fields):
        pair.agree_on_the_time()
        about = {"actor": by.address, "permit": stage.permit, "model_hash": MODEL, **fields}
        message = kind(deadline=its.evm.now, **about)
        outcomes = []
        for registry in (pair.chain, pair.model):
            try:
                registry.as_(its.non_member).relay.submit(message.sign(by, registry.relay.domain))
                outcomes.append("")
            except RegistryRefused as refused:
                outcomes.append(refused.reason)
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    return relayed


def announce(relay, by):
    return relay(m.Release, by, evaluated_round=1, card_hash=CARD, evidence_hash=EVIDENCE)


def test_a_model_is_announced_objected_to_and_released_by_messages_alone(stage, relay):
    its = stage.consortium
    assert announce(relay, its.data_user) == ""
    assert stage.found.card_hash == CARD and stage.status is ReleaseStatus.ANNOUNCED
    assert relay(m.Objection, its.holder, reason_hash=m.reason_hash("because")) == ""
    stage.wait()
    assert relay(m.Confirmation, its.board[0], objections=1) == ""
    assert relay(m.Confirmation, its.board[1], objections=1) == ""
    assert stage.status is ReleaseStatus.RELEASED
    assert relay(m.ReleaseWithdrawal, its.data_user) == ""
    assert stage.status is ReleaseStatus.WITHDRAWN


def test_they_are_refused_as_transactions_are(stage, relay):
    its = stage.consortium
    assert announce(relay, its.holder) == "NOT_THE_APPLICANT"
    assert relay(m.Objection, its.holder) == "RELEASE_UNKNOWN"
    assert relay(m.Confirmation, its.board[0], objections=0) == "RELEASE_UNKNOWN"
    assert announce(relay, its.data_user) == ""
    assert announce(relay, its.data_user) == "RELEASE_EXISTS"
    assert relay(m.Objection, its.auditor) == "NOT_INVOLVED"
    assert relay(m.ReleaseWithdrawal, its.holder) == "NOT_THE_APPLICANT"
    assert relay(m.Confirmation, its.board[0], objections=0) == "NOT_OBJECTED"


def test_a_vote_signed_before_another_objection_is_not_about_that_one(stage, relay):
    its = stage.consortium
    stage.release()
    stage.object(its.holder)
    stage.object(its.board[2])
    stage.wait()
    assert relay(m.Confirmation, its.board[0], objections=1) == "OBJECTIONS_CHANGED"
    assert relay(m.Confirmation, its.board[0], objections=2) == ""
