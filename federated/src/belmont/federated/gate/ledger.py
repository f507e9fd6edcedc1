"""A node's own record of what it served: durable before anything is computed.

1. A (permit, kind, n) is admitted once, and so is a message: both are keys of one table.
2. An entry is on disk (``synchronous=FULL``) before the node computes. After a crash the entry is still there, so the
   round counts as consumed; nothing is served twice.
3. The highest block the node ever acted on is kept, so a chain that went backwards is noticed after a restart too.
4. A ledger belongs to one dataset of one consortium, and refuses to serve another.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belmont.federated.errors import LedgerError
from belmont.registry.types import DatasetId, PermitId, UseKind

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (registry TEXT NOT NULL, dataset_id BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS highest_head (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS uses (
    permit_id INTEGER NOT NULL, kind INTEGER NOT NULL, n INTEGER NOT NULL,
    message_id TEXT NOT NULL UNIQUE, subject_hash BLOB NOT NULL, admitted_at REAL NOT NULL,
    result_hash BLOB, released_at REAL,
    PRIMARY KEY (permit_id, kind, n)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class LedgerEntry:
    """One admitted round or query. ``result_hash`` is None until its result was released."""

    permit_id: PermitId
    kind: UseKind
    n: int
    message_id: str
    subject_hash: bytes
    admitted_at: float
    result_hash: bytes | None
    released_at: float | None


class Ledger:
    """The ledger of one node. Safe for several threads, and for a second process on the same file."""

    def __init__(self, path: Path, registry_name: str, dataset_id: DatasetId) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._claim(path, registry_name, dataset_id)
        except sqlite3.Error as error:
            raise LedgerError(f"{path} cannot be used as a ledger: {error}") from error

    def admit(
        self, permit_id: PermitId, kind: UseKind, n: int, message_id: str, subject_hash: bytes, head: int, now: float
    ) -> bool:
        """Record an admission durably. False, and nothing recorded, if this use or this message was admitted before."""
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT INTO uses VALUES (?,?,?,?,?,?,NULL,NULL)",
                    (permit_id, int(kind), n, message_id, subject_hash, now),
                )
                self._raise_head(head)
        except sqlite3.IntegrityError:
            return False
        return True

    def release(self, permit_id: PermitId, kind: UseKind, n: int, result_hash: bytes, head: int, now: float) -> None:
        """Record durably that the result is about to leave. Raises LedgerError if it was not admitted, or has left."""
        with self._transaction():
            changed = self._db.execute(
                "UPDATE uses SET result_hash=?, released_at=? "
                "WHERE permit_id=? AND kind=? AND n=? AND released_at IS NULL",
                (result_hash, now, permit_id, int(kind), n),
            ).rowcount
            if changed != 1:
                raise LedgerError(f"{kind.name.lower()} {n} of permit {permit_id} is not waiting for its release")
            self._raise_head(head)

    def served(self, permit_id: PermitId, kind: UseKind) -> int:
        """How many rounds or queries of a permit were admitted."""
        return int(self._rows("SELECT count(*) FROM uses WHERE permit_id=? AND kind=?", permit_id, int(kind))[0][0])

    def knows(self, permit_id: PermitId, kind: UseKind, n: int, message_id: str) -> bool:
        """Whether this use or this message was admitted before."""
        sql = "SELECT 1 FROM uses WHERE (permit_id=? AND kind=? AND n=?) OR message_id=?"
        return bool(self._rows(sql, permit_id, int(kind), n, message_id))

    @property
    def highest_head(self) -> int:
        """The highest block number this node ever acted on."""
        rows = self._rows("SELECT number FROM highest_head")
        return int(rows[0][0]) if rows else 0

    def entries(self) -> list[LedgerEntry]:
        """Everything admitted, in order of admission."""
        rows = self._rows(
            "SELECT permit_id, kind, n, message_id, subject_hash, admitted_at, result_hash, released_at "
            "FROM uses ORDER BY admitted_at"
        )
        return [LedgerEntry(PermitId(row[0]), UseKind(row[1]), *row[2:]) for row in rows]

    def close(self) -> None:
        """Close the file; the ledger cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def _claim(self, path: Path, registry_name: str, dataset_id: DatasetId) -> None:
        with self._transaction():
            row = self._db.execute("SELECT registry, dataset_id FROM identity").fetchone()
            if row is None:
                self._db.execute("INSERT INTO identity VALUES (?,?)", (registry_name, dataset_id))
        if row is not None and (row[0], bytes(row[1])) != (registry_name, dataset_id):
            raise LedgerError(f"{path} is the ledger of another dataset or consortium: give each node its own file")

    def _raise_head(self, head: int) -> None:
        if self._db.execute("UPDATE highest_head SET number=max(number, ?)", (head,)).rowcount == 0:
            self._db.execute("INSERT INTO highest_head VALUES (?)", (head,))

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"the ledger cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"the ledger cannot be written: {error}") from error
