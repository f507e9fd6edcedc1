import pytest

from belmont.registry.rules.protocol import Pause
from belmont.registry.types import Role

MONTH = 30 * 24 * 3600


@pytest.fixture
def voted(chamber):
    """A board of four paused; two of it are for going on, and three are its quorum."""
    chamber.admit(chamber.consortium.non_member, Role.ETHICS_BOARD)
    chamber.pause(by=chamber.consortium.board)
    for member in chamber.consortium.board[:2]:
        chamber.rules(member).vote_resume(1)
    assert chamber.rules().pause().until > chamber.now
    return chamber


def test_a_smaller_board_makes_votes_that_stand_enough_and_anybody_has_them_counted(voted):
    voted.consortium.remove(voted.consortium.board[2])
    assert voted.rules().pause().until > voted.now
    voted.rules(voted.consortium.auditor).tally_resume()
    assert voted.rules().pause() == Pause(1, 0)
    auditor = voted.consortium.auditor.address
    assert voted.consortium.events("ConsortiumResumed") == [("ConsortiumResumed", auditor, {"pause": 1})]


def test_too_few_votes_resume_nothing(voted, refused):
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_resume()
    voted.consortium.remove(voted.consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_resume()


def test_where_nothing_is_paused_nothing_is_resumed(chamber, refused):
    with refused("NOT_PAUSED"):
        chamber.rules().tally_resume()
    chamber.pause()
    chamber.wait(MONTH)
    with refused("NOT_PAUSED"):
        chamber.rules().tally_resume()


def test_votes_on_an_earlier_pause_do_not_count(voted, refused):
    voted.wait(MONTH)
    voted.pause(by=voted.consortium.board)
    voted.consortium.remove(voted.consortium.board[2])
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_resume()
