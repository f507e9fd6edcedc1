"""The database behind the index: SQLite (WAL, `synchronous=FULL`, foreign keys) or PostgreSQL, with the same code.

1. A transaction that writes takes its lock when it begins: no two of them decide on what both have read.
2. A transaction that reads sees one state of the database from its first statement to its last.
3. Whatever the database refuses is an ``IndexUnavailable``.
4. An error says the statement and none of its values: some are secrets of the service, and errors are logged.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from belmont.audit.errors import IndexUnavailable, IndexUrlError

BUSY_SECONDS: Final = 30.0
LOCK_AT_ONCE: Final = "belmont_lock_at_once"
"""An execution option of a connection (rule 1)."""


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///PATH` or `postgresql://...`. Raises `IndexUrlError`, `IndexUnavailable`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise IndexUrlError("no URL of a database: use sqlite:///PATH or postgresql://USER@HOST/NAME") from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:":
            raise IndexUrlError("SQLite in memory is lost with its connection: use sqlite:///PATH")
        return _sqlite(url, Path(parsed.database))
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        try:
            return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)
        except ModuleNotFoundError as error:
            raise IndexUrlError('PostgreSQL needs psycopg: pip install "belmont[postgres]"') from error
    raise IndexUrlError(f"no {parsed.drivername}: use sqlite:///PATH or postgresql://USER@HOST/NAME")


def _sqlite(url: str, path: Path) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # Python's own BEGIN comes too late for rules 1 and 2
        connection.isolation_level = None
        connection.execute("pragma foreign_keys=on")
        connection.execute("pragma synchronous=full")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        at_once = connection.get_execution_options().get(LOCK_AT_ONCE, False)
        connection.exec_driver_sql("begin immediate" if at_once else "begin")

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_ahead(path)
    except (OSError, sqlite3.Error) as error:
        raise IndexUnavailable(f"{path} cannot be opened as a database: {error}") from error
    return engine


def _write_ahead(path: Path) -> None:
    """WAL is a property of the file. SQLite does not wait for others who open it in the same moment, so this does."""
    deadline = time.monotonic() + BUSY_SECONDS
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        while True:
            try:
                (mode,) = connection.execute("pragma journal_mode=wal").fetchone()
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise sqlite3.OperationalError(f"no WAL mode on this file system (SQLite says {mode!r}): use a local one")
    finally:
        connection.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: all of it, or nothing if it ends with an exception."""
    with (
        database_errors(),
        engine.connect().execution_options(**{LOCK_AT_ONCE: True}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads."""
    options: dict[str, Any] = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with database_errors(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def database_errors() -> Iterator[None]:
    """Rule 3."""
    try:
        yield
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or error
        raise IndexUnavailable(f"the database refuses ({type(why).__name__}: {why}); nothing changed") from error
