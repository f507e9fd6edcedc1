import pytest

from belmont.registry.types import PermitStatus

YEAR = 365 * 24 * 3600


@pytest.fixture
def permit(consortium):
    """Two of four members of the board want to revoke it; three make the quorum."""
    permit = consortium.permit()
    consortium.enlarge_board()
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote_revoke(permit)
    return permit


def test_a_revocation_does_not_hang_when_the_board_shrinks(consortium, permit, refused):
    """Both who are for it have voted and cannot vote again, and the third never votes."""
    consortium.remove(consortium.non_member)
    for member in consortium.board[:2]:
        with refused("ALREADY_VOTED"):
            consortium.registry.as_(member).vote_revoke(permit)
    consortium.round(permit)
    consortium.registry.as_(consortium.board[0]).tally_revoke(permit)
    assert consortium.registry.permit(permit).status is PermitStatus.REVOKED
    with refused("PERMIT_REVOKED"):
        consortium.round(permit, 2)


def test_anyone_has_the_votes_counted_and_it_is_announced(consortium, permit):
    consortium.remove(consortium.board[2])
    consortium.registry.as_(consortium.auditor).tally_revoke(permit)
    assert consortium.events("PermitRevoked") == [("PermitRevoked", consortium.auditor.address, {"permit": permit})]


def test_too_few_votes_revoke_nothing(consortium, permit, refused):
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.data_user).tally_revoke(permit)


def test_a_permit_without_votes_is_not_revoked(consortium, refused):
    permit = consortium.permit()
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.data_user).tally_revoke(permit)


def test_votes_of_removed_members_do_not_count(consortium, permit, refused):
    consortium.remove(consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        consortium.registry.as_(consortium.board[1]).tally_revoke(permit)


def test_a_permit_that_is_over_or_missing_is_refused(consortium, permit, refused):
    consortium.remove(consortium.board[2])
    consortium.registry.as_(consortium.auditor).tally_revoke(permit)
    with refused("PERMIT_REVOKED"):
        consortium.registry.as_(consortium.auditor).tally_revoke(permit)
    with refused("PERMIT_MISSING"):
        consortium.registry.as_(consortium.auditor).tally_revoke(permit + 1)
    expired = consortium.permit()
    consortium.evm.now += YEAR
    with refused("PERMIT_EXPIRED"):
        consortium.registry.as_(consortium.auditor).tally_revoke(expired)
