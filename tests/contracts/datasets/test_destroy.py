import pytest

from belmont.registry.types import DatasetStatus

HASH = b"\x11" * 32


@pytest.fixture
def id_(consortium):
    return consortium.dataset()


def test_destroys_for_good(consortium, id_, refused):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.destroy_dataset(id_, HASH)
    destroyed = consortium.registry.dataset(id_)
    assert (destroyed.status, destroyed.destruction_hash) == (DatasetStatus.DESTROYED, HASH)
    with refused("DATASET_DESTROYED"):
        as_holder.destroy_dataset(id_, HASH)


def test_announces_it(consortium, id_):
    consortium.registry.as_(consortium.holder).destroy_dataset(id_, HASH)
    expected = ("DatasetDestroyed", consortium.holder.address, {"dataset": id_, "destruction_hash": HASH})
    assert consortium.events("DatasetDestroyed") == [expected]


def test_only_the_holder_destroys(consortium, id_, refused):
    for somebody in (consortium.other_holder, consortium.data_user, consortium.board[0]):
        with refused("NOT_THE_HOLDER"):
            consortium.registry.as_(somebody).destroy_dataset(id_, HASH)


def test_a_report_of_what_was_destroyed_is_named(consortium, id_, refused):
    with refused("HASH_MISSING"):
        consortium.registry.as_(consortium.holder).destroy_dataset(id_, bytes(32))
