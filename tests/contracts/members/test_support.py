import pytest
from eth_utils import to_canonical_address

from belmont.registry.limits import MEMBERS_MAX
from belmont.registry.types import Address, MemberStatus, Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)

MONTH = 30 * 24 * 3600


@pytest.fixture
def admission(consortium):
    """Proposed by the auditor; four of the seven members carry it."""
    newcomer = consortium.profile(consortium.non_member, Role.DATA_HOLDER)
    return consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)


def support(consortium, proposal, *supporters):
    for supporter in supporters:
        consortium.registry.as_(supporter).support(proposal)


def test_half_of_the_members_is_not_enough(consortium, admission):
    support(consortium, admission, *consortium.board[:2])
    assert consortium.registry.member(consortium.non_member.address) is None
    assert not consortium.registry.proposal(admission).executed


def test_the_majority_admits(consortium, admission):
    support(consortium, admission, *consortium.board)
    assert consortium.registry.member(consortium.non_member.address).status is MemberStatus.ACTIVE
    assert consortium.registry.proposal(admission).executed
    assert consortium.dataset(consortium.non_member)


def test_announces_the_support_and_the_admission(consortium, admission):
    support(consortium, admission, *consortium.board)
    last = consortium.board[2].address
    assert consortium.events("ProposalSupported")[-1] == ("ProposalSupported", last, {"proposal": admission})
    admitted = {"account": consortium.non_member.address, "name": "Newcomer", "roles": 1}
    assert consortium.events("MemberAdmitted")[-1] == ("MemberAdmitted", last, admitted)


def test_the_majority_removes_and_announces_it(consortium):
    consortium.remove(consortium.other_holder)
    assert consortium.registry.member(consortium.other_holder.address).status is MemberStatus.REMOVED
    (removed,) = consortium.events("MemberRemoved")
    assert removed[2] == {"account": consortium.other_holder.address}


def test_a_removed_member_cannot_support(consortium, admission, refused):
    consortium.remove(consortium.other_holder)
    with refused("NOT_MEMBER"):
        support(consortium, admission, consortium.other_holder)


def test_support_of_a_member_removed_since_does_not_count(consortium, admission):
    support(consortium, admission, consortium.other_holder)
    consortium.remove(consortium.other_holder)
    # Six members are left, four make a majority; the auditor, two of the board and a removed one are three.
    support(consortium, admission, *consortium.board[:2])
    assert not consortium.registry.proposal(admission).executed
    support(consortium, admission, consortium.board[2])
    assert consortium.registry.proposal(admission).executed


def test_a_non_member_is_refused(consortium, admission, refused):
    with refused("NOT_MEMBER"):
        support(consortium, admission, consortium.non_member)


def test_supporting_twice_is_refused(consortium, admission, refused):
    support(consortium, admission, consortium.holder)
    with refused("ALREADY_VOTED"):
        support(consortium, admission, consortium.holder)
    with refused("ALREADY_VOTED"):
        support(consortium, admission, consortium.auditor)


def test_an_unknown_proposal_is_refused(consortium, refused):
    with refused("PROPOSAL_UNKNOWN"):
        support(consortium, 1, consortium.holder)


def test_nobody_supports_their_own_removal(consortium, refused):
    proposal = consortium.registry.as_(consortium.auditor).propose_removal(Address(consortium.holder.address))
    with refused("CONCERNS_ITSELF"):
        support(consortium, proposal, consortium.holder)


def test_a_proposal_is_carried_out_once(consortium, admission, refused):
    support(consortium, admission, *consortium.board)
    with refused("PROPOSAL_CLOSED"):
        support(consortium, admission, consortium.holder)


def test_a_proposal_is_open_for_thirty_days(consortium, admission, refused):
    consortium.evm.now += MONTH - 1
    support(consortium, admission, consortium.holder)
    consortium.evm.now += 1
    with refused("PROPOSAL_CLOSED"):
        support(consortium, admission, consortium.other_holder)


def test_the_second_of_two_proposals_for_one_account_is_not_carried_out(consortium, admission, refused):
    again = consortium.registry.as_(consortium.holder).propose_admission(
        consortium.profile(consortium.non_member, Role.DATA_USER), VETTING
    )
    support(consortium, admission, *consortium.board)
    support(consortium, again, *consortium.board)
    with refused("MEMBER_EXISTS"):
        support(consortium, again, consortium.auditor)
    assert consortium.registry.member(consortium.non_member.address).roles is Role.DATA_HOLDER


def test_the_board_keeps_two_members(consortium, refused):
    consortium.remove(consortium.board[2])
    proposal = consortium.registry.as_(consortium.auditor).propose_removal(Address(consortium.board[1].address))
    support(consortium, proposal, consortium.holder)
    with refused("BOARD_TOO_SMALL"):
        support(consortium, proposal, consortium.other_holder)
    assert consortium.registry.member(consortium.board[1].address).status is MemberStatus.ACTIVE
    assert not consortium.registry.proposal(proposal).executed


def test_a_member_is_removed_once_whatever_is_still_proposed(consortium, refused):
    """Otherwise the members would be counted too few, and their majority would shrink."""
    other = Address(consortium.other_holder.address)
    again = consortium.registry.as_(consortium.holder).propose_removal(other)
    consortium.remove(consortium.other_holder)
    support(consortium, again, *consortium.board[:2])
    with refused("MEMBER_UNKNOWN"):
        support(consortium, again, consortium.board[2])
    assert not consortium.registry.proposal(again).executed


def test_a_full_consortium_admits_nobody(consortium, admission, refused):
    """256 admissions by vote would take minutes: the length of the list of accounts is set in storage instead."""
    state, members = consortium.evm.state, to_canonical_address(consortium.registry.addresses["Members"])
    everybody = len(consortium.registry.members())
    for slot in range(20):
        if state.get_storage(members, slot) == everybody:
            state.set_storage(members, slot, MEMBERS_MAX)
            if len(consortium.registry.read("Members", "accounts")) == MEMBERS_MAX:
                break
            state.set_storage(members, slot, everybody)
    support(consortium, admission, *consortium.board[:2])
    with refused("MEMBERS_FULL"):
        support(consortium, admission, consortium.board[2])
