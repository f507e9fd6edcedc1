"""Somebody who can write the vault's database, and knows no key, changes what is stored."""

import sqlite3
from collections.abc import Callable
from typing import Any

import libipld
import pytest

from belmont.vault.cid import DAG_CBOR, RAW, Cid
from belmont.vault.errors import (
    BlockCorrupted,
    BlockMissing,
    DataKeyCorrupted,
    ObjectUnknown,
    VaultCorrupted,
    VaultError,
)
from belmont.vault.vault import Vault

DATA = bytes(range(130))  # five chunks of at most 32 bytes, so two levels of nodes under the root
Blocks = dict[Cid, bytes]


@pytest.fixture
def root(vault: Vault) -> Cid:
    return vault.put("ward", DATA)


@pytest.fixture
def blocks(vault: Vault, root: Cid) -> Blocks:
    return {cid: vault._store.get(cid) for cid in vault._store.cids()}


def leaves(root: Cid, blocks: Blocks) -> list[Cid]:
    """In order, by following the links."""
    links = [Cid(link) for link in libipld.decode_dag_cbor(blocks[root])["links"]]
    return [leaf for link in links for leaf in ([link] if link.codec == RAW else leaves(link, blocks))]


def write_block(raw: sqlite3.Connection, cid: Cid, block: bytes) -> None:
    raw.execute("UPDATE blocks SET data = ? WHERE cid = ?", (block, cid.binary))


def test_every_flipped_bit_of_every_block_is_refused_and_named(
    vault: Vault, raw: sqlite3.Connection, root: Cid, blocks: Blocks
) -> None:
    place: dict[Cid, int | None] = {cid: None for cid in blocks}
    place |= {cid: index for index, cid in enumerate(leaves(root, blocks))}
    assert len(blocks) == 5 + 3 + 2 + 1
    for cid, block in blocks.items():
        for position in range(len(block)):
            for bit in range(8):
                changed = bytearray(block)
                changed[position] ^= 1 << bit
                write_block(raw, cid, bytes(changed))
                with pytest.raises(BlockCorrupted) as refused:
                    vault.get(root)
                assert (refused.value.block, refused.value.object) == (str(cid), str(root))
                assert refused.value.chunk == place[cid]
        write_block(raw, cid, block)
    assert vault.get(root) == DATA


def test_the_message_names_block_object_and_chunk(
    vault: Vault, raw: sqlite3.Connection, root: Cid, blocks: Blocks
) -> None:
    third = leaves(root, blocks)[3]
    write_block(raw, third, b"")
    with pytest.raises(BlockCorrupted, match=rf"block {third} of object {root}: chunk 3: .*restore"):
        vault.get(root)


def test_every_flipped_bit_of_the_wrapped_key_is_refused_and_named(
    vault: Vault, raw: sqlite3.Connection, root: Cid
) -> None:
    ((wrapped,),) = raw.execute("SELECT wrapped FROM data_keys").fetchall()
    for position in range(len(wrapped)):
        for bit in range(8):
            changed = bytearray(wrapped)
            changed[position] ^= 1 << bit
            raw.execute("UPDATE data_keys SET wrapped = ?", (bytes(changed),))
            with pytest.raises(DataKeyCorrupted, match="'ward'") as refused:
                vault.get(root)
            assert refused.value.label == "ward"
    with pytest.raises(DataKeyCorrupted):
        vault.put("ward", b"more")
    with pytest.raises(DataKeyCorrupted):
        vault.rotate_wrapping_key(vault._wrapping_key)
    assert not vault.check().ok


@pytest.mark.parametrize(("table", "column"), [("meta", "value"), ("labels", "label"), ("objects", "cid")])
def test_every_flipped_bit_of_the_catalogue_is_refused(
    vault: Vault, raw: sqlite3.Connection, root: Cid, table: str, column: str
) -> None:
    for rowid, value in raw.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
        for position in range(len(value)):
            for bit in range(8):
                changed = bytearray(value)
                changed[position] ^= 1 << bit
                raw.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(changed), rowid))
                with pytest.raises(VaultError):
                    vault.get(root)
        raw.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
    assert vault.get(root) == DATA


def test_every_missing_block_is_named(vault: Vault, raw: sqlite3.Connection, root: Cid, blocks: Blocks) -> None:
    for cid, block in blocks.items():
        raw.execute("DELETE FROM blocks WHERE cid = ?", (cid.binary,))
        with pytest.raises(BlockMissing) as missing:
            vault.get(root)
        assert (missing.value.block, missing.value.object) == (str(cid), str(root))
        raw.execute("INSERT INTO blocks (cid, data) VALUES (?, ?)", (cid.binary, block))
    assert vault.get(root) == DATA


def test_a_missing_or_foreign_wrapped_key_is_named(vault: Vault, raw: sqlite3.Connection, root: Cid) -> None:
    other = vault.put("other", b"other")
    (ours, theirs) = [row[0] for row in raw.execute("SELECT wrapped FROM data_keys ORDER BY label_id")]
    raw.execute("UPDATE data_keys SET wrapped = ? WHERE label_id = 1", (theirs,))
    with pytest.raises(DataKeyCorrupted, match="'ward'"):
        vault.get(root)
    raw.execute("UPDATE data_keys SET wrapped = ? WHERE label_id = 1", (ours,))
    raw.execute("DELETE FROM data_keys WHERE label_id = 2")
    with pytest.raises(DataKeyCorrupted, match="'other': it is gone"):
        vault.get(other)
    assert vault.get(root) == DATA


