import pytest

from belmont.registry.rules.protocol import Rule

DAY = 24 * 3600


@pytest.fixture
def proposal(chamber):
    """Three of seven members are for it; four make the majority."""
    proposal = chamber.propose(Rule.MAJORITY_PERCENT, 60)
    for supporter in chamber.consortium.board[:2]:
        chamber.rules(supporter).support(proposal)
    return proposal


def shrink(chamber):
    """Five members are left, and three make the majority."""
    chamber.consortium.remove(chamber.consortium.other_holder)
    chamber.consortium.remove(chamber.consortium.data_user)


def test_fewer_members_can_make_earlier_support_enough(chamber, proposal):
    shrink(chamber)
    assert not chamber.rules().proposal(proposal).carried_at
    chamber.wait(60)
    chamber.rules().tally(proposal)
    found = chamber.rules().proposal(proposal)
    assert (found.carried_at, found.enactable_at) == (chamber.now, chamber.now + 7 * DAY)
    details = {"proposal": proposal, "enactable_at": found.enactable_at}
    stranger = chamber.consortium.non_member.address
    assert chamber.consortium.events("ProposalCarried") == [("ProposalCarried", stranger, details)]


def test_too_little_support_carries_nothing(chamber, proposal, refused):
    with refused("VOTE_UNDECIDED"):
        chamber.rules().tally(proposal)
    chamber.consortium.remove(chamber.consortium.other_holder)
    with refused("VOTE_UNDECIDED"):
        chamber.rules().tally(proposal)


def test_support_of_removed_members_does_not_count(chamber, proposal, refused):
    chamber.consortium.remove(chamber.consortium.data_user)
    chamber.consortium.remove(chamber.consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        chamber.rules().tally(proposal)


def test_a_lower_majority_makes_earlier_support_enough_as_well(chamber):
    """Five of seven at first, and four again once the rule is back."""
    chamber.set(Rule.MAJORITY_PERCENT, 60)
    waiting = chamber.propose(Rule.PATIENTS_PERCENT, 50)
    for supporter in chamber.everybody[1:4]:
        chamber.rules(supporter).support(waiting)
    assert not chamber.rules().proposal(waiting).carried_at
    chamber.set(Rule.MAJORITY_PERCENT, 50)
    chamber.rules().tally(waiting)
    assert chamber.rules().proposal(waiting).carried_at == chamber.now


def test_a_proposal_that_is_unknown_carried_or_too_old_is_refused(chamber, proposal, refused):
    shrink(chamber)
    for unknown in (0, proposal + 1):
        with refused("PROPOSAL_UNKNOWN"):
            chamber.rules().tally(unknown)
    chamber.wait(30 * DAY)
    with refused("PROPOSAL_CLOSED"):
        chamber.rules().tally(proposal)
    chamber.wait(-1)
    chamber.rules().tally(proposal)
    with refused("PROPOSAL_CLOSED"):
        chamber.rules().tally(proposal)
