import pytest

from belmont.registry.rules.protocol import Pause, Rule
from belmont.registry.types import Role

DAY = 24 * 3600
MONTH = 30 * DAY


@pytest.fixture
def voted(chamber):
    """Two of a board of four are for a pause: three are its quorum."""
    chamber.admit(chamber.consortium.non_member, Role.ETHICS_BOARD)
    for member in chamber.consortium.board[:2]:
        chamber.rules(member).vote_pause(1)
    return chamber


def test_a_smaller_board_makes_votes_that_stand_enough_and_anybody_has_them_counted(voted):
    voted.consortium.remove(voted.consortium.board[2])
    assert voted.rules().pause().number == 0
    voted.wait(60)
    voted.rules(voted.consortium.auditor).tally_pause()
    assert voted.rules().pause() == Pause(1, voted.now + MONTH)
    details = {"pause": 1, "until": voted.now + MONTH}
    assert voted.consortium.events("ConsortiumPaused") == [
        ("ConsortiumPaused", voted.consortium.auditor.address, details)
    ]


def test_too_few_votes_pause_nothing(voted, refused):
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_pause()


def test_no_votes_pause_nothing(chamber, refused):
    with refused("VOTE_UNDECIDED"):
        chamber.rules().tally_pause()


def test_the_vote_of_whoever_left_does_not_count(voted, refused):
    voted.consortium.remove(voted.consortium.board[0])
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_pause()


def test_votes_that_grew_old_do_not_count(voted, refused):
    voted.consortium.remove(voted.consortium.board[2])
    voted.wait(MONTH)
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_pause()
    voted.wait(-1)
    voted.rules().tally_pause()


def test_a_longer_time_for_proposals_makes_no_old_vote_count_again(voted, refused):
    voted.consortium.remove(voted.consortium.board[2])
    voted.set(Rule.PROPOSAL_SECONDS, 90 * DAY)
    voted.wait(60 * DAY)
    with refused("VOTE_UNDECIDED"):
        voted.rules().tally_pause()


def test_votes_that_paused_once_pause_no_second_time(chamber, refused):
    chamber.pause()
    with refused("CONSORTIUM_PAUSED"):
        chamber.rules().tally_pause()
    chamber.wait(MONTH)
    with refused("VOTE_UNDECIDED"):
        chamber.rules().tally_pause()
