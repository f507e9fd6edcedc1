import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.types import DatasetId, DatasetVersion, VersionStatus

HASH = b"\x11" * 32

CONSENT = ConsentState().root


@pytest.fixture
def id_(consortium):
    return consortium.dataset(versions=0)


@pytest.fixture
def as_holder(consortium):
    return consortium.registry.as_(consortium.holder)


def test_versions_are_numbered_and_kept(consortium, as_holder, id_):
    assert as_holder.add_version(id_, b"first", 10, bytes(32), CONSENT) == 1
    assert as_holder.add_version(id_, b"second", 20, HASH, CONSENT) == 2
    now = consortium.evm.now
    assert consortium.registry.version(id_, 1) == DatasetVersion(
        id_, 1, b"first", 10, bytes(32), CONSENT, VersionStatus.REGISTERED, now
    )
    assert consortium.registry.version(id_, 2) == DatasetVersion(
        id_, 2, b"second", 20, HASH, CONSENT, VersionStatus.REGISTERED, now
    )
    assert consortium.registry.dataset(id_).versions == 2
    assert consortium.registry.version(id_, 3) is None


def test_announces_the_version(consortium, as_holder, id_):
    as_holder.add_version(id_, b"first", 10, HASH, CONSENT)
    details = {
        "dataset": id_,
        "number": 1,
        "cid": b"first",
        "rows": 10,
        "commitments_root": HASH,
        "consent_root": CONSENT,
    }
    assert consortium.events("VersionAdded") == [("VersionAdded", consortium.holder.address, details)]


def test_a_frozen_dataset_can_be_prepared(consortium, as_holder, id_):
    as_holder.freeze_dataset(id_)
    assert as_holder.add_version(id_, b"first", 10, HASH, CONSENT) == 1


def test_another_consent_root_than_the_current_is_refused(consortium, as_holder, id_, refused):
    with refused("CONSENT_STALE"):
        as_holder.add_version(id_, b"first", 10, HASH, HASH)


def test_an_empty_version_is_refused(consortium, as_holder, id_, refused):
    with refused("CID_MISSING"):
        as_holder.add_version(id_, b"", 10, HASH, CONSENT)
    with refused("ROWS_MISSING"):
        as_holder.add_version(id_, b"first", 0, HASH, CONSENT)


def test_only_the_holder_adds(consortium, id_, refused):
    for somebody in (consortium.other_holder, consortium.data_user, consortium.board[0], consortium.non_member):
        with refused("NOT_THE_HOLDER"):
            consortium.registry.as_(somebody).add_version(id_, b"first", 10, HASH, CONSENT)


def test_a_removed_holder_is_refused(consortium, refused):
    id_ = consortium.dataset(consortium.other_holder)
    consortium.remove(consortium.other_holder)
    with refused("NOT_DATA_HOLDER"):
        consortium.registry.as_(consortium.other_holder).add_version(id_, b"first", 10, HASH, CONSENT)


def test_an_unknown_dataset_is_refused(consortium, as_holder, refused):
    with refused("DATASET_UNKNOWN"):
        as_holder.add_version(DatasetId(HASH), b"first", 10, HASH, CONSENT)


def test_a_destroyed_dataset_is_refused(consortium, as_holder, id_, refused):
    as_holder.destroy_dataset(id_, HASH)
    with refused("DATASET_DESTROYED"):
        as_holder.add_version(id_, b"first", 10, HASH, CONSENT)
