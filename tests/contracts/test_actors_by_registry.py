"""Who acts, through the registry: the same on the contracts and on the reference model (``test_actors.py``)."""

from types import SimpleNamespace

import pytest
from tests.contracts.conftest import as_it_was
from tests.contracts.test_actors import CID, DAY, HASH, MACHINE, NEW, OWN, ROUTINE, delegate, ids

from belmont.registry.claims import AskedQuestion, TotalClaim
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.tree import Batch
from belmont.registry.errors import RegistryRefused
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, MicroRho, Role, StudyStatus, UseKind


@pytest.fixture(scope="module")
def made(paired_for_a_module):
    """A permit with two rounds and a query that are opened, one round answered, and studies that are voted on.

    And under another permit a model that is announced for release, to which a holder objected.
    """
    paired = paired_for_a_module
    datasets = paired.datasets(proven=True)
    permit = paired.permit(datasets, min_hospitals=1)
    for n in (1, 2):
        paired.round(permit, n)
    paired.record(permit, datasets[0], n=2)
    paired.registry.as_(paired.data_user).open_query(permit, 1, HASH, datasets)
    released = paired.permit(datasets, min_hospitals=1)
    paired.round(released)
    paired.record(released, datasets[1], by=paired.other_holder)
    paired.registry.as_(paired.data_user).releases.release(released, HASH, 1, HASH, HASH)
    paired.registry.as_(paired.holder).releases.object(released, HASH)
    study, conditional = paired.study(datasets), paired.study(datasets)
    paired.registry.as_(paired.board[1]).vote(conditional, True, "", HASH)
    fields = {"permit": permit, "released": released, "study": study, "conditional": conditional}
    return SimpleNamespace(consortium=paired, datasets=datasets, **fields)


@pytest.fixture
def stage(made):
    with as_it_was(made.consortium) as consortium:
        yield SimpleNamespace(**{**made.__dict__, "consortium": consortium})


def claim(stage):
    return TotalClaim(stage.permit, 1, stage.datasets, AskedQuestion(b"{}", HASH, b"\x00", HASH), 0, (), 1, bytes(48))


def registration(stage):
    until = stage.consortium.evm.now + 2 * 365 * DAY
    return "name", 1 << 4, HASH, 1, 1, until, MicroRho(1)


def profile(stage):
    return stage.consortium.profile(MACHINE, Role.AUDITOR)


def root(stage):
    return stage.consortium.registry.dataset(stage.datasets[0]).consent_root


