"""An approval needs the quorum, and as many votes of lay members as the rules ask for."""

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, Role, StudyStatus

VETTING = b"\x01\x55\x12\x20" + bytes(32)
LAY = [Account.from_key(keccak(f"lay {number}".encode())) for number in range(2)]


def carry(consortium, support, is_carried):
    """By as many members as it takes, the auditor having proposed."""
    for member in (*consortium.board, consortium.holder, consortium.other_holder, consortium.data_user, *LAY):
        if is_carried():
            return
        support(consortium.registry.as_(member))


def admit(consortium, account):
    registry = consortium.registry
    newcomer = consortium.profile(account, Role.ETHICS_BOARD | Role.LAY, f"Lay {account.address}")
    proposal = registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)
    carry(consortium, lambda member: member.support(proposal), lambda: registry.proposal(proposal).executed)


def ask_for(consortium, votes):
    rules = consortium.registry.rules
    proposal = consortium.registry.as_(consortium.auditor).rules.propose_rule(Rule.LAY_VOTES, votes)
    carry(consortium, lambda member: member.rules.support(proposal), lambda: rules.proposal(proposal).carried_at)
    consortium.evm.now = rules.proposal(proposal).enactable_at
    consortium.registry.as_(consortium.non_member).rules.enact(proposal)


@pytest.fixture
def mixed(paired):
    """A board of five, two of them lay: three are its quorum, and the rules ask for one lay vote."""
    for account in LAY:
        admit(paired, account)
    ask_for(paired, 1)
    return paired


def vote(consortium, study, *voters, approve=True):
    for voter in voters:
        consortium.registry.as_(voter).vote(study, approve)
    return consortium.registry.study(study).status


def test_the_quorum_without_a_lay_vote_decides_nothing(mixed, refused):
    study = mixed.study()
    assert vote(mixed, study, *mixed.board) is StudyStatus.PROPOSED
    with refused("VOTE_UNDECIDED"):
        mixed.registry.as_(mixed.auditor).tally(study)
    assert (mixed.registry.study(study).votes_for, mixed.registry.study(study).quorum) == (3, 3)


def test_the_lay_vote_that_was_missing_approves(mixed):
    study = mixed.study()
    vote(mixed, study, *mixed.board)
    assert vote(mixed, study, LAY[0]) is StudyStatus.APPROVED
    details = {"study": study, "votes_for": 4, "quorum": 3}
    assert mixed.events("StudyApproved") == [("StudyApproved", LAY[0].address, details)]


def test_a_lay_vote_counts_for_the_quorum_as_well(mixed):
    study = mixed.study()
    assert vote(mixed, study, LAY[0], mixed.board[0]) is StudyStatus.PROPOSED
    assert vote(mixed, study, mixed.board[1]) is StudyStatus.APPROVED


def test_lay_votes_alone_are_no_quorum(mixed):
    assert vote(mixed, mixed.study(), *LAY) is StudyStatus.PROPOSED


def test_a_lay_vote_against_is_none_for(mixed):
    study = mixed.study()
    vote(mixed, study, LAY[0], approve=False)
    assert vote(mixed, study, *mixed.board) is StudyStatus.PROPOSED
    assert vote(mixed, study, LAY[1]) is StudyStatus.APPROVED


def test_refusal_asks_for_no_lay_vote(mixed):
    assert vote(mixed, mixed.study(), *mixed.board, approve=False) is StudyStatus.REFUSED


def test_as_many_lay_votes_as_the_rules_ask_for(mixed):
    ask_for(mixed, 2)
    study = mixed.study()
    assert vote(mixed, study, LAY[0], *mixed.board) is StudyStatus.PROPOSED
    assert vote(mixed, study, LAY[1]) is StudyStatus.APPROVED


def test_the_vote_of_a_lay_member_who_left_does_not_count(mixed, refused):
    """Four are left: three are the quorum still, and the lay vote that counts is somebody else's."""
    study = mixed.study()
    vote(mixed, study, LAY[0], *mixed.board[:1])
    mixed.remove(LAY[0])
    assert vote(mixed, study, *mixed.board[1:]) is StudyStatus.PROPOSED
    assert vote(mixed, study, LAY[1]) is StudyStatus.APPROVED


def test_a_rule_that_is_eased_makes_votes_that_stand_enough(mixed):
    study = mixed.study()
    vote(mixed, study, *mixed.board)
    ask_for(mixed, 0)
    assert mixed.registry.study(study).status is StudyStatus.PROPOSED
    mixed.registry.as_(mixed.non_member).tally(study)
    assert mixed.registry.study(study).status is StudyStatus.APPROVED


def test_a_study_that_was_approved_before_stays_approved(paired):
    study = paired.study()
    paired.approve(study)
    ask_for(paired, 8)
    assert paired.registry.study(study).status is StudyStatus.APPROVED
    paired.accept(study)
    paired.registry.as_(paired.non_member).issue(study)


def test_a_board_with_too_few_lay_members_approves_nothing_and_refuses_as_ever(paired):
    """Whoever asks for more lay votes than there are lay members stops approvals until one is admitted."""
    ask_for(paired, 1)
    study, other = paired.study(), paired.study()
    assert vote(paired, study, *paired.board) is StudyStatus.PROPOSED
    assert vote(paired, other, *paired.board[:2], approve=False) is StudyStatus.REFUSED
    admit(paired, LAY[0])
    assert vote(paired, study, LAY[0]) is StudyStatus.APPROVED


def test_revocations_and_freezes_ask_for_no_lay_vote(mixed):
    permit = mixed.study()
    vote(mixed, permit, LAY[0], *mixed.board[:2])
    mixed.accept(permit)
    mixed.registry.as_(mixed.non_member).issue(permit)
    for member in mixed.board:
        mixed.registry.as_(member).vote_revoke(permit)
    assert mixed.events("PermitRevoked") == [("PermitRevoked", mixed.board[2].address, {"permit": permit})]


def test_an_amendment_needs_them_too(mixed):
    datasets = mixed.datasets()
    permit = mixed.study(datasets)
    vote(mixed, permit, LAY[0], *mixed.board[:2])
    mixed.accept(permit)
    mixed.registry.as_(mixed.non_member).issue(permit)
    amendment = mixed.registry.as_(mixed.data_user).propose_amendment(permit, mixed.terms(datasets))
    assert vote(mixed, amendment, *mixed.board) is StudyStatus.PROPOSED
    assert vote(mixed, amendment, LAY[1]) is StudyStatus.APPROVED


def test_what_lay_is_does_not_depend_on_who_says_so(mixed, refused):
    """A member of the board that is not lay cannot vote for one that is."""
    study = mixed.study()
    with refused("NOT_THE_ACTOR"):
        mixed.registry.as_(mixed.board[0], Address(LAY[0].address)).vote(study, True)
