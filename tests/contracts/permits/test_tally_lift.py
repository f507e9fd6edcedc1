import pytest

from belmont.registry.types import PermitStatus

YEAR = 365 * 24 * 3600


@pytest.fixture
def permit(consortium):
    """Frozen by a data holder; two of four members of the board want to lift it, three make the quorum."""
    permit = consortium.permit()
    consortium.registry.as_(consortium.holder).freeze_permit(permit)
    consortium.enlarge_board()
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote_lift(permit)
    return permit


def test_a_smaller_board_can_make_earlier_votes_enough(consortium, permit):
    consortium.remove(consortium.board[2])
    assert consortium.registry.permit(permit).status is PermitStatus.FROZEN
    consortium.registry.as_(consortium.holder).tally_lift(permit)
    assert consortium.registry.permit(permit).status is PermitStatus.ACTIVE
    consortium.round(permit)


def test_announces_the_end_of_the_freeze(consortium, permit):
    consortium.remove(consortium.board[2])
    consortium.registry.as_(consortium.auditor).tally_lift(permit)
    assert consortium.events("FreezeLifted") == [("FreezeLifted", consortium.auditor.address, {"permit": permit})]


def test_too_few_votes_lift_nothing(consortium, permit, refused):
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.board[0]).tally_lift(permit)


def test_votes_of_removed_members_do_not_count(consortium, permit, refused):
    consortium.remove(consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.board[1]).tally_lift(permit)


def test_votes_for_an_earlier_freeze_do_not_lift_the_next(consortium, permit, refused):
    consortium.registry.as_(consortium.other_holder).freeze_permit(permit)
    consortium.remove(consortium.board[2])
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.board[0]).tally_lift(permit)


def test_a_permit_that_is_not_frozen_is_refused(consortium, permit, refused):
    consortium.remove(consortium.board[2])
    consortium.registry.as_(consortium.auditor).tally_lift(permit)
    with refused("PERMIT_NOT_FROZEN"):
        consortium.registry.as_(consortium.auditor).tally_lift(permit)
    consortium.evm.now += YEAR
    with refused("PERMIT_EXPIRED"):
        consortium.registry.as_(consortium.auditor).tally_lift(permit)
    with refused("PERMIT_MISSING"):
        consortium.registry.as_(consortium.auditor).tally_lift(permit + 1)
