import pytest

from belmont.registry.types import DatasetStatus

HASH = b"\x11" * 32


@pytest.fixture
def id_(consortium):
    return consortium.dataset()


@pytest.fixture
def as_holder(consortium):
    return consortium.registry.as_(consortium.holder)


def test_freezes_and_unfreezes(consortium, as_holder, id_):
    as_holder.freeze_dataset(id_)
    assert consortium.registry.dataset(id_).status is DatasetStatus.FROZEN
    as_holder.unfreeze_dataset(id_)
    assert consortium.registry.dataset(id_).status is DatasetStatus.ACTIVE


def test_announces_both(consortium, as_holder, id_):
    as_holder.freeze_dataset(id_)
    as_holder.unfreeze_dataset(id_)
    holder, details = consortium.holder.address, {"dataset": id_}
    assert consortium.events("DatasetFrozen", "DatasetUnfrozen") == [
        ("DatasetFrozen", holder, details),
        ("DatasetUnfrozen", holder, details),
    ]


def test_what_is_frozen_is_not_frozen_again(as_holder, id_, refused):
    as_holder.freeze_dataset(id_)
    with refused("DATASET_FROZEN"):
        as_holder.freeze_dataset(id_)


def test_what_is_active_is_not_unfrozen(as_holder, id_, refused):
    with refused("DATASET_NOT_FROZEN"):
        as_holder.unfreeze_dataset(id_)


def test_only_the_holder_does_either(consortium, as_holder, id_, refused):
    with refused("NOT_THE_HOLDER"):
        consortium.registry.as_(consortium.board[0]).freeze_dataset(id_)
    as_holder.freeze_dataset(id_)
    with refused("NOT_THE_HOLDER"):
        consortium.registry.as_(consortium.other_holder).unfreeze_dataset(id_)


def test_a_destroyed_dataset_is_not_revived_by_unfreezing(as_holder, id_, refused):
    as_holder.freeze_dataset(id_)
    as_holder.destroy_dataset(id_, HASH)
    with refused("DATASET_DESTROYED"):
        as_holder.unfreeze_dataset(id_)
    with refused("DATASET_DESTROYED"):
        as_holder.freeze_dataset(id_)
