import pytest
from tests.contracts.releases.conftest import CARD, EVIDENCE, MODEL, WEEK

from belmont.registry.releases.protocol import ReleaseStatus


def test_one_vote_releases_nothing(objected):
    objected.vote(objected.consortium.board[0])
    assert objected.status is ReleaseStatus.OBJECTED
    assert objected.found.confirmations == (objected.consortium.board[0].address,)


def test_the_quorum_releases_it_and_that_is_final(objected):
    objected.vote(*objected.consortium.board[:2])
    assert objected.status is ReleaseStatus.RELEASED
    assert objected.found.released_at == objected.consortium.evm.now and objected.found.is_final


def test_who_objected_may_be_convinced(objected):
    """The objector sits on the board, and its vote counts like any other."""
    objected.vote(objected.consortium.board[2], objected.consortium.board[0])
    assert objected.status is ReleaseStatus.RELEASED


def test_announces_the_votes_and_what_they_decided(objected):
    first, second = objected.consortium.board[:2]
    objected.vote(first, second)
    details = {"permit": objected.permit, "model_hash": MODEL}
    assert objected.events()[2:] == [
        ("ConfirmationSupported", first.address, details),
        ("ConfirmationSupported", second.address, details),
        ("ReleaseConfirmed", second.address, details),
    ]


def test_the_quorum_is_that_of_the_board_of_now(objected):
    objected.consortium.enlarge_board()
    objected.vote(*objected.consortium.board[:2])
    assert objected.status is ReleaseStatus.OBJECTED
    objected.vote(objected.consortium.board[2])
    assert objected.status is ReleaseStatus.RELEASED


def test_a_vote_of_a_member_removed_since_does_not_count(objected):
    objected.vote(objected.consortium.board[2])
    objected.consortium.remove(objected.consortium.board[2])
    objected.vote(objected.consortium.board[0])
    assert objected.status is ReleaseStatus.OBJECTED
    objected.vote(objected.consortium.board[1])
    assert objected.status is ReleaseStatus.RELEASED


@pytest.mark.parametrize("how", ["withdrawn", "destroyed", "holder removed", "data user removed"])
def test_the_board_decides_where_somebody_left_and_nobody_objected(announced, refused, how):
    its = announced.consortium
    announced.wait()
    leave(announced, how)
    assert announced.status is ReleaseStatus.OBJECTED and announced.found.objections == ()
    announced.vote(*its.board[:2])
    assert announced.status is ReleaseStatus.RELEASED


def leave(stage, how):
    its = stage.consortium
    as_holder = its.registry.as_(its.holder)
    match how:
        case "withdrawn":
            as_holder.withdraw(stage.permit, stage.datasets[0])
        case "destroyed":
            as_holder.destroy_dataset(stage.datasets[0], MODEL)
        case "holder removed":
            its.remove(its.holder)
        case _:
            its.remove(its.data_user)


# --- refused ---


def test_before_the_time_for_objections_is_over_nobody_votes(announced, refused):
    """So that nobody decides on one objection while others are still to come."""
    announced.object(announced.consortium.holder)
    announced.wait(WEEK - 1)
    with refused("OBJECTIONS_OPEN"):
        announced.vote(announced.consortium.board[0])
    announced.wait(1)
    announced.vote(announced.consortium.board[0])


def test_only_the_board_votes(objected, refused):
    for each in (*objected.others, objected.consortium.data_user):
        with refused("NOT_ETHICS_BOARD"):
            objected.vote(each)


def test_nobody_votes_twice(objected, refused):
    objected.vote(objected.consortium.board[0])
    with refused("ALREADY_VOTED"):
        objected.vote(objected.consortium.board[0])


def test_who_took_no_part_in_the_vote_on_the_study_does_not_vote(consortium, both, refused):
    consortium.registry = both(consortium)
    datasets = consortium.datasets(proven=True)
    study = consortium.study(datasets)
    consortium.registry.as_(consortium.board[2]).recuse(study)
    consortium.approve(study)
    consortium.accept(study)
    permit = consortium.registry.as_(consortium.non_member).issue(study)
    consortium.round(permit)
    for place, holder in enumerate((consortium.holder, consortium.other_holder)):
        consortium.record(permit, datasets[place], by=holder)
    consortium.registry.as_(consortium.data_user).releases.release(permit, MODEL, 1, CARD, EVIDENCE)
    consortium.registry.as_(consortium.board[2]).releases.object(permit, MODEL, "it shows too much")
    consortium.evm.now += WEEK
    with refused("RECUSED"):
        consortium.registry.as_(consortium.board[2]).releases.vote_confirm(permit, MODEL)
    for member in consortium.board[:2]:
        consortium.registry.as_(member).releases.vote_confirm(permit, MODEL)
    assert consortium.registry.releases.find(permit, MODEL).status is ReleaseStatus.RELEASED


def test_what_nobody_objected_to_is_not_voted_on(announced, refused):
    for _ in range(2):
        with refused("NOT_OBJECTED"):
            announced.vote(announced.consortium.board[0])
        announced.wait()


def test_what_is_released_or_withdrawn_is_not_voted_on(objected, refused):
    objected.vote(*objected.consortium.board[:2])
    with refused("NOT_OBJECTED"):
        objected.vote(objected.consortium.board[2])
    objected.withdraw()
    with refused("NOT_OBJECTED"):
        objected.vote(objected.consortium.board[2])


def test_nothing_is_released_under_a_permit_that_was_revoked(objected, refused):
    objected.vote(objected.consortium.board[0])
    objected.revoke()
    with refused("PERMIT_REVOKED"):
        objected.vote(objected.consortium.board[1])
    assert objected.status is ReleaseStatus.WITHDRAWN


def test_nothing_is_released_while_frozen_or_paused(objected, refused):
    objected.freeze(60)
    with refused("PERMIT_FROZEN"):
        objected.vote(objected.consortium.board[0])
    objected.wait(60)
    objected.pause()
    with refused("CONSORTIUM_PAUSED"):
        objected.vote(objected.consortium.board[0])
    objected.resume()
    objected.vote(*objected.consortium.board[:2])
    assert objected.status is ReleaseStatus.RELEASED


def test_what_was_not_announced_is_refused(stage, refused):
    with refused("RELEASE_UNKNOWN"):
        stage.vote(stage.consortium.board[0])
