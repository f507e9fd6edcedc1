from types import SimpleNamespace

import pytest

from belmont.registry.hashes import participants_hash
from belmont.registry.identities.protocol import SIG_AUTH
from belmont.registry.types import Address, MicroRho, OpenedUse, RoundState, UseKind

HASH = b"\x11" * 32


@pytest.fixture
def datasets(consortium):
    return consortium.datasets(proven=True)


@pytest.fixture
def permit(consortium, datasets):
    """A permit for at least one hospital of two, with its first round opened."""
    permit = consortium.permit(datasets, min_hospitals=1)
    consortium.round(permit)
    return permit


def close(consortium, permit, n=1, by=None):
    consortium.registry.as_(by or consortium.data_user).close_round(permit, n)


def state(consortium, permit, n=1):
    return consortium.registry.round_state(permit, n)


def is_closed(consortium, permit, n=1):
    return consortium.registry.read("Uses", "isClosed", permit, n)


def test_a_round_is_closed_over_those_that_recorded(consortium, permit, datasets):
    consortium.record(permit, datasets[1], by=consortium.other_holder)
    opened_at = consortium.evm.now
    consortium.evm.now += 5
    assert not is_closed(consortium, permit)
    close(consortium, permit)
    opened = OpenedUse(permit, UseKind.ROUND, 1, HASH, participants_hash(datasets), opened_at, closed=True)
    assert consortium.registry.opened(permit, UseKind.ROUND, 1) == opened
    assert state(consortium, permit) == RoundState(
        opened, frozenset(datasets[1:]), closed=True, head=consortium.registry.head()
    )
    assert is_closed(consortium, permit)
    assert consortium.registry.read("Uses", "opened", permit, 1, 1)["closedAt"] == consortium.evm.now


def test_announces_who_is_in_the_sum_in_the_order_of_the_terms(consortium, permit, datasets):
    consortium.record(permit, datasets[1], by=consortium.other_holder)
    consortium.record(permit, datasets[0])
    close(consortium, permit)
    user, details = consortium.data_user.address, {"permit": permit, "n": 1, "recorded": datasets}
    assert consortium.events("RoundClosed") == [("RoundClosed", user, details)]


def test_after_that_no_use_of_it_is_recorded(consortium, permit, datasets, refused):
    """Otherwise hospitals could take two different sets for those that delivered, and unmask what differs."""
    consortium.record(permit, datasets[0])
    close(consortium, permit)
    before = state(consortium, permit)
    with refused("ROUND_CLOSED"):
        consortium.record(permit, datasets[1], by=consortium.other_holder)
    with refused("ROUND_CLOSED"):
        consortium.record(permit, datasets[0])
    assert state(consortium, permit) == before
    assert consortium.registry.rho_spent(permit, datasets[1]) == 0


def test_other_rounds_go_on(consortium, permit, datasets):
    consortium.record(permit, datasets[0])
    close(consortium, permit)
    consortium.round(permit, 2)
    consortium.record(permit, datasets[0], n=2)
    found = state(consortium, permit, 2)
    assert (found.recorded, found.closed, found.opened.closed) == (frozenset(datasets[:1]), False, False)


def test_a_round_that_was_followed_by_others_is_closed_as_well(consortium, permit, datasets):
    consortium.record(permit, datasets[0])
    consortium.round(permit, 2)
    close(consortium, permit, 1)
    assert [is_closed(consortium, permit, n) for n in (1, 2)] == [True, False]


def test_only_the_permits_data_user_closes(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0])
    for somebody in (consortium.holder, consortium.board[0], consortium.auditor, consortium.non_member):
        with refused("NOT_THE_APPLICANT"):
            close(consortium, permit, by=somebody)
    as_other = consortium.registry.as_(consortium.non_member, Address(consortium.data_user.address))
    with refused("NOT_THE_ACTOR"):
        as_other.close_round(permit, 1)
    assert not is_closed(consortium, permit)


def test_a_delegate_of_the_data_user_closes(consortium, permit, datasets):
    consortium.record(permit, datasets[0])
    machine = SimpleNamespace(address=consortium.non_member.address)
    user = Address(consortium.data_user.address)
    consortium.registry.as_(consortium.data_user).identities.add_delegate(SIG_AUTH, Address(machine.address), 60)
    consortium.registry.as_(machine, user).close_round(permit, 1)
    assert is_closed(consortium, permit)


def test_a_removed_data_user_is_refused(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0])
    consortium.remove(consortium.data_user)
    with refused("DATA_USER_INACTIVE"):
        close(consortium, permit)


def test_what_was_not_opened_is_refused(consortium, permit, refused):
    for n in (0, 2, 2**32 - 1):
        with refused("ROUND_NOT_OPEN"):
            close(consortium, permit, n)


def test_a_round_is_closed_once(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0])
    close(consortium, permit)
    with refused("ROUND_CLOSED"):
        close(consortium, permit)


