import pytest
from tests.contracts.releases.conftest import MODEL

from belmont.registry.releases.protocol import ReleaseStatus


@pytest.fixture
def enough(objected):
    """Two votes of four, until one who has not voted leaves the board."""
    objected.consortium.enlarge_board()
    objected.vote(*objected.consortium.board[:2])
    assert objected.status is ReleaseStatus.OBJECTED
    objected.consortium.remove(objected.consortium.board[2])
    return objected


def test_votes_that_are_enough_on_a_smaller_board_are_counted_by_anybody(enough):
    assert enough.status is ReleaseStatus.OBJECTED
    enough.tally()
    assert enough.status is ReleaseStatus.RELEASED
    assert enough.found.released_at == enough.consortium.evm.now


def test_announces_that_it_is_released(enough):
    enough.tally()
    details = {"permit": enough.permit, "model_hash": MODEL}
    assert enough.events()[-1] == ("ReleaseConfirmed", enough.consortium.non_member.address, details)


def test_too_few_votes_are_refused(objected, refused):
    with refused("VOTE_UNDECIDED"):
        objected.tally()
    objected.vote(objected.consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        objected.tally()


def test_nothing_is_counted_while_frozen_paused_or_once_revoked(enough, refused):
    enough.freeze(60)
    with refused("PERMIT_FROZEN"):
        enough.tally()
    enough.wait(60)
    enough.pause()
    with refused("CONSORTIUM_PAUSED"):
        enough.tally()
    enough.resume()
    enough.revoke()
    with refused("PERMIT_REVOKED"):
        enough.tally()


def test_what_nothing_stands_against_is_not_counted(announced, refused):
    with refused("NOT_OBJECTED"):
        announced.tally()


def test_what_objections_are_still_open_to_is_not_counted(announced, refused):
    announced.object(announced.consortium.holder)
    with refused("OBJECTIONS_OPEN"):
        announced.tally()


def test_what_was_not_announced_is_refused(stage, refused):
    with refused("RELEASE_UNKNOWN"):
        stage.tally()
