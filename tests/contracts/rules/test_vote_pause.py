"""The quorum of the board pauses everything; pauses are numbered, and votes to pause grow old."""

import hashlib

import pytest

from belmont.registry.rules.protocol import Pause, Rule
from belmont.registry.types import Role

DAY = 24 * 3600
MONTH = 30 * DAY


@pytest.fixture
def board(chamber):
    """Two of three are the quorum."""
    return chamber.consortium.board


def test_one_vote_pauses_nothing_and_the_quorum_pauses_for_thirty_days(chamber, board):
    assert chamber.rules().pause() == Pause(0, 0)
    chamber.rules(board[0]).vote_pause(1)
    assert chamber.rules().pause() == Pause(0, 0)
    chamber.wait(60)
    chamber.rules(board[1]).vote_pause(1)
    assert chamber.rules().pause() == Pause(1, chamber.now + MONTH)


def test_announces_the_votes_with_their_reasons_hashed_and_the_pause(chamber, board):
    for member, reason in zip(board, ("Odd queries.", "As above."), strict=False):
        chamber.rules(member).vote_pause(1, reason)
    hashes = [hashlib.sha256(reason).digest() for reason in (b"Odd queries.", b"As above.")]
    last = board[1].address
    assert chamber.consortium.events("PauseSupported", "ConsortiumPaused") == [
        ("PauseSupported", board[0].address, {"pause": 1, "reason_hash": hashes[0]}),
        ("PauseSupported", last, {"pause": 1, "reason_hash": hashes[1]}),
        ("ConsortiumPaused", last, {"pause": 1, "until": chamber.now + MONTH}),
    ]


def test_nobody_but_the_board_votes(chamber, board, refused):
    consortium = chamber.consortium
    consortium.remove(board[2])
    for somebody in (consortium.holder, consortium.data_user, consortium.auditor, consortium.non_member, board[2]):
        with refused("NOT_ETHICS_BOARD"):
            chamber.rules(somebody).vote_pause(1)


def test_everybody_votes_once_while_the_vote_counts(chamber, board, refused):
    chamber.rules(board[0]).vote_pause(1)
    chamber.wait(MONTH - 1)
    with refused("ALREADY_VOTED"):
        chamber.rules(board[0]).vote_pause(1)
    assert chamber.rules().pause().number == 0


@pytest.mark.parametrize("number", [0, 2, 2**64 - 1])
def test_only_the_next_pause_is_voted_on(chamber, board, refused, number):
    with refused("PAUSE_CLOSED"):
        chamber.rules(board[0]).vote_pause(number)


def test_a_paused_consortium_is_not_paused_again(chamber, board, refused):
    chamber.pause()
    for number in (1, 2):
        with refused("CONSORTIUM_PAUSED"):
            chamber.rules(board[2]).vote_pause(number)
    assert chamber.rules().pause() == Pause(1, chamber.now + MONTH)


def test_votes_belong_to_one_pause(chamber, board, refused):
    """Who was for the first, or voted for it in vain, has to vote anew on the second."""
    chamber.pause()
    chamber.wait(MONTH)
    with refused("PAUSE_CLOSED"):
        chamber.rules(board[2]).vote_pause(1)
    chamber.rules(board[2]).vote_pause(2)
    assert chamber.rules().pause().number == 1
    chamber.rules(board[0]).vote_pause(2)
    assert chamber.rules().pause() == Pause(2, chamber.now + MONTH)


def test_a_vote_as_old_as_proposals_are_open_does_not_count(chamber, board):
    chamber.rules(board[0]).vote_pause(1)
    chamber.wait(MONTH)
    chamber.rules(board[1]).vote_pause(1)
    assert chamber.rules().pause().number == 0
    chamber.rules(board[2]).vote_pause(1)
    assert chamber.rules().pause().number == 1


def test_a_vote_a_second_younger_counts(chamber, board):
    chamber.rules(board[0]).vote_pause(1)
    chamber.wait(MONTH - 1)
    chamber.rules(board[1]).vote_pause(1)
    assert chamber.rules().pause().number == 1


def test_a_vote_that_grew_old_is_cast_again_and_counts_once(chamber, board):
    chamber.rules(board[0]).vote_pause(1)
    for _ in range(2):
        chamber.wait(MONTH)
        chamber.rules(board[0]).vote_pause(1)
    assert chamber.rules().pause().number == 0
    chamber.wait(MONTH - 1)
    chamber.rules(board[1]).vote_pause(1)
    assert chamber.rules().pause().number == 1


def test_how_long_a_vote_counts_is_the_rule_for_proposals(chamber, board):
    chamber.set(Rule.PROPOSAL_SECONDS, DAY)
    chamber.rules(board[0]).vote_pause(1)
    chamber.wait(DAY)
    chamber.rules(board[1]).vote_pause(1)
    assert chamber.rules().pause().number == 0


def test_votes_of_those_who_left_the_board_do_not_count(chamber, board):
    """Of a board of three still, once somebody else is admitted."""
    chamber.admit(chamber.consortium.non_member, Role.ETHICS_BOARD)
    chamber.rules(board[0]).vote_pause(1)
    chamber.rules(board[1]).vote_pause(1)
    chamber.consortium.remove(board[0])
    chamber.rules(chamber.consortium.non_member).vote_pause(1)
    assert chamber.rules().pause().number == 1


def test_a_removed_voters_vote_is_not_counted_towards_the_quorum(chamber, board):
    chamber.admit(chamber.consortium.non_member, Role.ETHICS_BOARD)
    chamber.rules(board[0]).vote_pause(1)
    chamber.consortium.remove(board[0])
    chamber.rules(board[1]).vote_pause(1)
    assert chamber.rules().pause().number == 0


def test_a_pause_that_was_resumed_can_be_followed_by_another_at_once(chamber, board):
    number = chamber.pause()
    for member in board[:2]:
        chamber.rules(member).vote_resume(number)
    chamber.pause(by=board[1:])
    assert chamber.rules().pause() == Pause(2, chamber.now + MONTH)
