import random
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from belmont.vault.cid import RAW
from belmont.vault.errors import DatasetShredded, LabelUnknown, ShredIncomplete
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey


def wrapped_keys(raw: sqlite3.Connection) -> dict[str, bytes]:
    rows = raw.execute("SELECT l.label, k.wrapped FROM data_keys k JOIN labels l ON l.id = k.label_id").fetchall()
    return {label.decode(): wrapped for label, wrapped in rows}


def test_a_shredded_dataset_is_gone_and_says_so(vault: Vault) -> None:
    gone, kept = vault.put("gone", bytes(100)), vault.put("kept", bytes(100))
    vault.shred("gone")
    with pytest.raises(DatasetShredded, match="'gone' was shredded") as refused:
        vault.get(gone)
    assert refused.value.label == "gone"
    assert vault.get(kept) == bytes(100)
    assert vault.labels() == ("kept",)
    assert vault.objects("gone") == (gone,)
    report = vault.check()
    assert report.ok
    assert (report.labels, report.shredded) == (1, 1)


def test_a_shredded_label_is_never_used_again(path: Path, wrapping_key: WrappingKey) -> None:
    with Vault.open(path, wrapping_key) as vault:
        vault.put("ward", b"records")
        vault.shred("ward")
    with Vault.open(path, wrapping_key) as vault, pytest.raises(DatasetShredded, match="another label"):
        vault.put("ward", b"records")


def test_shredding_again_changes_nothing(vault: Vault) -> None:
    cid = vault.put("ward", b"records")
    vault.shred("ward")
    with pytest.raises(DatasetShredded) as first:
        vault.get(cid)
    vault.shred("ward")
    with pytest.raises(DatasetShredded) as second:
        vault.get(cid)
    assert first.value.shredded_at == second.value.shredded_at


def test_an_unknown_label_is_not_shredded(vault: Vault) -> None:
    vault.put("ward", b"records")
    with pytest.raises(LabelUnknown):
        vault.shred("wart")
    assert vault.labels() == ("ward",)


def test_no_file_holds_the_wrapped_key_or_blocks_afterwards(
    vault: Vault, raw: sqlite3.Connection, files_contain: Callable[[bytes], bool]
) -> None:
    vault.put("gone", bytes(100))
    sealed = [vault._store.get(cid) for cid in vault._store.cids() if cid.codec == RAW]
    vault.put("kept", bytes(100))
    keys = wrapped_keys(raw)
    assert all(files_contain(block) for block in sealed)
    assert files_contain(keys["gone"])
    vault.shred("gone")
    assert not files_contain(keys["gone"])
    assert not any(files_contain(block) for block in sealed)
    assert files_contain(keys["kept"])


def test_shredding_erases_copies_that_rebalancing_left_in_other_pages(
    vault: Vault, raw: sqlite3.Connection, tmp_path: Path
) -> None:
    """Found by trying: this order of deletions makes SQLite 3.40 leave copies despite ``secure_delete``."""
    vault.put("ward", b"")
    raw.execute("PRAGMA secure_delete=ON")
    keys = {i: secrets.token_bytes(60) for i in range(2, 2002)}
    raw.execute("BEGIN")
    for i, wrapped in keys.items():
        raw.execute("INSERT INTO labels (id, label) VALUES (?, ?)", (i, f"label {i}".encode()))
        raw.execute("INSERT INTO data_keys VALUES (?, ?)", (i, wrapped))
    raw.execute("COMMIT")
    generator = random.Random(0)
    deleted = [i for i in keys if generator.random() < 0.9]
    for i in deleted:
        raw.execute("DELETE FROM data_keys WHERE label_id = ?", (i,))
    vault._database.truncate_log(wait=True)

    def left_over() -> int:
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        windows = {content[i : i + 16] for i in range(len(content) - 15)}
        return sum(any(keys[i][j : j + 16] in windows for j in range(45)) for i in deleted)

    if sqlite3.sqlite_version_info[:2] == (3, 40):
        assert left_over() > 0
    vault.shred("ward")
    assert left_over() == 0


def test_rotation_leaves_no_key_wrapped_by_the_old_one(
    vault: Vault, raw: sqlite3.Connection, files_contain: Callable[[bytes], bool]
) -> None:
    for i in range(20):
        vault.put(f"label {i}", b"")
    before = wrapped_keys(raw)
    vault.rotate_wrapping_key(WrappingKey.generate())
    after = wrapped_keys(raw)
    assert before.keys() == after.keys()
    assert not any(files_contain(wrapped) for wrapped in before.values())
    assert all(files_contain(wrapped) for wrapped in after.values())


def test_a_reader_that_keeps_the_log_is_reported_and_the_rest_done_later(
    path: Path, wrapping_key: WrappingKey, vault: Vault, raw: sqlite3.Connection, files_contain: Callable[[bytes], bool]
) -> None:
    cid = vault.put("ward", bytes(100))
    wrapped = wrapped_keys(raw)["ward"]
    raw.execute("BEGIN")
    raw.execute("SELECT count(*) FROM labels").fetchall()
    with pytest.raises(ShredIncomplete, match="end it"):
        vault.shred("ward")
    with pytest.raises(DatasetShredded):
        vault.get(cid)
    assert files_contain(wrapped)
    assert any("log" in problem.message for problem in vault.check().problems)
    raw.execute("ROLLBACK")
    with Vault.open(path, wrapping_key) as reopened:
        assert not files_contain(wrapped)
        assert reopened.check().ok


def test_a_dataset_whose_key_or_blocks_are_damaged_can_be_shredded(vault: Vault, raw: sqlite3.Connection) -> None:
    cid = vault.put("ward", bytes(100))
    raw.execute("UPDATE data_keys SET wrapped = x'00'")
    raw.execute("UPDATE blocks SET data = x'00'")
    vault.shred("ward")
    with pytest.raises(DatasetShredded):
        vault.get(cid)
    assert vault.check().ok


def test_an_unfinished_shredding_is_reported_and_finished_by_repeating(vault: Vault, raw: sqlite3.Connection) -> None:
    vault.put("ward", bytes(100))
    raw.execute("UPDATE labels SET shredded_at = 1")
    raw.execute("DELETE FROM data_keys")
    assert ["call shred again" in problem.message for problem in vault.check().problems] == [True]
    vault.shred("ward")
    report = vault.check()
    assert report.ok
    assert report.blocks == 0
