"""The file of a hospital's register of consents: opening it, transactions, and SQLite's errors as ours.

1. A file that is no register, or another dataset's, is refused before anything is written to it.
2. A new register appears in one transaction: killed in between, the file is empty and opens as new.
3. Write-ahead log with ``synchronous=FULL``: what a write returned is on disk; killed in between, none of it is.
4. The file is readable by its owner only, and what is deleted is overwritten.
5. What is attested or withheld stays known when it changes, whoever changes it, so that a patient can be told by what
   their row was used. A register of an older release begins to remember when it is opened.

One connection and one lock per process; other processes may open the same file.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from belmont.registry.consents.errors import RegisterUnusable
from belmont.registry.consents.statements import NO_STATEMENTS
from belmont.registry.consents.tree import EMPTY_BATCH
from belmont.registry.types import DatasetId

APPLICATION_ID = 0x424C4D43  # "BLMC" in SQLite's header
LOCK_TIMEOUT_SECONDS = 30.0
_SCHEMA = (
    """CREATE TABLE register (
        dataset BLOB NOT NULL, batch_root BLOB NOT NULL, batch_count INTEGER NOT NULL,
        own BLOB NOT NULL, applied INTEGER NOT NULL, block INTEGER NOT NULL, revision INTEGER NOT NULL)""",
    "CREATE TABLE scopes (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content BLOB NOT NULL)",
    """CREATE TABLE patients (
        key BLOB NOT NULL UNIQUE, leaf BLOB NOT NULL UNIQUE, pseudonym INTEGER NOT NULL UNIQUE, account TEXT UNIQUE,
        recorded INTEGER REFERENCES scopes (id), attested INTEGER REFERENCES scopes (id),
        own INTEGER REFERENCES scopes (id),
        sequence INTEGER NOT NULL DEFAULT 0, withheld INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE statements (
        number INTEGER PRIMARY KEY, account TEXT NOT NULL, sequence INTEGER NOT NULL,
        scope INTEGER REFERENCES scopes (id))""",
)
_MEMORY = (  # 5
    """CREATE TABLE past (
        key BLOB NOT NULL, until INTEGER NOT NULL, attested INTEGER REFERENCES scopes (id),
        sequence INTEGER NOT NULL, withheld INTEGER NOT NULL)""",
    "CREATE INDEX past_of_a_patient ON past (key)",
    "CREATE TABLE batches (since INTEGER PRIMARY KEY, root BLOB NOT NULL)",
    "CREATE INDEX batches_by_root ON batches (root)",
    "INSERT INTO batches SELECT revision - 1, batch_root FROM register",
    """CREATE TRIGGER patients_are_remembered BEFORE UPDATE OF attested, withheld ON patients
        WHEN OLD.attested IS NOT NEW.attested OR OLD.withheld IS NOT NEW.withheld BEGIN
        INSERT INTO past SELECT OLD.key, revision, OLD.attested, OLD.sequence, OLD.withheld FROM register; END""",
    """CREATE TRIGGER batches_are_remembered AFTER UPDATE OF batch_root ON register
        WHEN OLD.batch_root IS NOT NEW.batch_root BEGIN
        INSERT OR REPLACE INTO batches VALUES (NEW.revision, NEW.batch_root); END""",
)
"""A batch's root stands beside the revision at which a change made it; what is in ``past``, beside the revision of the
change that replaced it."""


class RegisterDatabase:
    """One register's file."""

    def __init__(self, path: Path, dataset_id: DatasetId) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        try:
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)):  # 4
                pass
        except OSError as error:
            raise RegisterUnusable(
                f"{path}: {error.strerror}; give a file in a folder that you may write to"
            ) from error
        with self._typed():
            connection = sqlite3.connect(
                path, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._open(connection, dataset_id)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction: all of it is on disk afterwards, or, after an exception, none."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection
            connection.execute("UPDATE register SET revision = revision + 1")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot, whatever other processes write meanwhile."""
        with self._transaction("BEGIN DEFERRED") as connection:
            yield connection

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._typed():
            connection = self._connection
            if connection is None:
                raise RegisterUnusable(f"the register {self.path} is closed: open it again")
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.rollback()
                raise

    def _open(self, connection: sqlite3.Connection, dataset_id: DatasetId) -> None:
        connection.execute("PRAGMA secure_delete=ON")  # 4
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA synchronous=FULL")  # 3
        if self._is_new(connection):
            self._create(connection, dataset_id)
        if connection.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):  # 3
            raise RegisterUnusable(f"{self.path}: no write-ahead log on this file system; keep it on a local disk")
        if connection.execute("SELECT dataset FROM register").fetchall() != [(dataset_id,)]:  # 1
            raise RegisterUnusable(f"{self.path} is the register of another dataset: choose another path")
        if not _remembers(connection):
            self._remember(connection)

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        if (application, tables) != (0, 0) and application != APPLICATION_ID:
            raise RegisterUnusable(f"{self.path} is another program's database: choose another path")  # 1
        return application == 0

    def _create(self, connection: sqlite3.Connection, dataset_id: DatasetId) -> None:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            if self._is_new(connection):  # another process may have been faster
                for statement in _SCHEMA:
                    connection.execute(statement)
                first = (dataset_id, EMPTY_BATCH.root, EMPTY_BATCH.count, NO_STATEMENTS, 0, 0, 0)
                connection.execute("INSERT INTO register VALUES (?,?,?,?,?,?,?)", first)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")  # 2
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise

    def _remember(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            if not _remembers(connection):  # another process may have been faster
                for statement in _MEMORY:
                    connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            detail = f"{self.path}: {error}; check the file and its disk, or restore it from a backup"
            raise RegisterUnusable(detail) from error


def dataset_of(path: Path) -> DatasetId:
    """Which dataset's register a file is; it is only read. Raises RegisterUnusable."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_TIMEOUT_SECONDS)
        with closing(connection):
            return DatasetId(bytes(connection.execute("SELECT dataset FROM register").fetchone()[0]))
    except (sqlite3.Error, TypeError) as error:
        raise RegisterUnusable(f"{path} is no register of consents that can be read: {error}") from error


def _remembers(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name='batches'").fetchone() is not None