def test_a_query_is_not_closed(consortium, permit, datasets, refused):
    consortium.registry.as_(consortium.data_user).open_query(permit, 1, HASH, datasets)
    root = consortium.registry.dataset(datasets[0]).consent_root
    for place, holder in enumerate((consortium.holder, consortium.other_holder)):
        consortium.registry.as_(holder).record_use(
            permit, UseKind.QUERY, 1, datasets[place], HASH, MicroRho(1), 1, root
        )
    with refused("TOO_FEW_HOSPITALS"):  # of round 1, which nobody answered
        close(consortium, permit)
    assert not consortium.registry.opened(permit, UseKind.QUERY, 1).closed
    assert state(consortium, permit).recorded == frozenset()


def test_fewer_than_the_approved_minimum_have_no_sum(consortium, datasets, refused):
    """One hospital's masked vector, unmasked alone, would be that hospital's."""
    permit = consortium.permit(datasets, min_hospitals=2)
    consortium.round(permit)
    for _ in range(2):
        with refused("TOO_FEW_HOSPITALS"):
            close(consortium, permit)
        if not state(consortium, permit).recorded:
            consortium.record(permit, datasets[0])
    consortium.record(permit, datasets[1], by=consortium.other_holder)
    close(consortium, permit)
    assert state(consortium, permit).recorded == frozenset(datasets)


def test_a_round_that_nobody_answered_is_not_closed(consortium, permit, refused):
    with refused("TOO_FEW_HOSPITALS"):
        close(consortium, permit)


def test_a_hospital_that_recorded_and_withdrew_is_in_no_sum(consortium, permit, datasets, refused):
    for place, holder in enumerate((consortium.holder, consortium.other_holder)):
        consortium.record(permit, datasets[place], by=holder)
    consortium.registry.as_(consortium.other_holder).withdraw(permit, datasets[1])
    with refused("DATASET_NOT_COVERED"):
        close(consortium, permit)


@pytest.mark.parametrize("how", ["removed", "destroyed"])
def test_a_hospital_that_recorded_and_left_does_not_count(consortium, permit, datasets, refused, how):
    consortium.record(permit, datasets[0])
    consortium.record(permit, datasets[1], by=consortium.other_holder)
    if how == "removed":
        consortium.remove(consortium.other_holder)
    else:
        consortium.registry.as_(consortium.other_holder).destroy_dataset(datasets[1], HASH)
    with refused("DATASET_NOT_COVERED"):
        close(consortium, permit)


def test_a_hospital_that_left_without_an_answer_does_not_stand_in_the_way(consortium, permit, datasets):
    consortium.record(permit, datasets[0])
    consortium.remove(consortium.other_holder)
    close(consortium, permit)
    assert state(consortium, permit).recorded == frozenset(datasets[:1])


def test_a_permit_that_is_stopped_releases_no_sum(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0])
    with refused("PERMIT_MISSING"):
        close(consortium, permit + 1)
    consortium.registry.as_(consortium.board[0]).freeze_permit(permit, 60)
    with refused("PERMIT_FROZEN"):
        close(consortium, permit)
    consortium.evm.now += 60
    back = consortium.evm.mark()
    close(consortium, permit)
    back()
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote_revoke(permit)
    with refused("PERMIT_REVOKED"):
        close(consortium, permit)
    assert not is_closed(consortium, permit)


def test_an_expired_permit_releases_no_sum(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0])
    consortium.evm.now = consortium.registry.permit(permit).expires_at
    with refused("PERMIT_EXPIRED"):
        close(consortium, permit)


def test_a_round_of_a_superseded_permit_is_not_closed_and_is_none_of_the_next_one(
    consortium, permit, datasets, refused
):
    consortium.record(permit, datasets[0])
    study = consortium.registry.as_(consortium.data_user).propose_amendment(
        permit, consortium.terms(datasets, min_hospitals=1)
    )
    consortium.approve(study)
    consortium.accept(study)
    amended = consortium.registry.as_(consortium.data_user).issue(study)
    with refused("PERMIT_SUPERSEDED"):
        close(consortium, permit)
    with refused("ROUND_NOT_OPEN"):
        close(consortium, amended)
    found = state(consortium, amended)
    assert (found.opened, found.recorded, found.closed) == (None, frozenset(), False)
    assert state(consortium, permit).recorded == frozenset(datasets[:1])


def test_a_round_of_nothing_is_not_opened(consortium):
    found = state(consortium, 99)
    assert found == RoundState(None, frozenset(), closed=False, head=consortium.registry.head())
    assert not is_closed(consortium, 99)


def test_the_model_says_the_same(paired):
    """Who delivered, read as a node reads it, on the contracts and on the reference model."""
    datasets = paired.datasets(proven=True)
    permit = paired.permit(datasets, min_hospitals=1)
    registry = paired.registry

    def same():
        ours, models = registry.chain.round_state(permit, 1), registry.model.round_state(permit, 1)
        assert (ours.opened, ours.recorded, ours.closed) == (models.opened, models.recorded, models.closed)
        return ours

    assert same().opened is None
    paired.round(permit)
    assert same().recorded == frozenset()
    paired.record(permit, datasets[1], by=paired.other_holder)
    assert same().recorded == frozenset(datasets[1:])
    close(paired, permit)
    assert same().closed
