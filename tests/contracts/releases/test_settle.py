import pytest
from tests.contracts.releases.conftest import MODEL, WEEK
from tests.contracts.releases.test_vote_confirm import leave

from belmont.registry.releases.protocol import ReleaseStatus

LEAVING = ["withdrawn", "destroyed", "holder removed", "data user removed"]


@pytest.fixture
def settled(announced):
    announced.wait()
    announced.settle()
    return announced


def test_anybody_puts_down_that_a_model_is_released(settled):
    assert settled.status is ReleaseStatus.RELEASED
    assert settled.found.released_at == settled.consortium.evm.now and settled.found.is_final


def test_announces_it(settled):
    details = {"permit": settled.permit, "model_hash": MODEL}
    assert settled.events()[-1] == ("ReleaseSettled", settled.consortium.non_member.address, details)


@pytest.mark.parametrize("how", LEAVING)
def test_whoever_leaves_afterwards_changes_nothing(settled, how):
    leave(settled, how)
    assert settled.status is ReleaseStatus.RELEASED


@pytest.mark.parametrize("how", LEAVING)
def test_before_it_is_settled_everybody_who_leaves_counts_as_an_objection(announced, refused, how):
    announced.wait()
    assert announced.status is ReleaseStatus.RELEASED and not announced.found.is_final
    leave(announced, how)
    assert announced.status is ReleaseStatus.OBJECTED
    with refused("NOT_RELEASED"):
        announced.settle()


def test_a_freeze_or_a_pause_afterwards_changes_nothing(settled):
    settled.freeze()
    settled.pause()
    assert settled.status is ReleaseStatus.RELEASED


def test_a_revocation_afterwards_withdraws_it_all_the_same(settled):
    settled.revoke()
    assert settled.status is ReleaseStatus.WITHDRAWN


def test_what_objections_are_open_to_is_not_settled(announced, refused):
    announced.wait(WEEK - 1)
    with refused("NOT_RELEASED"):
        announced.settle()


def test_what_is_held_back_is_not_settled(announced, refused):
    announced.wait()
    announced.freeze(60)
    with refused("NOT_RELEASED"):
        announced.settle()
    announced.wait(60)
    announced.pause()
    with refused("NOT_RELEASED"):
        announced.settle()
    announced.resume()
    announced.settle()


def test_what_somebody_objected_to_is_not_settled(objected, refused):
    with refused("NOT_RELEASED"):
        objected.settle()


def test_what_is_withdrawn_is_not_settled(announced, refused):
    announced.wait()
    announced.withdraw()
    with refused("NOT_RELEASED"):
        announced.settle()


def test_it_is_settled_once_by_anybody_or_by_the_board(settled, refused):
    with refused("ALREADY_SETTLED"):
        settled.settle()


def test_what_the_board_released_needs_no_more(objected, refused):
    objected.vote(*objected.consortium.board[:2])
    with refused("ALREADY_SETTLED"):
        objected.settle()


def test_what_was_not_announced_is_refused(stage, refused):
    with refused("RELEASE_UNKNOWN"):
        stage.settle()