def test_an_object_moved_to_another_label_is_refused(vault: Vault, raw: sqlite3.Connection, root: Cid) -> None:
    vault.put("other", b"other")
    raw.execute("UPDATE objects SET label_id = 2 WHERE id = 1")
    with pytest.raises(DataKeyCorrupted, match="another key"):
        vault.get(root)
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("UPDATE objects SET label_id = 9 WHERE id = 1")
    with pytest.raises(VaultCorrupted, match="no label"):
        vault.get(root)


def register(raw: sqlite3.Connection, fields: dict[str, Any]) -> Cid:
    """Stores a forged root with correct hashes, as if put() had returned its CID."""
    block = libipld.encode_dag_cbor(fields)
    cid = Cid.of(DAG_CBOR, block)
    raw.execute("INSERT INTO blocks (cid, data) VALUES (?, ?)", (cid.binary, block))
    raw.execute("INSERT INTO objects (cid, label_id) VALUES (?, 1)", (cid.binary,))
    return cid


def swap(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["links"].reverse()


def repeat(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["links"][1] = fields["links"][0]


def drop_the_last(fields: dict[str, Any], other: dict[str, Any]) -> None:
    del fields["links"][1]
    fields["size"] = 32


def cut_the_size(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["size"] -= 1


def grow_the_size(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["size"] += 1


def take_a_chunk_of_another_object(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["links"][1] = other["links"][1]


def take_the_chunks_of_another_object(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["links"] = other["links"]


def take_salt_and_check_of_another_object(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["salt"], fields["key_check"] = other["salt"], other["key_check"]


def claim_another_chunk_size(fields: dict[str, Any], other: dict[str, Any]) -> None:
    fields["chunk_bytes"] = 33


@pytest.mark.parametrize(
    "forge",
    [
        swap,
        repeat,
        drop_the_last,
        cut_the_size,
        grow_the_size,
        take_a_chunk_of_another_object,
        take_the_chunks_of_another_object,
        take_salt_and_check_of_another_object,
        claim_another_chunk_size,
    ],
)
def test_chunks_cannot_be_rearranged_even_with_correct_hashes(
    vault: Vault, raw: sqlite3.Connection, forge: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    ours, theirs = (libipld.decode_dag_cbor(vault._store.get(vault.put("ward", bytes(50)))) for _ in range(2))
    forge(ours, theirs)
    with pytest.raises(BlockCorrupted, match=r"chunk \d: its tag does not verify"):
        vault.get(register(raw, ours))


@pytest.mark.parametrize("field", ["salt", "key_check"])
def test_a_root_under_another_salt_or_key_check_is_refused(vault: Vault, raw: sqlite3.Connection, field: str) -> None:
    fields = libipld.decode_dag_cbor(vault._store.get(vault.put("ward", bytes(50))))
    with pytest.raises(DataKeyCorrupted):
        vault.get(register(raw, fields | {field: "00" * 32}))


def test_an_unchanged_root_registered_the_same_way_is_read(vault: Vault, raw: sqlite3.Connection) -> None:
    """The forgeries above fail for what they forge, not for how they are registered."""
    cid = vault.put("ward", bytes(50))
    fields = libipld.decode_dag_cbor(vault._store.get(cid))
    raw.execute("DELETE FROM pieces")
    raw.execute("DELETE FROM objects")
    raw.execute("DELETE FROM blocks WHERE cid = ?", (cid.binary,))
    assert register(raw, fields) == cid
    assert vault.get(cid) == bytes(50)


def test_check_reports_everything_that_is_wrong_and_goes_on(
    vault: Vault, raw: sqlite3.Connection, root: Cid, blocks: Blocks
) -> None:
    good = vault.put("ward", b"good")
    second, fourth = leaves(root, blocks)[1], leaves(root, blocks)[3]
    write_block(raw, second, b"changed")
    raw.execute("DELETE FROM blocks WHERE cid = ?", (fourth.binary,))
    stray = Cid.of(RAW, b"stray")
    raw.execute("INSERT INTO blocks (cid, data) VALUES (?, ?)", (stray.binary, b"stray"))
    report = vault.check()
    assert not report.ok
    assert [(p.block, p.chunk) for p in report.problems] == [(str(second), 1), (str(fourth), 3), (str(stray), None)]
    assert {p.object for p in report.problems[:2]} == {str(root)}
    assert {p.label for p in report.problems[:2]} == {"ward"}
    assert report.plaintext_bytes == 130 - 2 * 32 + len(b"good")
    assert vault.get(good) == b"good"


def test_check_reports_a_damaged_node_once_and_the_chunks_beside_it(
    vault: Vault, raw: sqlite3.Connection, root: Cid, blocks: Blocks
) -> None:
    first = Cid(libipld.decode_dag_cbor(blocks[root])["links"][0])
    write_block(raw, first, b"")
    report = vault.check()
    assert [p.block for p in report.problems] == [str(first)]
    assert report.plaintext_bytes == 130 - 4 * 32


def test_check_reports_blocks_that_shredding_would_leave(vault: Vault, raw: sqlite3.Connection, root: Cid) -> None:
    raw.execute("DELETE FROM pieces WHERE cid = ?", (root.binary,))
    messages = [problem.message for problem in vault.check().problems]
    assert any("not listed" in message for message in messages)


def test_check_reports_a_damaged_catalogue(vault: Vault, raw: sqlite3.Connection, root: Cid) -> None:
    raw.execute("UPDATE labels SET label = x'ff'")
    assert any("not text" in problem.message for problem in vault.check().problems)
    raw.execute("UPDATE objects SET cid = x'00'")
    with pytest.raises(ObjectUnknown):
        vault.get(root)
