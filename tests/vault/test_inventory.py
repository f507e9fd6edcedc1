"""What a vault says that it holds of a dataset, before and after it is shredded."""

import pytest

from belmont.vault.errors import LabelUnknown
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey


def test_an_inventory_counts_every_block_of_every_object_and_of_no_other_dataset(vault: Vault) -> None:
    first, second = vault.put("ward", bytes(5000)), vault.put("ward", b"x")
    vault.put("other", bytes(5000))
    found = vault.inventory("ward")
    assert found.objects == (first, second)
    assert found.bytes > 5001 and found.blocks >= 4
    assert found.blocks + vault.inventory("other").blocks == vault.check().blocks
    assert (found.shredded_at, found.is_empty) == (None, False)


def test_a_keys_id_tells_datasets_apart_and_outlives_a_new_wrapping_key(vault: Vault) -> None:
    vault.put("ward", b"x")
    vault.put("other", b"x")
    before = vault.inventory("ward").key_id
    assert before is not None and len(bytes.fromhex(before)) == 16 and before != vault.inventory("other").key_id
    vault.rotate_wrapping_key(WrappingKey.generate())
    vault.put("ward", b"y")
    assert vault.inventory("ward").key_id == before


def test_after_shredding_nothing_is_left_but_the_names_of_the_objects(vault: Vault) -> None:
    cid = vault.put("ward", bytes(5000))
    vault.shred("ward")
    found = vault.inventory("ward")
    assert found.objects == (cid,) and found.is_empty and found.shredded_at is not None
    assert (found.blocks, found.bytes, found.key_id) == (0, 0, None)


def test_a_key_that_was_damaged_still_counts_as_there(vault: Vault) -> None:
    vault.put("ward", b"x")
    with vault._database.writing():
        vault._database.execute("UPDATE data_keys SET wrapped = zeroblob(60)")
    found = vault.inventory("ward")
    assert found.key_id == "" and not found.is_empty


def test_a_dataset_that_never_was_has_no_inventory(vault: Vault) -> None:
    with pytest.raises(LabelUnknown):
        vault.inventory("ward")
