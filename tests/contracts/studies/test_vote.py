import hashlib

import pytest

from belmont.registry import records
from belmont.registry.contract_set import contract
from belmont.registry.types import Address, Role, StudyStatus

VETTING = b"\x01\x55\x12\x20" + bytes(32)


@pytest.fixture
def study(consortium):
    return consortium.study()


def vote(consortium, study, approve, *voters):
    for voter in voters:
        consortium.registry.as_(voter).vote(study, approve)


def status(consortium, study):
    return consortium.registry.study(study).status


def test_one_vote_of_three_decides_nothing(consortium, study):
    vote(consortium, study, True, consortium.board[0])
    found = consortium.registry.study(study)
    assert (found.votes_for, found.votes_against, found.quorum) == (1, 0, 2)
    assert found.status is StudyStatus.PROPOSED


def test_the_quorum_approves(consortium, study):
    vote(consortium, study, True, *consortium.board[:2])
    assert status(consortium, study) is StudyStatus.APPROVED


def test_the_study_is_refused_once_the_quorum_is_out_of_reach(consortium, study):
    vote(consortium, study, False, consortium.board[0])
    assert status(consortium, study) is StudyStatus.PROPOSED
    vote(consortium, study, False, consortium.board[1])
    assert status(consortium, study) is StudyStatus.REFUSED


def test_one_vote_against_refuses_on_a_board_of_two(consortium, study):
    consortium.remove(consortium.board[2])
    vote(consortium, study, False, consortium.board[0])
    assert status(consortium, study) is StudyStatus.REFUSED


def test_announces_the_vote_with_its_reason_hashed_and_the_decision(consortium, study):
    first, second = consortium.board[:2]
    consortium.registry.as_(first).vote(study, True, "Sound protocol.")
    consortium.registry.as_(second).vote(study, True)
    digest = hashlib.sha256(b"Sound protocol.").digest()
    cast = {"study": study, "approve": True, "conditions_hash": bytes(32)}
    assert consortium.events("VoteCast", "StudyApproved") == [
        ("VoteCast", first.address, {**cast, "reason_hash": digest}),
        ("VoteCast", second.address, {**cast, "reason_hash": bytes(32)}),
        ("StudyApproved", second.address, {"study": study, "votes_for": 2, "quorum": 2}),
    ]


def test_announces_a_refusal(consortium, study):
    vote(consortium, study, False, *consortium.board[:2])
    details = {"study": study, "votes_against": 2, "recused": 0, "quorum": 2}
    assert consortium.events("StudyRefused") == [("StudyRefused", consortium.board[1].address, details)]


@pytest.mark.parametrize("role", ["holder", "data_user", "auditor", "non_member"])
def test_only_the_board_votes(consortium, study, refused, role):
    with refused("NOT_ETHICS_BOARD"):
        vote(consortium, study, True, getattr(consortium, role))


def test_nobody_votes_twice(consortium, study, refused):
    vote(consortium, study, True, consortium.board[0])
    for approve in (True, False):
        with refused("ALREADY_VOTED"):
            vote(consortium, study, approve, consortium.board[0])


def test_a_removed_board_member_does_not_vote(consortium, study, refused):
    consortium.remove(consortium.board[2])
    with refused("NOT_ETHICS_BOARD"):
        vote(consortium, study, True, consortium.board[2])


def test_the_vote_of_a_member_removed_since_does_not_count(consortium, study):
    vote(consortium, study, True, consortium.board[2])
    consortium.remove(consortium.board[2])
    vote(consortium, study, True, consortium.board[0])
    found = consortium.registry.study(study)
    assert (found.votes_for, found.quorum, found.status) == (1, 2, StudyStatus.PROPOSED)


def test_a_larger_board_needs_a_larger_quorum(consortium, study):
    newcomer = consortium.profile(consortium.non_member, Role.ETHICS_BOARD)
    proposal = consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)
    for supporter in consortium.board:
        consortium.registry.as_(supporter).support(proposal)
    vote(consortium, study, True, *consortium.board[:2])
    assert status(consortium, study) is StudyStatus.PROPOSED
    vote(consortium, study, True, consortium.non_member)
    assert status(consortium, study) is StudyStatus.APPROVED


def test_a_decided_study_takes_no_more_votes(consortium, study, refused):
    consortium.approve(study)
    with refused("STUDY_CLOSED"):
        vote(consortium, study, False, consortium.board[2])


def test_a_cancelled_study_takes_no_votes(consortium, study, refused):
    consortium.registry.as_(consortium.data_user).cancel(study)
    with refused("STUDY_CLOSED"):
        vote(consortium, study, True, consortium.board[0])


def test_an_unknown_study_is_refused(consortium, refused):
    with refused("STUDY_UNKNOWN"):
        vote(consortium, 1, True, consortium.board[0])


def test_the_data_user_never_sits_on_the_board_that_votes(consortium):
    roles = consortium.registry.member(Address(consortium.data_user.address)).roles
    assert not roles & Role.ETHICS_BOARD


def test_nobody_votes_on_their_own_study_even_where_members_allow_both_roles(consortium, refused):
    """Rule 3 does not rest on ``Members``: here stands a contract that answers yes to everything instead of it."""
    user, auditor = consortium.data_user, consortium.auditor
    evm, everything = consortium.evm, bytes.fromhex("60015f5260205ff3")
    creation = bytes.fromhex("67") + everything + bytes.fromhex("5f5260086018f3")
    _, yes = evm.send(consortium.data_user, None, creation)
    studies = contract("Studies")
    wired = studies.interface.encode_constructor(yes, yes, consortium.registry.addresses["Datasets"], yes, yes)
    _, address = evm.send(consortium.data_user, None, studies.compiled.bytecode + wired)
    terms = consortium.terms(consortium.datasets()[:1], min_hospitals=1)
    its = records.terms_struct(terms), terms.intended_use.struct()
    evm.send(user, address, studies.interface.encode_call("propose", user.address, *its))
    with refused("OWN_STUDY"):
        evm.send(user, address, studies.interface.encode_call("vote", user.address, 1, True, bytes(32), bytes(32)))
    evm.send(auditor, address, studies.interface.encode_call("vote", auditor.address, 1, True, bytes(32), bytes(32)))
