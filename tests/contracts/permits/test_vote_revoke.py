import hashlib

import pytest

from belmont.registry.types import PermitStatus


@pytest.fixture
def permit(consortium):
    return consortium.permit()


def revoke(consortium, permit, *voters):
    for voter in voters:
        consortium.registry.as_(voter).vote_revoke(permit)


def test_one_vote_revokes_nothing(consortium, permit):
    revoke(consortium, permit, consortium.board[0])
    assert consortium.registry.permit(permit).status is PermitStatus.ACTIVE
    consortium.round(permit)


def test_the_quorum_revokes_for_good(consortium, permit, refused):
    consortium.round(permit)
    covered = consortium.registry.permit(permit).covered
    revoke(consortium, permit, *consortium.board[:2])
    assert consortium.registry.permit(permit).status is PermitStatus.REVOKED
    with refused("PERMIT_REVOKED"):
        consortium.round(permit, 2)
    with refused("PERMIT_REVOKED"):
        consortium.record(permit, covered[0])
    with refused("PERMIT_EXISTS"):
        consortium.registry.as_(consortium.data_user).issue(permit)


def test_a_frozen_permit_can_be_revoked(consortium, permit):
    consortium.registry.as_(consortium.holder).freeze_permit(permit)
    revoke(consortium, permit, *consortium.board[:2])
    assert consortium.registry.permit(permit).status is PermitStatus.REVOKED


def test_announces_the_votes_and_the_revocation(consortium, permit):
    first, second = consortium.board[:2]
    consortium.registry.as_(first).vote_revoke(permit, "Breach.")
    consortium.registry.as_(second).vote_revoke(permit)
    digest = hashlib.sha256(b"Breach.").digest()
    assert consortium.events("RevocationSupported", "PermitRevoked") == [
        ("RevocationSupported", first.address, {"permit": permit, "reason_hash": digest}),
        ("RevocationSupported", second.address, {"permit": permit, "reason_hash": bytes(32)}),
        ("PermitRevoked", second.address, {"permit": permit}),
    ]


@pytest.mark.parametrize("role", ["holder", "data_user", "auditor", "non_member"])
def test_only_the_board_votes(consortium, permit, refused, role):
    with refused("NOT_ETHICS_BOARD"):
        revoke(consortium, permit, getattr(consortium, role))


def test_nobody_votes_twice(consortium, permit, refused):
    revoke(consortium, permit, consortium.board[0])
    with refused("ALREADY_VOTED"):
        revoke(consortium, permit, consortium.board[0])


def test_a_vote_of_a_member_removed_since_does_not_count(consortium, permit):
    revoke(consortium, permit, consortium.board[2])
    consortium.remove(consortium.board[2])
    revoke(consortium, permit, consortium.board[0])
    assert consortium.registry.permit(permit).status is PermitStatus.ACTIVE


def test_a_permit_that_is_missing_revoked_or_expired_is_refused(consortium, permit, refused):
    with refused("PERMIT_MISSING"):
        revoke(consortium, permit + 1, consortium.board[0])
    other = consortium.permit()
    revoke(consortium, other, *consortium.board[:2])
    with refused("PERMIT_REVOKED"):
        revoke(consortium, other, consortium.board[2])
    consortium.evm.now = consortium.registry.permit(permit).expires_at
    with refused("PERMIT_EXPIRED"):
        revoke(consortium, permit, consortium.board[0])
