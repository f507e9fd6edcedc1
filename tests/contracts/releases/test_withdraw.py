import pytest
from tests.contracts.releases.conftest import DAY, MODEL

from belmont.registry.releases.protocol import ReleaseStatus


def test_the_data_user_withdraws_what_it_announced_for_good(announced):
    announced.withdraw()
    assert announced.status is ReleaseStatus.WITHDRAWN
    assert announced.found.withdrawn_at == announced.consortium.evm.now
    announced.wait()
    assert announced.status is ReleaseStatus.WITHDRAWN


def test_announces_it(announced):
    announced.withdraw()
    details = {"permit": announced.permit, "model_hash": MODEL}
    assert announced.events()[-1] == ("ReleaseWithdrawn", announced.consortium.data_user.address, details)


def test_what_was_objected_to_is_withdrawn_as_well(objected, refused):
    objected.withdraw()
    assert objected.status is ReleaseStatus.WITHDRAWN
    with refused("NOT_OBJECTED"):
        objected.vote(objected.consortium.board[0])


@pytest.mark.parametrize("settle", [False, True])
def test_what_is_released_is_withdrawn_as_well(announced, settle):
    announced.wait()
    if settle:
        announced.settle()
    announced.withdraw()
    assert announced.status is ReleaseStatus.WITHDRAWN and not announced.found.is_final


def test_nothing_that_stops_a_permit_stops_a_withdrawal(announced):
    announced.freeze()
    announced.pause()
    announced.withdraw()
    assert announced.status is ReleaseStatus.WITHDRAWN


def test_after_the_permits_end_too(announced):
    announced.wait(800 * DAY)
    announced.withdraw()
    assert announced.status is ReleaseStatus.WITHDRAWN


# --- refused ---


def test_nobody_else_withdraws(announced, refused):
    for each in (*announced.others, *announced.consortium.board):
        with refused("NOT_THE_APPLICANT"):
            announced.withdraw(each)


def test_a_data_user_who_was_removed_withdraws_nothing(announced, refused):
    announced.consortium.remove(announced.consortium.data_user)
    with refused("DATA_USER_INACTIVE"):
        announced.withdraw()


def test_what_is_withdrawn_is_not_withdrawn_again(announced, refused):
    announced.withdraw()
    with refused("RELEASE_CLOSED"):
        announced.withdraw()


def test_what_was_withdrawn_with_its_permit_is_not_withdrawn_again(announced, refused):
    announced.revoke()
    with refused("RELEASE_CLOSED"):
        announced.withdraw()


def test_what_was_not_announced_is_refused(stage, refused):
    with refused("RELEASE_UNKNOWN"):
        stage.withdraw()
