from types import SimpleNamespace

import pytest
from eth_utils import to_checksum_address

from belmont.registry.consents.statements import ConsentState, consent_root
from belmont.registry.consents.tree import EMPTY_BATCH, Batch, ConsentTree

SIG_AUTH = b"sigAuth".ljust(32, b"\0")
DELEGATE = SimpleNamespace(address=to_checksum_address(b"\xdd" * 20))
HASH = b"\x11" * 32


def test_a_dataset_begins_at_the_empty_batch(hospital):
    found = hospital.consents(hospital.stranger).state(hospital.dataset)
    assert found == ConsentState()
    assert found.root == hospital.consortium.registry.dataset(hospital.dataset).consent_root


def test_numbers_the_batch_and_changes_the_consent_root(hospital):
    assert hospital.publish() == 1
    batch = hospital.tree.batch
    expected = ConsentState(consent_root(batch.root, bytes(32)), batch.root, batch.count, 1)
    assert hospital.consents(hospital.stranger).state(hospital.dataset) == expected
    assert hospital.consents(hospital.stranger).root(hospital.dataset) == expected.root
    assert hospital.consortium.registry.dataset(hospital.dataset).consent_root == expected.root
    assert hospital.publish(ConsentTree([(HASH, HASH)])) == 2
    assert hospital.consents(hospital.stranger).state(hospital.dataset).batches == 2


def test_announces_the_batch(hospital):
    hospital.publish()
    batch = hospital.tree.batch
    details = {
        "dataset": hospital.dataset,
        "number": 1,
        "batch_root": batch.root,
        "count": batch.count,
        "consent_root": consent_root(batch.root, bytes(32)),
    }
    holder = hospital.consortium.holder.address
    assert hospital.consortium.events("BatchPublished") == [("BatchPublished", holder, details)]


def test_an_empty_batch_takes_everybody_out(hospital):
    hospital.publish()
    hospital.publish(ConsentTree([]))
    assert hospital.consents(hospital.stranger).state(hospital.dataset).root == ConsentState().root


def test_two_datasets_have_roots_of_their_own(hospital):
    other = hospital.consortium.dataset(versions=0)
    hospital.publish()
    assert hospital.consents(hospital.stranger).root(other) == ConsentState().root


def test_a_delegate_publishes_for_the_holder(hospital):
    consortium, consents = hospital.consortium, hospital.consents(DELEGATE, hospital.consortium.holder)
    args = consortium.holder.address, SIG_AUTH, DELEGATE.address, 3600
    consortium.call(consortium.holder, "Identities", "addDelegate", *args)
    assert consents.publish_batch(hospital.dataset, hospital.tree.batch) == 1
    ((_, actor, _),) = consortium.events("BatchPublished")
    assert actor == consortium.holder.address


def test_a_delegate_whose_time_is_over_does_not(hospital, refused):
    consortium = hospital.consortium
    args = consortium.holder.address, SIG_AUTH, DELEGATE.address, 3600
    consortium.call(consortium.holder, "Identities", "addDelegate", *args)
    consortium.evm.now += 3600
    with refused("NOT_THE_ACTOR"):
        hospital.consents(DELEGATE, consortium.holder).publish_batch(hospital.dataset, hospital.tree.batch)


@pytest.mark.parametrize("somebody", ["other_holder", "data_user", "non_member"])
def test_nobody_publishes_in_the_holders_name(hospital, refused, somebody):
    account = getattr(hospital.consortium, somebody)
    with refused("NOT_THE_ACTOR"):
        hospital.consents(account, hospital.consortium.holder).publish_batch(hospital.dataset, hospital.tree.batch)


@pytest.mark.parametrize("somebody", ["other_holder", "data_user", "non_member"])
def test_only_the_datasets_holder_publishes(hospital, refused, somebody):
    with refused("NOT_THE_HOLDER"):
        account = getattr(hospital.consortium, somebody)
        hospital.consents(account).publish_batch(hospital.dataset, hospital.tree.batch)


def test_an_unknown_dataset_is_refused(hospital, refused):
    with refused("DATASET_UNKNOWN"):
        hospital.consents(hospital.consortium.holder).publish_batch(HASH, hospital.tree.batch)


def test_a_removed_holder_is_refused(hospital, refused):
    hospital.consortium.remove(hospital.consortium.holder)
    with refused("NOT_DATA_HOLDER"):
        hospital.publish()


def test_a_destroyed_dataset_is_refused(hospital, refused):
    hospital.consortium.registry.as_(hospital.consortium.holder).destroy_dataset(hospital.dataset, HASH)
    with refused("DATASET_DESTROYED"):
        hospital.publish()


def test_a_frozen_dataset_is_not(hospital):
    hospital.consortium.registry.as_(hospital.consortium.holder).freeze_dataset(hospital.dataset)
    assert hospital.publish() == 1


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (Batch(bytes(32), 1), "HASH_MISSING"),
        (Batch(HASH, 0), "BATCH_INVALID"),
        (Batch(EMPTY_BATCH.root, 1), "BATCH_INVALID"),
        (Batch(HASH, (1 << 32) + 1), "BATCH_INVALID"),
    ],
)
def test_what_is_no_batch_is_refused(hospital, refused, batch, reason):
    with refused(reason):
        hospital.consents(hospital.consortium.holder).publish_batch(hospital.dataset, batch)


def test_a_batch_of_as_many_leaves_as_a_path_can_reach_is_not_too_large(hospital):
    assert hospital.consents(hospital.consortium.holder).publish_batch(hospital.dataset, Batch(HASH, 1 << 32)) == 1
