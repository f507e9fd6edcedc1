"""Where blocks lie. Blocks are ciphertext or lists of CIDs: whoever keeps them learns sizes and structure only.

A store need not be trusted: the vault checks every block against its CID. It must keep what ``put`` returned from, or,
where it shares the vault's database, what the surrounding transaction committed.
"""

from typing import Protocol

from belmont.vault.cid import Cid
from belmont.vault.database import Database
from belmont.vault.errors import BlockMissing, CidMalformed, DatabaseCorrupted


class BlockStore(Protocol):
    def put(self, cid: Cid, block: bytes) -> None:
        """Keeps a block; replaces what lay under that CID, which can only be the same or damaged."""

    def get(self, cid: Cid) -> bytes:
        """The bytes under a CID, unchecked; raises ``BlockMissing``."""

    def has(self, cid: Cid) -> bool: ...

    def delete(self, cid: Cid) -> None:
        """Forgets a block; nothing happens if there is none."""

    def cids(self) -> list[Cid]:
        """All of them, in order of their bytes."""


class SqliteBlockStore:
    """Blocks in a table of the vault's own database, so that one transaction covers them and the catalogue."""

    SCHEMA = "CREATE TABLE blocks (cid BLOB PRIMARY KEY NOT NULL, data BLOB NOT NULL) STRICT"

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, cid: Cid, block: bytes) -> None:
        self._database.execute(
            "INSERT INTO blocks (cid, data) VALUES (?, ?) ON CONFLICT (cid) DO UPDATE SET data = excluded.data",
            (cid.binary, block),
        )

    def get(self, cid: Cid) -> bytes:
        rows = self._database.execute("SELECT data FROM blocks WHERE cid = ?", (cid.binary,))
        if not rows:
            raise BlockMissing(str(cid), "it is missing")
        return self._database.blob(rows[0][0])

    def has(self, cid: Cid) -> bool:
        return bool(self._database.execute("SELECT 1 FROM blocks WHERE cid = ?", (cid.binary,)))

    def delete(self, cid: Cid) -> None:
        self._database.execute("DELETE FROM blocks WHERE cid = ?", (cid.binary,))

    def cids(self) -> list[Cid]:
        try:
            return [Cid(row[0]) for row in self._database.execute("SELECT cid FROM blocks ORDER BY cid")]
        except CidMalformed as error:
            raise DatabaseCorrupted(
                f"{self._database.path}: a block lies under no valid CID; restore the database from a backup"
            ) from error
