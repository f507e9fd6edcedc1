import hashlib

import pytest

from belmont.registry.types import PermitStatus

WEEK = 7 * 24 * 3600


@pytest.fixture
def permit(consortium):
    return consortium.permit()


def test_one_board_member_stops_the_permit_for_a_week_at_most(consortium, permit, refused):
    consortium.registry.as_(consortium.board[0]).freeze_permit(permit)
    found = consortium.registry.permit(permit)
    assert (found.status, found.frozen_until) == (PermitStatus.FROZEN, consortium.evm.now + WEEK)
    consortium.evm.now += WEEK - 1
    with refused("PERMIT_FROZEN"):
        consortium.round(permit)
    consortium.evm.now += 1
    consortium.round(permit)


def test_one_covered_holder_stops_the_permit(consortium, permit):
    consortium.registry.as_(consortium.other_holder).freeze_permit(permit, 60)
    assert consortium.registry.permit(permit).frozen_until == consortium.evm.now + 60


def test_another_freeze_extends_and_never_shortens(consortium, permit):
    consortium.registry.as_(consortium.holder).freeze_permit(permit, 100)
    consortium.registry.as_(consortium.other_holder).freeze_permit(permit, 50)
    assert consortium.registry.permit(permit).frozen_until == consortium.evm.now + 100
    consortium.registry.as_(consortium.board[0]).freeze_permit(permit, 200)
    assert consortium.registry.permit(permit).frozen_until == consortium.evm.now + 200


def test_announces_it_with_the_reason_hashed(consortium, permit):
    consortium.registry.as_(consortium.board[0]).freeze_permit(permit, 60, "Odd model hashes.")
    details = {
        "permit": permit,
        "until": consortium.evm.now + 60,
        "reason_hash": hashlib.sha256(b"Odd model hashes.").digest(),
    }
    assert consortium.events("PermitFrozen") == [("PermitFrozen", consortium.board[0].address, details)]


@pytest.mark.parametrize("seconds", [0, WEEK + 1])
def test_a_freeze_lasts_a_second_to_a_week(consortium, permit, refused, seconds):
    with refused("FREEZE_INVALID"):
        consortium.registry.as_(consortium.board[0]).freeze_permit(permit, seconds)


def test_an_account_freezes_a_permit_once_even_after_the_freeze_ended(consortium, permit, refused):
    consortium.registry.as_(consortium.board[0]).freeze_permit(permit, 1)
    consortium.evm.now += 2
    with refused("FREEZE_SPENT"):
        consortium.registry.as_(consortium.board[0]).freeze_permit(permit, 1)


@pytest.mark.parametrize("role", ["data_user", "auditor", "non_member"])
def test_nobody_else_freezes(consortium, permit, refused, role):
    with refused("NOT_CONCERNED"):
        consortium.registry.as_(getattr(consortium, role)).freeze_permit(permit)


def test_a_holder_of_another_dataset_is_not_concerned(consortium, refused):
    permit = consortium.permit((consortium.dataset(consortium.holder),), min_hospitals=1)
    consortium.dataset(consortium.other_holder)
    with refused("NOT_CONCERNED"):
        consortium.registry.as_(consortium.other_holder).freeze_permit(permit)


def test_a_holder_who_withdrew_is_not_concerned_any_more(consortium, permit, refused):
    covered = consortium.registry.permit(permit).covered
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.withdraw(permit, covered[0])
    with refused("NOT_CONCERNED"):
        as_holder.freeze_permit(permit)


def test_a_removed_member_is_refused(consortium, permit, refused):
    consortium.remove(consortium.other_holder)
    with refused("NOT_CONCERNED"):
        consortium.registry.as_(consortium.other_holder).freeze_permit(permit)


def test_a_permit_that_is_missing_revoked_or_expired_is_refused(consortium, permit, refused):
    as_board = consortium.registry.as_(consortium.board[2])
    with refused("PERMIT_MISSING"):
        as_board.freeze_permit(permit + 1)
    other = consortium.permit()
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote_revoke(other)
    with refused("PERMIT_REVOKED"):
        as_board.freeze_permit(other)
    consortium.evm.now = consortium.registry.permit(permit).expires_at
    with refused("PERMIT_EXPIRED"):
        as_board.freeze_permit(permit)
