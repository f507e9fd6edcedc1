import pytest

from belmont.registry.types import PermitStatus


@pytest.fixture
def permit(consortium):
    """Frozen by a data holder."""
    permit = consortium.permit()
    consortium.registry.as_(consortium.holder).freeze_permit(permit)
    return permit


def lift(consortium, permit, *voters):
    for voter in voters:
        consortium.registry.as_(voter).vote_lift(permit)


def test_one_vote_lifts_nothing(consortium, permit):
    lift(consortium, permit, consortium.board[0])
    assert consortium.registry.permit(permit).status is PermitStatus.FROZEN


def test_the_quorum_lifts_the_freeze(consortium, permit):
    lift(consortium, permit, *consortium.board[:2])
    found = consortium.registry.permit(permit)
    assert (found.status, found.frozen_until) == (PermitStatus.ACTIVE, 0)
    consortium.round(permit)


def test_announces_the_votes_and_the_end_of_the_freeze(consortium, permit):
    lift(consortium, permit, *consortium.board[:2])
    first, second = (member.address for member in consortium.board[:2])
    details = {"permit": permit}
    assert consortium.events("LiftSupported", "FreezeLifted") == [
        ("LiftSupported", first, details),
        ("LiftSupported", second, details),
        ("FreezeLifted", second, details),
    ]


def test_votes_belong_to_one_freeze_and_not_to_the_next(consortium, permit):
    lift(consortium, permit, consortium.board[0])
    consortium.registry.as_(consortium.other_holder).freeze_permit(permit, 60)
    lift(consortium, permit, consortium.board[1])
    assert consortium.registry.permit(permit).status is PermitStatus.FROZEN
    lift(consortium, permit, consortium.board[0])
    assert consortium.registry.permit(permit).status is PermitStatus.ACTIVE


@pytest.mark.parametrize("role", ["holder", "data_user", "auditor", "non_member"])
def test_only_the_board_votes(consortium, permit, refused, role):
    with refused("NOT_ETHICS_BOARD"):
        lift(consortium, permit, getattr(consortium, role))


def test_nobody_votes_twice(consortium, permit, refused):
    lift(consortium, permit, consortium.board[0])
    with refused("ALREADY_VOTED"):
        lift(consortium, permit, consortium.board[0])


def test_a_vote_of_a_member_removed_since_does_not_count(consortium, permit):
    lift(consortium, permit, consortium.board[2])
    consortium.remove(consortium.board[2])
    lift(consortium, permit, consortium.board[0])
    assert consortium.registry.permit(permit).status is PermitStatus.FROZEN


def test_a_permit_that_is_not_frozen_is_refused(consortium, refused):
    permit = consortium.permit()
    with refused("PERMIT_NOT_FROZEN"):
        lift(consortium, permit, consortium.board[0])


def test_a_freeze_that_ended_by_itself_is_not_lifted(consortium, permit, refused):
    consortium.evm.now = consortium.registry.permit(permit).frozen_until
    with refused("PERMIT_NOT_FROZEN"):
        lift(consortium, permit, consortium.board[0])


def test_a_missing_permit_is_refused(consortium, refused):
    with refused("PERMIT_MISSING"):
        lift(consortium, 1, consortium.board[0])
