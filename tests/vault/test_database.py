"""The vault's file as a whole: foreign, newer, damaged, read-only, full, locked."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from belmont.vault.dag import Layout
from belmont.vault.errors import (
    DatabaseCorrupted,
    ForeignDatabase,
    NewerVault,
    VaultBusy,
    VaultError,
    VaultFull,
    VaultNotWritable,
)
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey

AsNobody = Callable[[], AbstractContextManager[None]]


@pytest.mark.parametrize("content", [b"not a database" * 100, b"x", bytes(4096), b"SQLite format 3\0" + bytes(100)])
def test_a_file_that_is_no_database_is_left_as_it_is(path: Path, wrapping_key: WrappingKey, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(VaultError, match=r"path|backup"):
        Vault.open(path, wrapping_key)
    assert path.read_bytes() == content


@pytest.mark.parametrize("application_id", [0, 0x12345678])
def test_another_programs_database_is_left_as_it_is(path: Path, wrapping_key: WrappingKey, application_id: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id={application_id}")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ForeignDatabase, match="another path"):
        Vault.open(path, wrapping_key)
    assert path.read_bytes() == before


def test_a_newer_vault_asks_for_newer_software(path: Path, wrapping_key: WrappingKey) -> None:
    Vault.open(path, wrapping_key).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(NewerVault, match="update the software"):
        Vault.open(path, wrapping_key)


def test_a_vault_that_lost_its_version_or_a_table_is_damaged(path: Path, wrapping_key: WrappingKey) -> None:
    Vault.open(path, wrapping_key).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=0")
    with pytest.raises(DatabaseCorrupted, match="backup"):
        Vault.open(path, wrapping_key)
    connection.execute("PRAGMA user_version=1")
    connection.execute("DROP TABLE meta")
    connection.close()
    with pytest.raises(DatabaseCorrupted, match="meta"):
        Vault.open(path, wrapping_key)


def test_a_vault_that_was_killed_while_it_was_made_opens_as_new(path: Path, wrapping_key: WrappingKey) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")  # as far as creation gets before its transaction
    connection.close()
    with Vault.open(path, wrapping_key) as vault:
        assert vault.labels() == ()


def test_a_missing_folder_is_named(tmp_path: Path, wrapping_key: WrappingKey) -> None:
    with pytest.raises(VaultNotWritable, match="folder"):
        Vault.open(tmp_path / "nowhere" / "vault.db", wrapping_key)
    with pytest.raises(VaultNotWritable):
        Vault.open(tmp_path, wrapping_key)


def test_a_read_only_folder_is_named(open_folder: Path, wrapping_key: WrappingKey, unprivileged: AsNobody) -> None:
    path = open_folder / "vault.db"
    open_folder.chmod(0o555)
    with unprivileged(), pytest.raises(VaultNotWritable, match="write"):
        Vault.open(path, wrapping_key)
    open_folder.chmod(0o755)
    Vault.open(path, wrapping_key).close()
    path.chmod(0o666)
    open_folder.chmod(0o555)
    with unprivileged(), pytest.raises(VaultNotWritable, match="write"):
        Vault.open(path, wrapping_key)


def test_a_read_only_file_is_named(open_folder: Path, wrapping_key: WrappingKey, unprivileged: AsNobody) -> None:
    path = open_folder / "vault.db"
    Vault.open(path, wrapping_key).close()
    path.chmod(0o444)
    open_folder.chmod(0o777)
    with unprivileged(), pytest.raises(VaultNotWritable, match="may write"):
        Vault.open(path, wrapping_key)


def test_a_full_disk_stores_nothing_and_says_so(vault: Vault) -> None:
    cid = vault.put("ward", b"records")
    before = vault.check()
    pages = vault._database.execute("PRAGMA page_count")[0][0]
    vault._database.execute(f"PRAGMA max_page_count={pages + 2}")
    for label in ("ward", "new"):
        with pytest.raises(VaultFull, match="free some"):
            vault.put(label, bytes(10_000))
    vault._database.execute("PRAGMA max_page_count=1000000")
    assert vault.check() == before
    assert vault.get(cid) == b"records"
    assert vault.get(vault.put("new", bytes(10_000))) == bytes(10_000)


QUOTA = """
import resource, sys
from belmont.vault.errors import VaultUnusable
from belmont.vault.vault import Vault
with Vault.open(sys.argv[1], bytes(32)) as vault:
    first = vault.put("ward", b"records")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    try:
        vault.put("ward", bytes(4 << 20))
    except VaultUnusable as error:
        print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert vault.get(first) == b"records"
    assert vault.get(vault.put("ward", bytes(4 << 20))) == bytes(4 << 20)
    assert vault.check().ok
    assert vault.check().objects == 2
"""


def test_a_quota_that_stops_a_write_leaves_the_vault_usable(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", QUOTA, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("VaultDiskFailed", "VaultFull"))


def test_a_writer_of_another_process_is_waited_for_and_then_named(vault: Vault, raw: sqlite3.Connection) -> None:
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(VaultBusy, match="another process"):
        vault.put("ward", b"records")
    raw.execute("ROLLBACK")
    assert vault.get(vault.put("ward", b"records")) == b"records"


READER = """
import sys
from belmont.vault.cid import Cid
from belmont.vault.vault import Vault
with Vault.open(sys.argv[1], bytes(32), create=False) as vault:
    print("open", flush=True)
    for line in sys.stdin:
        print(len(vault.get(Cid.parse(line.strip()))), flush=True)
"""


def test_another_process_reads_while_this_one_writes(path: Path) -> None:
    with Vault.open(path, bytes(32), layout=Layout(64, 3)) as vault:
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if reader.stdin is None or reader.stdout is None:
            raise AssertionError
        assert reader.stdout.readline() == "open\n"
        for size in range(0, 2000, 200):
            print(vault.put("ward", bytes(size)), file=reader.stdin, flush=True)
            vault.put("other", bytes(1000))
            assert reader.stdout.readline() == f"{size}\n"
        reader.stdin.close()
        assert reader.wait(timeout=30) == 0
        reader.stdout.close()


def test_damage_anywhere_in_the_file_never_gives_wrong_data(tmp_path: Path, wrapping_key: WrappingKey) -> None:
    """Bits of the closed file are flipped, SQLite's own structures included."""
    data = {f"label {i}": os.urandom(200) for i in range(3)}
    with Vault.open(tmp_path / "whole", wrapping_key, layout=Layout(64, 2)) as vault:
        cids = {label: vault.put(label, content) for label, content in data.items()}
    whole = (tmp_path / "whole").read_bytes()
    generator = random.Random(7)
    positions = generator.sample([i for i, byte in enumerate(whole) if byte], 300) + list(range(100))
    refused = 0
    for number, position in enumerate(positions):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << generator.randrange(8)
        path = tmp_path / f"{number}"
        path.write_bytes(damaged)
        try:
            with Vault.open(path, wrapping_key) as vault:
                for label, cid in cids.items():
                    try:
                        assert vault.get(cid) == data[label]
                    except VaultError:
                        refused += 1
                vault.check()
        except VaultError:
            refused += 1
        for file in tmp_path.glob(f"{number}*"):
            file.unlink()
    assert refused > 100
