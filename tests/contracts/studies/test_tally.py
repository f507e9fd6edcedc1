import pytest

from belmont.registry.types import Role, StudyStatus

VETTING = b"\x01\x55\x12\x20" + bytes(32)


@pytest.fixture
def study(consortium):
    """Two of four members of the board are for it; three make the quorum."""
    newcomer = consortium.profile(consortium.non_member, Role.ETHICS_BOARD)
    proposal = consortium.registry.as_(consortium.auditor).propose_admission(newcomer, VETTING)
    for supporter in consortium.board:
        consortium.registry.as_(supporter).support(proposal)
    study = consortium.study()
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote(study, True)
    return study


def test_a_smaller_board_can_make_earlier_votes_enough(consortium, study):
    consortium.remove(consortium.board[2])
    assert consortium.registry.study(study).status is StudyStatus.PROPOSED
    consortium.registry.as_(consortium.auditor).tally(study)
    assert consortium.registry.study(study).status is StudyStatus.APPROVED


def test_announces_the_decision(consortium, study):
    consortium.remove(consortium.board[2])
    consortium.registry.as_(consortium.auditor).tally(study)
    details = {"study": study, "votes_for": 2, "quorum": 2}
    assert consortium.events("StudyApproved") == [("StudyApproved", consortium.auditor.address, details)]


def test_too_few_votes_decide_nothing(consortium, study, refused):
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.data_user).tally(study)


def test_a_decided_or_unknown_study_is_refused(consortium, study, refused):
    consortium.registry.as_(consortium.board[2]).vote(study, True)
    with refused("STUDY_CLOSED"):
        consortium.registry.as_(consortium.auditor).tally(study)
    with refused("STUDY_UNKNOWN"):
        consortium.registry.as_(consortium.auditor).tally(study + 1)
