import pytest

CHANGED = b"\x33" * 32


@pytest.fixture
def id_(consortium):
    return consortium.dataset()


def test_the_newest_version_is_stale_until_one_is_added_at_the_new_root(consortium, id_):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.set_consent_root(id_, CHANGED)
    assert consortium.registry.dataset(id_).consent_root == CHANGED
    assert consortium.registry.version(id_, 1).consent_root != CHANGED
    assert as_holder.add_version(id_, b"cid", 9, CHANGED, CHANGED) == 2


def test_announces_the_root(consortium, id_):
    consortium.registry.as_(consortium.holder).set_consent_root(id_, CHANGED)
    details = {"dataset": id_, "consent_root": CHANGED}
    assert consortium.events("ConsentRootSet") == [("ConsentRootSet", consortium.holder.address, details)]


def test_no_root_is_refused(consortium, id_, refused):
    with refused("HASH_MISSING"):
        consortium.registry.as_(consortium.holder).set_consent_root(id_, bytes(32))


def test_only_the_holder_sets_it(consortium, id_, refused):
    with refused("NOT_THE_HOLDER"):
        consortium.registry.as_(consortium.other_holder).set_consent_root(id_, CHANGED)


def test_a_destroyed_dataset_is_refused(consortium, id_, refused):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.destroy_dataset(id_, HASH)
    with refused("DATASET_DESTROYED"):
        as_holder.set_consent_root(id_, CHANGED)
