import pytest

from belmont.registry.rules.protocol import Rule

DAY = 24 * 3600


@pytest.fixture
def proposal(chamber):
    """Proposed by the auditor; four of the seven members carry it."""
    return chamber.propose(Rule.MAJORITY_PERCENT, 60)


def support(chamber, proposal, *supporters):
    for supporter in supporters:
        chamber.rules(supporter).support(proposal)


def test_half_of_the_members_is_not_enough(chamber, proposal):
    support(chamber, proposal, *chamber.everybody[1:3])
    found = chamber.rules().proposal(proposal)
    assert (len(found.supporters), found.carried_at, found.enactable_at) == (3, 0, 0)
    assert chamber.consortium.events("ProposalCarried") == []


def test_the_majority_carries_it_and_starts_the_delay(chamber, proposal):
    chamber.wait(5)
    support(chamber, proposal, *chamber.everybody[1:4])
    found = chamber.rules().proposal(proposal)
    assert found.supporters == tuple(each.address for each in chamber.everybody[:4])
    assert (found.carried_at, found.enactable_at) == (chamber.now, chamber.now + 7 * DAY)
    assert not found.enacted
    assert chamber.rules().setting(Rule.MAJORITY_PERCENT) == 50


def test_announces_the_support_and_that_it_is_carried(chamber, proposal):
    support(chamber, proposal, *chamber.everybody[1:4])
    last = chamber.everybody[3].address
    events = chamber.consortium.events("RuleProposalSupported", "ProposalCarried")
    assert [each[:2] for each in events[:2]] == [
        ("RuleProposalSupported", each.address) for each in chamber.everybody[1:3]
    ]
    assert events[2:] == [
        ("RuleProposalSupported", last, {"proposal": proposal}),
        ("ProposalCarried", last, {"proposal": proposal, "enactable_at": chamber.now + 7 * DAY}),
    ]


def test_everybody_supports_once_the_proposer_by_proposing(chamber, proposal, refused):
    support(chamber, proposal, chamber.consortium.holder)
    for supporter in (chamber.consortium.auditor, chamber.consortium.holder):
        with refused("ALREADY_VOTED"):
            support(chamber, proposal, supporter)
    assert len(chamber.rules().proposal(proposal).supporters) == 2


def test_nobody_but_an_active_member_supports(chamber, proposal, refused):
    consortium = chamber.consortium
    consortium.remove(consortium.other_holder)
    for somebody in (consortium.non_member, consortium.other_holder):
        with refused("NOT_MEMBER"):
            support(chamber, proposal, somebody)


@pytest.mark.parametrize("number", [0, 2])
def test_an_unknown_proposal_is_refused(chamber, proposal, refused, number):
    with refused("PROPOSAL_UNKNOWN"):
        support(chamber, number, chamber.consortium.holder)


def test_a_carried_proposal_takes_no_more_support(chamber, proposal, refused):
    chamber.carry(proposal)
    with refused("PROPOSAL_CLOSED"):
        support(chamber, proposal, chamber.consortium.board[2])


def test_a_proposal_is_open_for_thirty_days(chamber, proposal, refused):
    chamber.wait(30 * DAY - 1)
    support(chamber, proposal, chamber.consortium.holder)
    chamber.wait(1)
    with refused("PROPOSAL_CLOSED"):
        support(chamber, proposal, chamber.consortium.other_holder)


def test_support_of_a_member_removed_since_does_not_count(chamber, proposal):
    """Six are left, and four make a majority still."""
    consortium = chamber.consortium
    support(chamber, proposal, consortium.other_holder)
    consortium.remove(consortium.other_holder)
    support(chamber, proposal, *consortium.board[:2])
    assert not chamber.rules().proposal(proposal).carried_at
    support(chamber, proposal, consortium.board[2])
    assert chamber.rules().proposal(proposal).carried_at


def test_of_two_proposals_for_one_rule_the_earlier_is_not_enacted_after_the_later(chamber, refused):
    proposals = [chamber.propose(Rule.PATIENTS_PERCENT, percent) for percent in (10, 90)]
    for proposal in proposals:
        chamber.carry(proposal)
    chamber.wait(7 * DAY)
    chamber.rules().enact(proposals[1])
    with refused("PROPOSAL_OVERTAKEN"):
        chamber.rules().enact(proposals[0])
    assert chamber.rules().setting(Rule.PATIENTS_PERCENT) == 90
