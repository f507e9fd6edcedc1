"""A member of the board who has an interest in a study takes no part in the vote on it."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.registry.types import Address, StudyStatus


@pytest.fixture
def study(paired):
    return paired.study()


def recuse(consortium, study, *members):
    for member in members:
        consortium.registry.as_(member).recuse(study)
    return consortium.registry.study(study).status


def vote(consortium, study, approve, *voters):
    for voter in voters:
        consortium.registry.as_(voter).vote(study, approve)
    return consortium.registry.study(study).status


def test_is_recorded_in_order(paired, study):
    paired.enlarge_board()
    recuse(paired, study, paired.board[2])
    assert paired.registry.study(study).recused == (Address(paired.board[2].address),)
    recuse(paired, study, paired.board[0])
    assert paired.registry.study(study).recused == (paired.board[2].address, paired.board[0].address)


def test_announces_it_with_its_reason_hashed(paired, study):
    member = paired.board[0]
    paired.registry.as_(member).recuse(study, "I am a co-author.")
    details = {"study": study, "reason_hash": hashlib.sha256(b"I am a co-author.").digest()}
    assert paired.events("Recused") == [("Recused", member.address, details)]


def test_one_recusal_of_three_decides_nothing_and_is_no_vote(paired, study):
    assert recuse(paired, study, paired.board[0]) is StudyStatus.PROPOSED
    found = paired.registry.study(study)
    assert (found.votes_for, found.votes_against, found.quorum, found.ballots) == (0, 0, 2, ())


def test_the_quorum_stays_that_of_the_whole_board(paired, study):
    """Two of three are needed with one recused as well, and one of the two left is not enough."""
    recuse(paired, study, paired.board[0])
    assert vote(paired, study, True, paired.board[1]) is StudyStatus.PROPOSED
    assert vote(paired, study, True, paired.board[2]) is StudyStatus.APPROVED


def test_a_recusal_and_a_vote_against_put_the_quorum_out_of_reach(paired, study):
    vote(paired, study, False, paired.board[1])
    assert recuse(paired, study, paired.board[0]) is StudyStatus.REFUSED
    details = {"study": study, "votes_against": 1, "recused": 1, "quorum": 2}
    assert paired.events("StudyRefused") == [("StudyRefused", paired.board[0].address, details)]


def test_a_vote_against_after_a_recusal_does_as_well(paired, study):
    recuse(paired, study, paired.board[0])
    assert vote(paired, study, False, paired.board[1]) is StudyStatus.REFUSED


def test_recusals_alone_put_the_quorum_out_of_reach(paired, study):
    recuse(paired, study, paired.board[0])
    assert recuse(paired, study, paired.board[1]) is StudyStatus.REFUSED
    details = {"study": study, "votes_against": 0, "recused": 2, "quorum": 2}
    assert paired.events("StudyRefused") == [("StudyRefused", paired.board[1].address, details)]


def test_one_recusal_refuses_on_a_board_of_two(paired, study):
    paired.remove(paired.board[2])
    assert recuse(paired, study, paired.board[0]) is StudyStatus.REFUSED


def test_who_recused_themselves_does_not_vote_on_this_study_any_more(paired, study, refused):
    recuse(paired, study, paired.board[0])
    for approve in (True, False):
        with refused("RECUSED"):
            vote(paired, study, approve, paired.board[0])
    assert vote(paired, paired.study(), True, *paired.board[:2]) is StudyStatus.APPROVED


def test_nobody_recuses_themselves_after_voting(paired, study, refused):
    for approve, member in zip((True, False), paired.board[:2], strict=True):
        vote(paired, study, approve, member)
        with refused("ALREADY_VOTED"):
            recuse(paired, study, member)


def test_nobody_recuses_themselves_twice(paired, study, refused):
    recuse(paired, study, paired.board[0])
    with refused("RECUSED"):
        recuse(paired, study, paired.board[0])


@pytest.mark.parametrize("role", ["holder", "data_user", "auditor", "non_member"])
def test_only_the_board_does(paired, study, refused, role):
    with refused("NOT_ETHICS_BOARD"):
        recuse(paired, study, getattr(paired, role))


def test_a_removed_member_does_not(paired, study, refused):
    paired.remove(paired.board[2])
    with refused("NOT_ETHICS_BOARD"):
        recuse(paired, study, paired.board[2])


def test_nobody_does_on_a_study_that_is_decided_cancelled_or_unknown(paired, study, refused):
    vote(paired, study, True, *paired.board[:2])
    cancelled = paired.study()
    paired.registry.as_(paired.data_user).cancel(cancelled)
    for closed in (study, cancelled):
        with refused("STUDY_CLOSED"):
            recuse(paired, closed, paired.board[2])
    with refused("STUDY_UNKNOWN"):
        recuse(paired, cancelled + 1, paired.board[2])


def test_the_recusal_of_a_member_removed_since_does_not_count(paired, study):
    """Two are left: both are the quorum, and nobody of them is out of reach."""
    recuse(paired, study, paired.board[2])
    paired.remove(paired.board[2])
    assert vote(paired, study, True, paired.board[0]) is StudyStatus.PROPOSED
    assert vote(paired, study, True, paired.board[1]) is StudyStatus.APPROVED
    assert paired.registry.study(study).recused == (paired.board[2].address,)


def test_a_board_that_shrinks_can_put_the_quorum_out_of_reach_by_count(paired, study, refused):
    """Of three, two are the quorum and one may be recused; of the two that are left both are."""
    recuse(paired, study, paired.board[0])
    with refused("VOTE_UNDECIDED"):
        paired.registry.as_(paired.auditor).tally(study)
    paired.remove(paired.board[2])
    assert paired.registry.study(study).status is StudyStatus.PROPOSED
    paired.registry.as_(paired.auditor).tally(study)
    assert paired.registry.study(study).status is StudyStatus.REFUSED


def test_a_new_member_can_bring_the_quorum_into_reach_no_more_once_it_was_refused(paired, study, refused):
    recuse(paired, study, *paired.board[:2])
    paired.enlarge_board()
    with refused("STUDY_CLOSED"):
        vote(paired, study, True, paired.board[2])


def test_who_recused_themselves_lifts_no_freeze_and_still_freezes_and_votes_to_revoke(paired, study, refused):
    recuse(paired, study, paired.board[2])
    vote(paired, study, True, *paired.board[:2])
    paired.accept(study)
    paired.registry.as_(paired.non_member).issue(study)
    as_recused = paired.registry.as_(paired.board[2])
    as_recused.freeze_permit(study)
    with refused("RECUSED"):
        as_recused.vote_lift(study)
    as_recused.vote_revoke(study)


def test_on_an_amendment_everybody_decides_anew_whether_to_take_part(paired, study):
    recuse(paired, study, paired.board[2])
    vote(paired, study, True, *paired.board[:2])
    paired.accept(study)
    permit = paired.registry.as_(paired.non_member).issue(study)
    terms = paired.registry.study(study).terms
    amendment = paired.registry.as_(paired.data_user).propose_amendment(permit, terms)
    assert paired.registry.study(amendment).recused == ()
    assert vote(paired, amendment, True, *paired.board[1:]) is StudyStatus.APPROVED


ACTS = st.lists(st.sampled_from(["for", "against", "recuse"]), min_size=4, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, at=st.integers(0, 3))
def test_no_recusal_makes_an_approval_easier(consortium, acts, at):
    """Whatever a board of four does: where it approves with a recusal, it approves with that member's silence."""
    outcomes = []
    for silent in (False, True):
        back = consortium.evm.mark()
        consortium.enlarge_board()
        study = consortium.study()
        for place, (member, act) in enumerate(zip((*consortium.board, consortium.non_member), acts, strict=True)):
            if consortium.registry.study(study).status is not StudyStatus.PROPOSED:
                break
            registry, is_recusal = consortium.registry.as_(member), act == "recuse" or place == at
            if not is_recusal:
                registry.vote(study, act == "for")
            elif not silent:
                registry.recuse(study)
        outcomes.append(consortium.registry.study(study).status)
        back()
    assert outcomes[0] is not StudyStatus.APPROVED or outcomes[1] is StudyStatus.APPROVED
