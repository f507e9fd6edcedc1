import pytest

from belmont.registry.rules.protocol import Pause

MONTH = 30 * 24 * 3600


@pytest.fixture
def paused(chamber):
    chamber.pause()
    return chamber


@pytest.fixture
def board(chamber):
    return chamber.consortium.board


def test_the_quorum_resumes_early_whoever_was_for_the_pause(paused, board):
    paused.rules(board[2]).vote_resume(1)
    assert paused.rules().pause().until > paused.now
    paused.rules(board[0]).vote_resume(1)
    assert paused.rules().pause() == Pause(1, 0)
    permit = paused.consortium.permit()
    paused.consortium.round(permit)


def test_announces_the_votes_and_that_it_goes_on(paused, board):
    for member in board[:2]:
        paused.rules(member).vote_resume(1)
    assert paused.consortium.events("ResumeSupported", "ConsortiumResumed") == [
        ("ResumeSupported", board[0].address, {"pause": 1}),
        ("ResumeSupported", board[1].address, {"pause": 1}),
        ("ConsortiumResumed", board[1].address, {"pause": 1}),
    ]


def test_nobody_but_the_board_votes(paused, board, refused):
    consortium = paused.consortium
    consortium.remove(board[2])
    for somebody in (consortium.holder, consortium.data_user, consortium.auditor, consortium.non_member, board[2]):
        with refused("NOT_ETHICS_BOARD"):
            paused.rules(somebody).vote_resume(1)


def test_everybody_votes_once(paused, board, refused):
    paused.rules(board[0]).vote_resume(1)
    with refused("ALREADY_VOTED"):
        paused.rules(board[0]).vote_resume(1)
    assert paused.rules().pause().until > paused.now


@pytest.mark.parametrize("number", [0, 2, 2**64 - 1])
def test_only_the_current_pause_is_voted_on(paused, board, refused, number):
    with refused("PAUSE_CLOSED"):
        paused.rules(board[0]).vote_resume(number)


def test_where_nothing_is_paused_nothing_is_resumed(chamber, board, refused):
    for number in (0, 1):
        with refused("NOT_PAUSED"):
            chamber.rules(board[0]).vote_resume(number)


def test_a_pause_that_is_over_is_not_resumed(paused, board, refused):
    paused.wait(MONTH - 1)
    paused.rules(board[0]).vote_resume(1)
    paused.wait(1)
    with refused("NOT_PAUSED"):
        paused.rules(board[1]).vote_resume(1)


def test_a_vote_to_resume_the_first_pause_does_not_resume_the_second(paused, board, refused):
    """Otherwise whoever relays an old vote to resume could undo a new pause."""
    paused.rules(board[0]).vote_resume(1)
    paused.wait(MONTH)
    paused.pause()
    with refused("PAUSE_CLOSED"):
        paused.rules(board[1]).vote_resume(1)
    paused.rules(board[1]).vote_resume(2)
    assert paused.rules().pause().until > paused.now
    paused.rules(board[0]).vote_resume(2)
    assert paused.rules().pause() == Pause(2, 0)


def test_votes_of_those_who_left_the_board_do_not_count(paused, board):
    paused.rules(board[0]).vote_resume(1)
    paused.consortium.remove(board[0])
    paused.rules(board[1]).vote_resume(1)
    assert paused.rules().pause().until > paused.now
    paused.rules(board[2]).vote_resume(1)
    assert paused.rules().pause().until == 0
