"""What each of the ten numbers changes, once it is another."""

import pytest

from belmont.registry.credits.protocol import Balance
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, MemberStatus, PermitStatus, Role, StudyStatus

DAY = 24 * 3600
WEEK = 7 * DAY
VETTING = b"\x01\x55\x12\x20" + bytes(32)


def admission(chamber):
    """Of somebody who is no member, proposed by the auditor."""
    newcomer = chamber.consortium.profile(chamber.consortium.non_member, Role.AUDITOR)
    return chamber.consortium.registry.as_(chamber.consortium.auditor).propose_admission(newcomer, VETTING)


# --- board quorum ---


@pytest.mark.parametrize(("percent", "quorum"), [(66, 2), (67, 3), (80, 3)])
def test_the_boards_quorum_is_more_than_its_share(chamber, refused, percent, quorum):
    """Of three members. Studies, revocations, lifted freezes and pauses are all decided by it."""
    chamber.set(Rule.BOARD_QUORUM_PERCENT, percent)
    consortium, registry = chamber.consortium, chamber.consortium.registry
    permit = consortium.study()
    assert registry.study(permit).quorum == quorum
    for place, member in enumerate(consortium.board[:quorum], start=1):
        registry.as_(member).vote(permit, True)
        assert (registry.study(permit).status is StudyStatus.APPROVED) == (place == quorum)
    consortium.accept(permit)
    registry.as_(consortium.non_member).issue(permit)
    registry.as_(consortium.holder).freeze_permit(permit, WEEK)
    for place, member in enumerate(consortium.board[:quorum], start=1):
        registry.as_(member).vote_lift(permit)
        assert (registry.permit(permit).status is PermitStatus.ACTIVE) == (place == quorum)
    for place, member in enumerate(consortium.board[:quorum], start=1):
        registry.as_(member).vote_revoke(permit)
        assert (registry.permit(permit).status is PermitStatus.REVOKED) == (place == quorum)
    for place, member in enumerate(consortium.board[:quorum], start=1):
        chamber.rules(member).vote_pause(1)
        assert (chamber.rules().pause().number == 1) == (place == quorum)
    for place, member in enumerate(consortium.board[:quorum], start=1):
        chamber.rules(member).vote_resume(1)
        assert (chamber.rules().pause().until == 0) == (place == quorum)


def test_a_study_is_refused_as_soon_as_a_higher_quorum_is_out_of_reach(chamber):
    chamber.set(Rule.BOARD_QUORUM_PERCENT, 67)
    study = chamber.consortium.study()
    chamber.consortium.registry.as_(chamber.consortium.board[0]).vote(study, False)
    assert chamber.consortium.registry.study(study).status is StudyStatus.REFUSED


def test_votes_that_stand_are_held_against_the_quorum_of_now(chamber, refused):
    """Two are enough once three were asked for and two are again."""
    consortium, registry = chamber.consortium, chamber.consortium.registry
    chamber.set(Rule.BOARD_QUORUM_PERCENT, 67)
    study = consortium.study()
    consortium.approve(study)
    with refused("VOTE_UNDECIDED"):
        registry.as_(consortium.non_member).tally(study)
    chamber.set(Rule.BOARD_QUORUM_PERCENT, 50)
    registry.as_(consortium.non_member).tally(study)
    assert registry.study(study).status is StudyStatus.APPROVED


# --- majority ---


@pytest.mark.parametrize(("percent", "majority"), [(57, 4), (58, 5), (71, 5), (72, 6), (80, 6)])
def test_the_members_majority_is_more_than_its_share(chamber, percent, majority):
    """Of seven members, for admissions as well as for rules."""
    chamber.set(Rule.MAJORITY_PERCENT, percent)
    registry, admitted, proposal = chamber.consortium.registry, admission(chamber), chamber.propose(Rule.LAY_VOTES, 1)
    for place, member in enumerate(chamber.everybody[1:majority], start=2):
        # The rule first: whoever is admitted counts from then on.
        chamber.rules(member).support(proposal)
        registry.as_(member).support(admitted)
        assert registry.proposal(admitted).executed == (place == majority)
        assert bool(chamber.rules().proposal(proposal).carried_at) == (place == majority)


# --- size of the board ---


def test_the_board_keeps_as_many_members_as_the_rule_asks_for(chamber, refused):
    consortium, registry = chamber.consortium, chamber.consortium.registry
    chamber.set(Rule.BOARD_MIN, 3)
    proposal = registry.as_(consortium.auditor).propose_removal(Address(consortium.board[2].address))
    for member in (consortium.holder, consortium.other_holder):
        registry.as_(member).support(proposal)
    with refused("BOARD_TOO_SMALL"):
        registry.as_(consortium.board[0]).support(proposal)
    assert registry.member(consortium.board[2].address).status is MemberStatus.ACTIVE
    chamber.set(Rule.BOARD_MIN, 2)
    registry.as_(consortium.board[0]).support(proposal)
    assert registry.member(consortium.board[2].address).status is MemberStatus.REMOVED


