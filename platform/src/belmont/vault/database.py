"""The vault's SQLite file: opening it, transactions, and SQLite's errors as ours.

1. A file that is not a vault is recognised before anything is written to it.
2. A new vault appears in one transaction: killed in between, the file is empty and opens as new.
3. Write-ahead log with ``synchronous=FULL``: what a write transaction returned is on disk.
4. ``secure_delete=ON`` overwrites what is deleted with zeros; ``truncate_log`` then empties the log.
5. Temporary tables stay in memory, so no third file holds content.

One connection and one re-entrant lock per process; other processes may open the same file.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from belmont.vault.errors import (
    DatabaseCorrupted,
    ForeignDatabase,
    NewerVault,
    VaultBusy,
    VaultClosed,
    VaultDiskFailed,
    VaultFull,
    VaultMissing,
    VaultNotWritable,
    VaultUnusable,
)

APPLICATION_ID = 0x424C4D56  # "BLMV" in SQLite's header
SCHEMA_VERSION = 1
PAGE_BYTES = 16384
"""Fewer pages per block than with SQLite's 4096: measured, puts are nearly twice as fast."""
LOCK_TIMEOUT_SECONDS = 30.0


_MAGIC = b"SQLite format 3\0"
Statement = tuple[str, tuple[Any, ...]]
"""SQL and its parameters."""


class Database:
    def __init__(self, path: Path, schema: list[Statement], *, create: bool, lock_timeout_seconds: float) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._lock_timeout_ms = round(lock_timeout_seconds * 1000)
        self._connection: sqlite3.Connection | None = None
        self._prepare_file(create)
        with self._typed():
            connection = sqlite3.connect(
                path, timeout=lock_timeout_seconds, isolation_level=None, check_same_thread=False
            )
            try:
                self._open(connection, schema)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement and returns all its rows."""
        with self.lock, self._typed():
            return self._open_connection().execute(sql, parameters).fetchall()

    def blob(self, value: object) -> bytes:
        """A value that should be a BLOB: in a damaged file it can be of any type, whatever the table declares."""
        if not isinstance(value, bytes):
            raise DatabaseCorrupted(f"{self.path}: a value has the wrong type; restore the file from a backup")
        return value

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One durable transaction: all of it is on disk afterwards, or, after an exception, none."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot, whatever other processes write meanwhile."""
        with self._transaction("BEGIN DEFERRED"):
            yield

    def truncate_log(self, *, wait: bool) -> bool:
        """Moves the log into the database and empties it; False if another process's reader is in the way."""
        with self.lock:
            self.execute(f"PRAGMA busy_timeout={self._lock_timeout_ms if wait else 0}")
            try:
                busy, _, _ = self.execute("PRAGMA wal_checkpoint(TRUNCATE)")[0]
            finally:
                self.execute(f"PRAGMA busy_timeout={self._lock_timeout_ms}")
        return not busy

    def close(self) -> None:
        with self.lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self.lock:
            connection = self._open_connection()
            with self._typed():
                connection.execute(begin)
            try:
                yield
                with self._typed():
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.rollback()
                raise

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise VaultClosed(f"the vault {self.path} is closed: open it again")
        return self._connection

    def _prepare_file(self, create: bool) -> None:
        """The file exists with mode 0600 before SQLite sees it; SQLite gives its log the same mode."""
        try:
            creating = os.O_CREAT if create else 0
            with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CLOEXEC | creating, 0o600), "rb") as file:
                beginning = file.read(len(_MAGIC))
        except FileNotFoundError as error:
            if create:
                raise VaultNotWritable(f"no folder {self.path.parent}: make it first") from error
            raise VaultMissing(f"no vault at {self.path}: correct the path, or let open() create one") from error
        except OSError as error:
            raise VaultNotWritable(
                f"cannot open {self.path}: {error.strerror}; give a file in a folder that you may write to"
            ) from error
        if beginning not in (b"", _MAGIC):  # SQLite itself takes a file of a few bytes for an empty database
            raise ForeignDatabase(f"{self.path} is not a vault: choose another path")

    def _open(self, connection: sqlite3.Connection, schema: list[Statement]) -> None:
        new = self._recognise(connection)
        if new:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")
        if new:
            self._create(connection, schema)
        if connection.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
            raise VaultUnusable(f"{self.path}: no write-ahead log on this file system; keep the vault on a local disk")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise NewerVault(
                f"{self.path} is of version {version}, and this software reads {SCHEMA_VERSION}: update the software"
            )
        if version != SCHEMA_VERSION:
            raise DatabaseCorrupted(f"{self.path} says it is of version {version}, which never was: restore a backup")

    def _recognise(self, connection: sqlite3.Connection) -> bool:
        """Whether the file is new and empty. Writes nothing."""
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise ForeignDatabase(f"{self.path} is not a vault: choose another path") from error
            raise
        if (application, version, tables) == (0, 0, 0):
            return True
        if application != APPLICATION_ID:
            raise ForeignDatabase(f"{self.path} is another program's database: choose another path for the vault")
        return False

    def _create(self, connection: sqlite3.Connection, schema: list[Statement]) -> None:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            if self._recognise(connection):  # another process may have been faster
                for sql, parameters in schema:
                    connection.execute(sql, parameters)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:  # Python reads SQLite's message, which quotes the damaged schema
            raise DatabaseCorrupted(f"{self.path}: the file is damaged, restore it from a backup") from error
        except sqlite3.Error as error:
            raise _TRANSLATED.get(_primary_code(error), _unusable)(self.path, error) from error


def _primary_code(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    # Python itself raises an error without a code where stored text is not UTF-8.
    return sqlite3.SQLITE_CORRUPT if code is None else code & 0xFF


def _not_writable(path: Path, error: sqlite3.Error) -> VaultUnusable:
    return VaultNotWritable(f"cannot write {path}: {error}; the vault needs a folder and files that you may write to")


def _full(path: Path, error: sqlite3.Error) -> VaultUnusable:
    return VaultFull(f"no space left for {path}: free some and repeat; nothing of this step was stored")


def _disk(path: Path, error: sqlite3.Error) -> VaultUnusable:
    return VaultDiskFailed(f"{path}: {error}; check the disk, its quota and space, and repeat; nothing was stored")


def _busy(path: Path, error: sqlite3.Error) -> VaultUnusable:
    return VaultBusy(f"{path}: another process holds the lock; wait until it is done and repeat")


def _corrupted(path: Path, error: sqlite3.Error) -> DatabaseCorrupted:
    return DatabaseCorrupted(f"{path}: {error}; the file is damaged, restore it from a backup")


def _unusable(path: Path, error: sqlite3.Error) -> VaultUnusable:
    return VaultUnusable(f"{path}: {error}; check the file and the disk it is on")


_TRANSLATED = {
    sqlite3.SQLITE_READONLY: _not_writable,
    sqlite3.SQLITE_CANTOPEN: _not_writable,
    sqlite3.SQLITE_PERM: _not_writable,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_IOERR: _disk,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_CORRUPT: _corrupted,
    sqlite3.SQLITE_NOTADB: _corrupted,
    sqlite3.SQLITE_SCHEMA: _corrupted,
    sqlite3.SQLITE_TOOBIG: _corrupted,
    sqlite3.SQLITE_ERROR: _corrupted,  # our statements are fixed: a missing table or column is damage
    sqlite3.SQLITE_CONSTRAINT: _corrupted,
}
