"""What a pause stops, and what it leaves to everybody: deciding, and taking back."""

from types import SimpleNamespace

import pytest
from eth_utils import to_checksum_address

from belmont.registry.claims import AskedQuestion, TotalClaim
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import Batch, ConsentTree
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, MemberStatus, PermitStatus, Role, StudyStatus

DAY = 24 * 3600
HASH = b"\x11" * 32
PATIENT = SimpleNamespace(address=to_checksum_address(b"\xa1" * 20))


@pytest.fixture
def stage(chamber):
    """A permit with a round that is opened and one that could be closed, a study that could be issued, and a pause."""
    consortium = chamber.consortium
    datasets = consortium.datasets(proven=True)
    permit = consortium.permit(datasets, min_hospitals=1)
    for n in (1, 2):
        consortium.round(permit, n)
    consortium.record(permit, datasets[0], n=2)
    approved = consortium.study()
    consortium.approve(approved)
    consortium.accept(approved)
    return SimpleNamespace(
        chamber=chamber,
        consortium=consortium,
        as_data_user=consortium.registry.as_(consortium.data_user),
        permit=permit,
        datasets=datasets,
        approved=approved,
    )


@pytest.fixture
def paused(stage):
    stage.chamber.pause()
    return stage


STOPPED = {
    "issue": lambda stage: stage.consortium.registry.as_(stage.consortium.non_member).issue(stage.approved),
    "openRound": lambda stage: stage.as_data_user.open_round(stage.permit, 3, HASH, stage.datasets),
    "openQuery": lambda stage: stage.as_data_user.open_query(stage.permit, 1, HASH, stage.datasets),
    "closeRound": lambda stage: stage.as_data_user.close_round(stage.permit, 2),
    "recordUse": lambda stage: stage.consortium.record(stage.permit, stage.datasets[0]),
}


@pytest.mark.parametrize("act", STOPPED)
def test_nothing_is_issued_opened_closed_or_recorded_until_it_lapses(paused, refused, act):
    paused.chamber.wait(30 * DAY - 1)
    with refused("CONSORTIUM_PAUSED"):
        STOPPED[act](paused)
    assert paused.consortium.registry.permit(paused.permit).rounds_opened == 2
    paused.chamber.wait(1)
    STOPPED[act](paused)


@pytest.mark.parametrize("act", STOPPED)
def test_nothing_is_issued_opened_closed_or_recorded_until_the_board_resumes(paused, refused, act):
    with refused("CONSORTIUM_PAUSED"):
        STOPPED[act](paused)
    for member in paused.consortium.board[1:]:
        paused.chamber.rules(member).vote_resume(1)
    STOPPED[act](paused)


@pytest.mark.parametrize("act", STOPPED)
def test_a_pause_says_so_before_it_says_anything_else(paused, refused, act):
    """Even of a permit that is not there."""
    paused.permit = paused.approved = 99
    with refused("CONSORTIUM_PAUSED"):
        STOPPED[act](paused)


def test_everybody_who_asks_sees_until_when(paused):
    view = paused.consortium.registry.view(paused.permit, paused.datasets[0], 1, 1)
    assert view.paused_until == paused.chamber.now + 30 * DAY


def test_studies_are_proposed_voted_on_accepted_and_cancelled(paused):
    consortium, registry = paused.consortium, paused.consortium.registry
    study, other = consortium.study(), consortium.study()
    consortium.accept(study)
    consortium.approve(study)
    assert registry.study(study).status is StudyStatus.APPROVED
    registry.as_(consortium.data_user).cancel(other)
    assert registry.study(other).status is StudyStatus.CANCELLED


def test_an_amendment_is_proposed_and_is_not_issued(paused, refused):
    consortium, registry = paused.consortium, paused.consortium.registry
    amendment = registry.as_(consortium.data_user).propose_amendment(paused.permit, consortium.terms(paused.datasets))
    consortium.approve(amendment)
    consortium.accept(amendment)
    with refused("CONSORTIUM_PAUSED"):
        registry.as_(consortium.non_member).issue(amendment)
    assert registry.permit(paused.permit).superseded_by == 0


def test_a_permit_is_frozen_lifted_withdrawn_from_and_revoked(paused):
    consortium, registry = paused.consortium, paused.consortium.registry
    registry.as_(consortium.holder).freeze_permit(paused.permit, DAY)
    assert registry.permit(paused.permit).status is PermitStatus.FROZEN
    for member in consortium.board[:2]:
        registry.as_(member).vote_lift(paused.permit)
    assert registry.permit(paused.permit).status is PermitStatus.ACTIVE
    registry.as_(consortium.holder).withdraw(paused.permit, paused.datasets[0])
    assert registry.permit(paused.permit).covered == paused.datasets[1:]
    for member in consortium.board[:2]:
        registry.as_(member).vote_revoke(paused.permit)
    assert registry.permit(paused.permit).status is PermitStatus.REVOKED


def test_patients_enrol_grant_and_revoke(paused):
    consortium, dataset = paused.consortium, paused.datasets[0]
    registry, scope = consortium.registry, Scope(1 << 37, 7, 1_700_000_000, 1_900_000_000)
    tree = ConsentTree([(account_key(PATIENT.address), scope.hash), (b"\x01" * 32, scope.hash)])
    registry.as_(consortium.holder).consents.publish_batch(dataset, tree.batch)
    shown = tree.membership(account_key(PATIENT.address))
    registry.as_(consortium.non_member).consents.enrol(dataset, Address(PATIENT.address), shown)
    as_patient = registry.as_(PATIENT).consents
    as_patient.grant(dataset, scope, 1)
    as_patient.revoke(dataset, 2)
    assert as_patient.state(dataset).statements == 2


def test_datasets_are_kept_as_ever(paused):
    consortium = paused.consortium
    as_holder, other = consortium.registry.as_(consortium.holder), consortium.dataset(proven=True)
    as_holder.freeze_dataset(other)
    as_holder.unfreeze_dataset(other)
    paused.chamber.wait(1)
    as_holder.extend_retention(other, consortium.registry.dataset(other).retention_until + 1)
    as_holder.consents.publish_batch(other, Batch(b"\x02" * 32, 1))
    as_holder.destroy_dataset(other, HASH)


def test_members_and_rules_are_voted_on(paused):
    consortium, chamber = paused.consortium, paused.chamber
    chamber.admit(consortium.non_member, Role.DATA_HOLDER)
    consortium.remove(consortium.other_holder)
    assert consortium.registry.member(consortium.other_holder.address).status is MemberStatus.REMOVED
    proposal = chamber.rules(consortium.auditor).propose_rule(Rule.PAUSE_SECONDS, DAY)
    for member in consortium.board:
        chamber.rules(member).support(proposal)
    chamber.wait(7 * DAY)
    chamber.rules().enact(proposal)
    assert chamber.rules().setting(Rule.PAUSE_SECONDS) == DAY


def test_a_shorter_pause_by_rule_does_not_shorten_the_one_that_is_on(paused):
    until = paused.chamber.rules().pause().until
    paused.chamber.set(Rule.PAUSE_SECONDS, DAY)
    assert paused.chamber.rules().pause().until == until > paused.chamber.now


def test_totals_of_what_was_answered_before_are_nobodys_to_stop(paused, refused):
    """Publishing computes on no data: what is refused here is refused for what it is."""
    claim = TotalClaim(paused.permit, 1, (), AskedQuestion(b"{}", HASH, b"\x00", HASH), 0, (), 1, bytes(48))
    with refused("QUERY_NOT_OPEN"):
        paused.consortium.registry.as_(paused.consortium.data_user).publish_total(claim)