def test_a_rule_for_more_than_there_are_keeps_the_board_and_lets_others_go(chamber):
    chamber.set(Rule.BOARD_MIN, 32)
    chamber.consortium.remove(chamber.consortium.data_user)


# --- times ---


@pytest.mark.parametrize("days", [1, 90])
def test_proposals_are_open_for_as_long_as_the_rule_says(chamber, refused, days):
    chamber.set(Rule.PROPOSAL_SECONDS, days * DAY)
    registry, admitted, proposal = chamber.consortium.registry, admission(chamber), chamber.propose(Rule.LAY_VOTES, 1)
    chamber.wait(days * DAY - 1)
    registry.as_(chamber.everybody[1]).support(admitted)
    chamber.rules(chamber.everybody[1]).support(proposal)
    chamber.wait(1)
    with refused("PROPOSAL_CLOSED"):
        registry.as_(chamber.everybody[2]).support(admitted)
    with refused("PROPOSAL_CLOSED"):
        chamber.rules(chamber.everybody[2]).support(proposal)
    with refused("PROPOSAL_CLOSED"):
        registry.as_(chamber.everybody[2]).tally_proposal(admitted)


@pytest.mark.parametrize("days", [1, 60])
def test_what_is_carried_waits_for_as_long_as_the_rule_says(chamber, refused, days):
    chamber.set(Rule.DELAY_SECONDS, days * DAY)
    proposal = chamber.carry(chamber.propose(Rule.LAY_VOTES, 1))
    chamber.wait(days * DAY - 1)
    with refused("TOO_EARLY"):
        chamber.rules().enact(proposal)
    chamber.wait(1)
    chamber.rules().enact(proposal)


def test_a_freeze_lasts_as_long_as_the_rule_says_at_most(chamber, refused):
    consortium, registry = chamber.consortium, chamber.consortium.registry
    permit, before = consortium.permit(), consortium.permit()
    registry.as_(consortium.board[0]).freeze_permit(before, WEEK)
    until = registry.permit(before).frozen_until
    chamber.set(Rule.FREEZE_SECONDS, DAY)
    with refused("FREEZE_INVALID"):
        registry.as_(consortium.board[0]).freeze_permit(permit, DAY + 1)
    registry.as_(consortium.board[0]).freeze_permit(permit, DAY)
    assert registry.permit(permit).frozen_until == chamber.now + DAY
    assert registry.permit(before).frozen_until == until


@pytest.mark.parametrize("days", [1, 90])
def test_a_pause_lasts_as_long_as_the_rule_says(chamber, refused, days):
    chamber.set(Rule.PAUSE_SECONDS, days * DAY)
    permit = chamber.consortium.permit()
    chamber.pause()
    assert chamber.rules().pause().until == chamber.now + days * DAY
    chamber.wait(days * DAY - 1)
    with refused("CONSORTIUM_PAUSED"):
        chamber.consortium.round(permit)
    chamber.wait(1)
    chamber.consortium.round(permit)


# --- votes of lay members, and credits ---


def test_an_approval_needs_the_votes_of_lay_members_that_the_rule_asks_for(chamber):
    consortium, registry = chamber.consortium, chamber.consortium.registry
    chamber.admit(consortium.non_member, Role.ETHICS_BOARD | Role.LAY)
    chamber.set(Rule.LAY_VOTES, 1)
    study = consortium.study()
    for member in consortium.board:
        registry.as_(member).vote(study, True)
    assert registry.study(study).status is StudyStatus.PROPOSED
    registry.as_(consortium.non_member).vote(study, True)
    assert registry.study(study).status is StudyStatus.APPROVED


def test_the_patients_share_is_that_of_when_a_use_is_recorded(chamber):
    consortium, credits = chamber.consortium, chamber.consortium.registry.credits
    dataset = consortium.dataset(proven=True)
    permit = consortium.permit((dataset, consortium.dataset(consortium.other_holder)))
    holder, patients = 0, 0
    for n, percent in enumerate((30, 0, 100), start=1):
        if n > 1:
            chamber.set(Rule.PATIENTS_PERCENT, percent)
        consortium.round(permit, n)
        consortium.record(permit, dataset, n=n)
        holder, patients = holder + 100 - percent, patients + percent
        assert credits.balance(consortium.holder.address) == Balance(holder)
        assert credits.pool(dataset) == Balance(patients)