CALLS = {
    ("Members", "proposeAdmission"): lambda r, s: r.propose_admission(profile(s), CID),
    ("Members", "proposeRemoval"): lambda r, s: r.propose_removal(Address(s.consortium.auditor.address)),
    ("Members", "replaceKeys"): lambda r, s: r.replace_keys(HASH, HASH),
    ("Members", "support"): lambda r, s: r.support(1),
    ("Datasets", "register"): lambda r, s: r.register_dataset(*registration(s)),
    ("Datasets", "addVersion"): lambda r, s: r.add_version(s.datasets[0], CID, 10, HASH, root(s)),
    ("Datasets", "extendRetention"): lambda r, s: r.extend_retention(s.datasets[0], 2**63),
    ("Datasets", "freeze"): lambda r, s: r.freeze_dataset(s.datasets[0]),
    ("Datasets", "unfreeze"): lambda r, s: r.unfreeze_dataset(s.datasets[0]),
    ("Datasets", "destroy"): lambda r, s: r.destroy_dataset(s.datasets[0], HASH),
    ("Consents", "publishBatch"): lambda r, s: r.consents.publish_batch(s.datasets[0], Batch(HASH, 1)),
    ("Consents", "grant"): lambda r, s: r.consents.grant(s.datasets[0], Scope(1 << 37, 1, 0, 1), 1),
    ("Consents", "revoke"): lambda r, s: r.consents.revoke(s.datasets[0], 1),
    ("Studies", "propose"): lambda r, s: r.propose(s.consortium.terms(s.datasets)),
    ("Studies", "proposeAmendment"): lambda r, s: r.propose_amendment(s.permit, s.consortium.terms(s.datasets)),
    ("Studies", "vote"): lambda r, s: r.vote(s.study, True),
    ("Studies", "recuse"): lambda r, s: r.recuse(s.study),
    ("Studies", "agree"): lambda r, s: r.agree(s.conditional, r.study(s.conditional).conditions),
    ("Studies", "accept"): lambda r, s: r.accept(s.study, s.datasets[0]),
    ("Studies", "cancel"): lambda r, s: r.cancel(s.study),
    ("Permits", "freeze"): lambda r, s: r.freeze_permit(s.permit, 60),
    ("Permits", "voteLift"): lambda r, s: r.vote_lift(s.permit),
    ("Permits", "voteRevoke"): lambda r, s: r.vote_revoke(s.permit),
    ("Permits", "withdraw"): lambda r, s: r.withdraw(s.permit, s.datasets[0]),
    ("Uses", "openRound"): lambda r, s: r.open_round(s.permit, 3, HASH, s.datasets),
    ("Uses", "openQuery"): lambda r, s: r.open_query(s.permit, 2, HASH, s.datasets),
    ("Uses", "closeRound"): lambda r, s: r.close_round(s.permit, 2),
    ("Uses", "recordUse"): lambda r, s: r.record_use(
        s.permit, UseKind.ROUND, 1, s.datasets[0], HASH, MicroRho(1), 1, root(s)
    ),
    ("Totals", "publish"): lambda r, s: r.publish_total(claim(s)),
    ("Releases", "release"): lambda r, s: r.releases.release(s.permit, HASH, 2, HASH, HASH),
    ("Releases", "object"): lambda r, s: r.releases.object(s.released, HASH),
    ("Releases", "voteConfirm"): lambda r, s: r.releases.vote_confirm(s.released, HASH),
    ("Releases", "withdraw"): lambda r, s: r.releases.withdraw(s.released, HASH),
    ("Rules", "proposeRule"): lambda r, s: r.rules.propose_rule(Rule.LAY_VOTES, 1),
    ("Rules", "proposeRedemption"): lambda r, s: r.rules.propose_redemption(Address(MACHINE.address), 1, "Note"),
    ("Rules", "support"): lambda r, s: r.rules.support(1),
    ("Rules", "withdrawSupport"): lambda r, s: r.rules.withdraw_support(1),
    ("Rules", "votePause"): lambda r, s: r.rules.vote_pause(1),
    ("Rules", "voteResume"): lambda r, s: r.rules.vote_resume(1),
}
ELSEWHERE = {("Rules", "proposeCode"), ("Relay", "cancel")}
"""The model has no code and no chain to sign for: proxy/, relay/."""


def who(stage, write):
    """Who can do it, if anybody; of what nobody can do now, somebody."""
    name, function = write
    its = stage.consortium
    if name == "Releases":
        return its.data_user if function in ("release", "withdraw") else its.board[0]
    if name in ("Uses", "Totals") or function in ("propose", "proposeAmendment", "cancel", "agree"):
        return its.holder if function == "recordUse" else its.data_user
    return its.holder if name in ("Datasets", "Consents") or function in ("accept", "withdraw") else its.board[0]


def outcome(stage, write, registry):
    """What it is refused with; nothing where it is done."""
    try:
        CALLS[write](registry, stage)
    except RegistryRefused as refused:
        return refused.reason
    return ""


def test_every_write_with_an_actor_is_called_here():
    assert set(CALLS) | ELSEWHERE == set(OWN)


