"""A dataset's holder may put its retention date off: to five years from now at most, and never forward."""

import pytest

from belmont.registry.errors import RegistryArgumentError
from belmont.registry.types import MicroRho

HASH = b"\x11" * 32
YEAR = 365 * 24 * 3600


@pytest.fixture
def as_holder(paired):
    return paired.registry.as_(paired.holder)


@pytest.fixture
def id_(paired, as_holder):
    """To be kept for two years."""
    return as_holder.register_dataset(
        "Two years", 1 << 4, paired.shelf.dictionary_hash, 1, 1, paired.evm.now + 2 * YEAR, MicroRho(1_000)
    )


def until(consortium, id_):
    return consortium.registry.dataset(id_).retention_until


def test_puts_it_off_and_announces_it(paired, as_holder, id_):
    before = paired.registry.dataset(id_)
    as_holder.extend_retention(id_, before.retention_until + 1)
    assert until(paired, id_) == before.retention_until + 1
    details = {"dataset": id_, "retention_until": before.retention_until + 1}
    assert paired.events("RetentionExtended") == [("RetentionExtended", paired.holder.address, details)]


def test_five_years_from_now_at_most(paired, as_holder, id_, refused):
    for beyond in (paired.evm.now + 5 * YEAR + 1, 2**64 - 1):
        with refused("RETENTION_INVALID"):
            as_holder.extend_retention(id_, beyond)
    as_holder.extend_retention(id_, paired.evm.now + 5 * YEAR)
    assert until(paired, id_) == paired.evm.now + 5 * YEAR


def test_again_and_again_as_time_goes_by(paired, as_holder, id_, refused):
    for _ in range(3):
        as_holder.extend_retention(id_, paired.evm.now + 5 * YEAR)
        with refused("RETENTION_INVALID"):
            as_holder.extend_retention(id_, paired.evm.now + 5 * YEAR)
        paired.evm.now += YEAR


def test_never_forward(paired, as_holder, id_, refused):
    for earlier in (until(paired, id_), until(paired, id_) - 1, paired.evm.now, 0):
        with refused("RETENTION_INVALID"):
            as_holder.extend_retention(id_, earlier)
    assert until(paired, id_) == paired.evm.now + 2 * YEAR


def test_a_date_that_is_over_can_be_put_off_and_the_dataset_used_again(paired, as_holder, refused):
    datasets = paired.datasets(proven=True)
    permit = paired.permit(datasets, duration_seconds=10 * YEAR)
    for n in (1, 2):
        paired.round(permit, n)
    paired.evm.now = until(paired, datasets[0])
    with refused("RETENTION_OVER"):
        paired.record(permit, datasets[0])
    as_holder.extend_retention(datasets[0], paired.evm.now + 1)
    paired.record(permit, datasets[0])
    paired.evm.now += 1
    with refused("RETENTION_OVER"):
        paired.record(permit, datasets[0], n=2)


def test_a_study_is_accepted_up_to_the_new_date(paired, as_holder, id_, refused):
    study = paired.study((id_,), min_hospitals=1)
    paired.evm.now = until(paired, id_)
    with refused("RETENTION_OVER"):
        as_holder.accept(study, id_)
    as_holder.extend_retention(id_, paired.evm.now + 60)
    paired.evm.now += 59
    as_holder.accept(study, id_)


def test_a_frozen_dataset_is_kept_longer_and_stays_frozen(paired, as_holder, id_):
    as_holder.freeze_dataset(id_)
    as_holder.extend_retention(id_, paired.evm.now + 3 * YEAR)
    assert paired.registry.dataset(id_).status.name == "FROZEN"


def test_a_destroyed_or_unknown_dataset_is_refused(paired, as_holder, id_, refused):
    with refused("DATASET_UNKNOWN"):
        as_holder.extend_retention(HASH, paired.evm.now + 3 * YEAR)
    as_holder.destroy_dataset(id_, HASH)
    with refused("DATASET_DESTROYED"):
        as_holder.extend_retention(id_, paired.evm.now + 3 * YEAR)


def test_nobody_but_its_active_holder(paired, id_, refused):
    for somebody in (paired.other_holder, paired.data_user, paired.board[0], paired.non_member):
        with refused("NOT_THE_HOLDER"):
            paired.registry.as_(somebody).extend_retention(id_, paired.evm.now + 3 * YEAR)
    paired.remove(paired.holder)
    with refused("NOT_DATA_HOLDER"):
        paired.registry.as_(paired.holder).extend_retention(id_, paired.evm.now + 3 * YEAR)


@pytest.mark.parametrize("given", [-1, 2**64, 1.5, None])
def test_what_no_record_can_hold_is_not_sent(paired, id_, given):
    for registry in (paired.registry.chain, paired.registry.model):
        with pytest.raises(RegistryArgumentError):
            registry.as_(paired.holder).extend_retention(id_, given)
