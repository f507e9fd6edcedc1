import pytest

from belmont.registry.types import Address, MemberStatus, Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)

MONTH = 30 * 24 * 3600


@pytest.fixture
def admission(consortium):
    """Three of seven members are for it; four make the majority."""
    newcomer = consortium.profile(consortium.non_member, Role.DATA_HOLDER)
    proposal = consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)
    for supporter in consortium.board[:2]:
        consortium.registry.as_(supporter).support(proposal)
    return proposal


def shrink(consortium):
    """Five members are left, and three make the majority."""
    consortium.remove(consortium.other_holder)
    consortium.remove(consortium.data_user)


def status(consortium):
    member = consortium.registry.member(consortium.non_member.address)
    return member.status if member else MemberStatus.UNKNOWN


def test_fewer_members_can_make_earlier_support_enough(consortium, admission, refused):
    shrink(consortium)
    assert status(consortium) is MemberStatus.UNKNOWN
    for supporter in (consortium.auditor, *consortium.board[:2]):
        with refused("ALREADY_VOTED"):
            consortium.registry.as_(supporter).support(admission)
    consortium.registry.as_(consortium.data_user).tally_proposal(admission)
    assert status(consortium) is MemberStatus.ACTIVE
    assert consortium.registry.proposal(admission).executed


def test_a_removal_does_not_hang_either(consortium):
    holder = Address(consortium.holder.address)
    proposal = consortium.registry.as_(consortium.auditor).propose_removal(holder)
    for supporter in consortium.board[:2]:
        consortium.registry.as_(supporter).support(proposal)
    shrink(consortium)
    consortium.registry.as_(consortium.auditor).tally_proposal(proposal)
    assert consortium.registry.member(holder).status is MemberStatus.REMOVED
    assert consortium.events("MemberRemoved")[-1][1:] == (consortium.auditor.address, {"account": holder})


def test_too_little_support_carries_nothing(consortium, admission, refused):
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.auditor).tally_proposal(admission)


def test_support_of_removed_members_does_not_count(consortium, admission, refused):
    consortium.remove(consortium.data_user)
    consortium.remove(consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.auditor).tally_proposal(admission)


def test_the_rules_are_checked_again(consortium, refused):
    consortium.enlarge_board()
    proposals = []
    for member in consortium.board[1:]:
        proposals.append(consortium.registry.as_(consortium.auditor).propose_removal(Address(member.address)))
        for supporter in (consortium.holder, consortium.board[0]):
            consortium.registry.as_(supporter).support(proposals[-1])
    shrink(consortium)
    consortium.remove(consortium.non_member)
    consortium.registry.as_(consortium.auditor).tally_proposal(proposals[0])
    with refused("BOARD_TOO_SMALL"):
        consortium.registry.as_(consortium.auditor).tally_proposal(proposals[1])


def test_a_proposal_that_is_unknown_carried_out_or_too_old_is_refused(consortium, admission, refused):
    shrink(consortium)
    with refused("PROPOSAL_UNKNOWN"):
        consortium.registry.as_(consortium.auditor).tally_proposal(admission + 99)
    consortium.evm.now += MONTH
    with refused("PROPOSAL_CLOSED"):
        consortium.registry.as_(consortium.auditor).tally_proposal(admission)
    consortium.evm.now -= 1
    consortium.registry.as_(consortium.auditor).tally_proposal(admission)
    with refused("PROPOSAL_CLOSED"):
        consortium.registry.as_(consortium.auditor).tally_proposal(admission)