@pytest.mark.parametrize("write", CALLS, ids=ids)
def test_through_the_registry_a_stranger_or_a_delegate_gets_no_further(stage, write):
    actor = who(stage, write)
    identity = Address(actor.address)
    registry = stage.consortium.registry
    assert outcome(stage, write, registry.as_(stage.consortium.non_member, identity)) == "NOT_THE_ACTOR"
    delegate(stage.consortium, actor, MACHINE)
    as_delegate = outcome(stage, write, registry.as_(MACHINE, identity))
    assert (as_delegate == "NOT_THE_ACTOR") == (write not in ROUTINE)
    assert outcome(stage, write, registry.as_(MACHINE)) != ""


@pytest.mark.parametrize("write", CALLS, ids=ids)
def test_through_the_registry_a_new_key_acts_as_the_old_identity(stage, write):
    """With the same outcome as the old key had before, and that is a refusal only where the act itself is refused."""
    actor, registry = who(stage, write), stage.consortium.registry
    identity = Address(actor.address)
    registry.as_(actor).identities.change_owner(Address(NEW.address))
    assert outcome(stage, write, registry.as_(actor)) == "NOT_THE_ACTOR"
    refused = {
        ("Members", "support"): "PROPOSAL_UNKNOWN",
        ("Rules", "support"): "PROPOSAL_UNKNOWN",
        ("Rules", "withdrawSupport"): "PROPOSAL_UNKNOWN",
        ("Rules", "voteResume"): "NOT_PAUSED",
        ("Datasets", "extendRetention"): "RETENTION_INVALID",
        ("Datasets", "unfreeze"): "DATASET_NOT_FROZEN",
        ("Consents", "grant"): "NOT_ENROLLED",
        ("Consents", "revoke"): "NOT_ENROLLED",
        ("Permits", "voteLift"): "PERMIT_NOT_FROZEN",
        ("Totals", "publish"): "QUERY_MISMATCH",
        ("Releases", "voteConfirm"): "OBJECTIONS_OPEN",
    }
    before = len(registry.audit_events())
    assert outcome(stage, write, registry.as_(NEW, identity)) == refused.get(write, "")
    newer = registry.audit_events()[before:]
    assert {each.actor for each in newer} == (set() if write in refused else {identity})


def test_what_a_delegate_did_stands_under_the_hospitals_name(stage):
    consortium, registry = stage.consortium, stage.consortium.registry
    for actor in (consortium.holder, consortium.data_user):
        delegate(consortium, actor, MACHINE)
    as_node = registry.as_(MACHINE, Address(consortium.holder.address))
    as_machine = registry.as_(MACHINE, Address(consortium.data_user.address))
    as_machine.open_round(stage.permit, 3, HASH, stage.datasets)
    as_node.record_use(stage.permit, UseKind.ROUND, 3, stage.datasets[0], HASH, MicroRho(1), 1, root(stage))
    as_node.consents.publish_batch(stage.datasets[0], Batch(HASH, 1))
    as_node.add_version(stage.datasets[0], CID, 10, HASH, root(stage))
    as_machine.close_round(stage.permit, 3)
    names = ("RoundOpened", "UseRecorded", "BatchPublished", "VersionAdded", "RoundClosed")
    actors = [actor for name, actor, _ in consortium.events(*names)]
    user, holder = consortium.data_user.address, consortium.holder.address
    assert actors[-5:] == [user, holder, holder, holder, user]
    assert registry.credits.balance(consortium.holder.address).earned == 140
    assert registry.credits.balance(Address(MACHINE.address)).earned == 0


def test_a_new_key_does_not_vote_a_second_time_and_is_no_member_itself(stage, refused):
    consortium, registry = stage.consortium, stage.consortium.registry
    member = consortium.board[0]
    registry.as_(member).vote(stage.study, True)
    registry.as_(member).identities.change_owner(Address(NEW.address))
    with refused("ALREADY_VOTED"):
        registry.as_(NEW, Address(member.address)).vote(stage.study, True)
    with refused("NOT_ETHICS_BOARD"):
        registry.as_(NEW).vote(stage.study, True)
    registry.as_(consortium.board[1]).vote(stage.study, True)
    assert registry.study(stage.study).status is StudyStatus.APPROVED
