"""Between computing and releasing: whatever changes there stops the result, and the round stays consumed."""

import pytest

from belmont.federated.errors import NODE_FAULT
from belmont.federated.gate.gate import Gate
from belmont.registry.reasons import Reason
from belmont.registry.types import PermitId, UseKind


def revoke(scene):
    for member in scene.consortium.board:
        scene.registry.as_(member).vote_revoke(scene.permit, "harm")


def unreleased(scene):
    (entry,) = scene.nodes[0].ledger.entries()
    return entry.released_at is None and scene.registry.uses(scene.permit) == []


def test_a_revocation_while_the_code_computes_stops_the_result(hooked, hook, refused):
    hook.while_computing = lambda: revoke(hooked)
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.PERMIT_REVOKED
    assert unreleased(hooked)


def test_a_node_that_looks_only_before_it_computes_releases_after_a_revocation(hooked, hook, monkeypatch):
    """The attack on the unprotected form: a gate without its second look, and without a contract that looks too."""
    monkeypatch.setattr(Gate, "release", lambda self, admission, result_hash, reply: None)
    hook.while_computing = lambda: revoke(hooked)
    assert hooked.send_round(hooked.permit).has_content()


def test_a_withdrawal_while_the_code_computes_stops_the_result(hooked, hook, refused):
    hospital = hooked.registry.as_(hooked.consortium.hospitals[0])
    hook.while_computing = lambda: hospital.withdraw(hooked.permit, hooked.participants[0])
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.DATASET_NOT_COVERED
    assert unreleased(hooked)


def test_a_chain_that_goes_away_while_the_code_computes_stops_the_result(hooked, hook, refused):
    hook.while_computing = lambda: hooked.registry.set_reachable(False)
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.CHAIN_UNREACHABLE
    hooked.registry.set_reachable(True)
    assert unreleased(hooked)
    hook.while_computing = pytest.fail
    assert hooked.send_round(hooked.permit).has_content(), "what was computed leaves once the chain is back"
    assert len(hooked.registry.uses(hooked.permit)) == 1


def clock_jumps(scene):
    scene.seconds_ahead = 90


def permit_expires_by_the_nodes_clock_only(scene):
    scene.seconds_ahead = 25


def chain_is_behind_what_this_node_acted_on(scene):
    with scene.nodes[0].ledger._transaction():
        scene.nodes[0].ledger._raise_head(scene.registry.head().number + 1_000)


def another_participant_withdraws(scene):
    scene.registry.as_(scene.consortium.hospitals[2]).withdraw(scene.permit, scene.participants[2])


def holder_freezes_the_dataset(scene):
    scene.registry.as_(scene.consortium.hospitals[0]).freeze_dataset(scene.participants[0])


def board_member_freezes_the_permit(scene):
    scene.registry.as_(scene.consortium.board[0]).freeze_permit(scene.permit, reason="a question")


def consents_change(scene):
    scene.consortium.withdraw(0, scene.consortium.tables[0].pseudonyms[0])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (clock_jumps, Reason.CHAIN_STALE),
        (permit_expires_by_the_nodes_clock_only, Reason.PERMIT_EXPIRED),
        (chain_is_behind_what_this_node_acted_on, Reason.CHAIN_STALE),
        (another_participant_withdraws, Reason.DATASET_NOT_COVERED),
        (holder_freezes_the_dataset, Reason.DATASET_FROZEN),
        (board_member_freezes_the_permit, Reason.PERMIT_FROZEN),
        (consents_change, Reason.CONSENT_STALE),
        (revoke, Reason.PERMIT_REVOKED),
    ],
)
def test_the_nodes_own_second_look_stops_the_result_before_the_contract_is_asked(hooked, hook, refused, event, reason):
    """Only the node can see the first four: the contract knows no other clock, no ledger and no participants."""
    hooked.permit = hooked.issue(duration_seconds=20 if event is permit_expires_by_the_nodes_clock_only else 9_999)
    hooked.open_round(hooked.permit)
    hook.while_computing = lambda: event(hooked)
    asked_the_contract = []
    hooked.nodes[0].close()
    watched = Meddled(hooked.registry, lambda: asked_the_contract.append(True))
    hooked.nodes[0] = hooked.new_node(0, registry=watched)
    assert refused(hooked.send_round(hooked.permit)).reason is reason
    assert asked_the_contract == [] and unreleased(hooked)


class Meddled:
    """A registry in which something happens just before a use is recorded, after the node's own last look."""

    def __init__(self, inner, before):
        self._inner, self._before = inner, before

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def as_(self, account, identity=None):
        return Meddled(self._inner.as_(account, identity), self._before)

    def record_use(self, *arguments):
        self._before()
        return self._inner.record_use(*arguments)


def test_the_contract_stops_what_is_revoked_after_the_nodes_last_look(hooked, hook, refused):
    hook.while_computing = lambda: None
    hooked.nodes[0].close()
    hooked.nodes[0] = hooked.new_node(0, registry=Meddled(hooked.registry, lambda: revoke(hooked)))
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.PERMIT_REVOKED
    assert unreleased(hooked)


def test_a_chain_that_goes_away_while_the_use_is_recorded_stops_the_result(hooked, hook, refused):
    hook.while_computing = lambda: None
    hooked.nodes[0].close()
    off = Meddled(hooked.registry, lambda: hooked.registry.set_reachable(False))
    hooked.nodes[0] = hooked.new_node(0, registry=off)
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.CHAIN_UNREACHABLE
    hooked.registry.set_reachable(True)
    assert unreleased(hooked)


def test_a_node_counts_its_own_rounds_whatever_the_chain_says(scene, refused):
    permit = scene.issue(rounds=1)
    scene.open_round(permit)
    assert scene.nodes[0].ledger.admit(PermitId(permit), UseKind.ROUND, 7, "earlier", bytes(32), 1, 0.0, bytes(32))
    assert refused(scene.send_round(permit)).reason is Reason.ROUNDS_EXHAUSTED
    assert scene.traces() == []


def test_a_node_without_its_ledger_computes_nothing(scene):
    permit = scene.issue()
    scene.open_round(permit)
    scene.nodes[0].close()
    reply = scene.send_round(permit)
    assert reply.error.code == NODE_FAULT and "ledger" in reply.error.reason
    assert scene.traces() == []
    assert scene.registry.uses(permit) == []
