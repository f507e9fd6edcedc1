"""A hospital's SQLite files that must forget nothing: how they are opened, and transactions on them.

1. The file is there, for its owner alone and no link, before SQLite sees it (`open_file`).
2. A transaction is on disk when its block ends (the file's ``synchronous=FULL``). After an exception nothing of it is
   there, and killed in between, nothing either (`transaction`).
3. A file is of one kind, by the application id in SQLite's header. What is something else is refused, and nothing is
   written to it (`DurableFile`).

One connection and one lock per process; other processes may use the same file.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

LOCK_TIMEOUT_SECONDS: Final = 30.0


def open_file(
    path: Path, timeout_seconds: float = LOCK_TIMEOUT_SECONDS, *, is_secret: bool = True
) -> sqlite3.Connection:
    """A connection to a file that is made, if it is not there, for its owner alone (1).

    Nothing begins a transaction but `transaction`. Raises OSError, where ``is_secret`` also for a file that others can
    read, and sqlite3.Error.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    if is_secret and path.stat().st_mode & 0o077:
        raise PermissionError("it can be read by others: chmod 600 it")
    return sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False)


@contextmanager
def transaction(database: sqlite3.Connection, lock: threading.Lock) -> Iterator[None]:
    """All of the block, or nothing of it (2). Raises what the block raises, and sqlite3.Error."""
    with lock:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


class DurableFile:
    """One file of a kind (3). Raises ``refused(text)`` for whatever goes wrong with it.

    ``kind`` is what the file is, in a sentence's words; ``schema`` has one statement for each table.
    """

    def __init__(
        self,
        path: Path,
        application_id: int,
        kind: str,
        schema: Sequence[str],
        refused: Callable[[str], Exception],
        *,
        is_secret: bool = True,
    ) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._refused = refused
        try:
            self._database = open_file(path, is_secret=is_secret)
        except (OSError, sqlite3.Error) as error:
            raise refused(f"{path} cannot be used as {kind}: {error}") from error
        try:
            self._claim(application_id, kind, schema)
        except BaseException:
            self._database.close()
            raise

    def execute(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows that a statement of a `writing` block gives."""
        return self._database.execute(sql, parameters).fetchall()

    def read(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows that a statement gives outside of one."""
        try:
            with self._lock:
                return self.execute(sql, *parameters)
        except (sqlite3.Error, OverflowError) as error:
            raise self._refused(f"{self._path} cannot be read: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction (2)."""
        try:
            with transaction(self._database, self._lock):
                yield
        except (sqlite3.Error, OverflowError) as error:
            raise self._refused(f"{self._path} cannot be written: {error}") from error

    def close(self) -> None:
        """The file cannot be used afterwards."""
        with self._lock:
            self._database.close()

    def _claim(self, application_id: int, kind: str, schema: Sequence[str]) -> None:
        try:
            self._database.execute("PRAGMA journal_mode=TRUNCATE")
            self._database.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            raise self._refused(f"{self._path} cannot be used as {kind}: {error}") from error
        with self.writing():  # of several that begin a file at once, one does
            if self.execute("PRAGMA application_id") != [(application_id,)]:
                if self.execute("SELECT count(*) FROM sqlite_master") != [(0,)]:
                    raise self._refused(f"{self._path} is something else than {kind}")  # 3
                self.execute(f"PRAGMA application_id={application_id}")
            for table in schema:
                self.execute(table)
