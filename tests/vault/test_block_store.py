from pathlib import Path

import pytest

from belmont.vault.block_store import BlockStore, SqliteBlockStore
from belmont.vault.cid import RAW, Cid
from belmont.vault.database import Database
from belmont.vault.errors import BlockMissing, DatabaseCorrupted

BLOCKS = {Cid.of(RAW, block): block for block in (b"", b"one", bytes(1024 * 1024))}


class AnyBlockStore:
    """What every store must do; a subclass gives the store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> BlockStore:
        raise NotImplementedError

    def test_blocks_are_kept_until_deleted(self, store: BlockStore) -> None:
        for cid, block in BLOCKS.items():
            assert not store.has(cid)
            store.put(cid, block)
        assert store.cids() == sorted(BLOCKS)
        for cid, block in BLOCKS.items():
            assert store.has(cid)
            assert store.get(cid) == block
            store.delete(cid)
            assert not store.has(cid)
        assert store.cids() == []

    def test_a_missing_block_is_named(self, store: BlockStore) -> None:
        cid = next(iter(BLOCKS))
        store.delete(cid)
        with pytest.raises(BlockMissing, match=str(cid)) as missing:
            store.get(cid)
        assert missing.value.block == str(cid)

    def test_putting_again_mends_a_damaged_block(self, store: BlockStore) -> None:
        cid = Cid.of(RAW, b"one")
        store.put(cid, b"0ne")
        store.put(cid, b"one")
        assert store.get(cid) == b"one"
        assert store.cids() == [cid]


class TestSqliteBlockStore(AnyBlockStore):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Database:
        return Database(tmp_path / "blocks.db", [(SqliteBlockStore.SCHEMA, ())], create=True, lock_timeout_seconds=1)

    @pytest.fixture
    def store(self, database: Database) -> BlockStore:
        return SqliteBlockStore(database)

    def test_a_transaction_that_fails_keeps_nothing(self, store: BlockStore, database: Database) -> None:
        with pytest.raises(KeyError), database.writing():
            store.put(Cid.of(RAW, b"one"), b"one")
            raise KeyError
        assert store.cids() == []

    def test_a_row_under_no_valid_cid_is_damage(self, store: BlockStore, database: Database) -> None:
        database.execute("INSERT INTO blocks VALUES (x'00', x'00')")
        with pytest.raises(DatabaseCorrupted):
            store.cids()
