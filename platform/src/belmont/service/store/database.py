"""What all tables of the service share: one collection of tables, one engine, one way to write.

Each part of the service declares its tables in a ``tables`` module of its own, on ``metadata``. ``Store`` makes them
where they are missing. Times are whole Unix seconds. Nothing in them is a patient's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree

from belmont.audit.database import LOCK_AT_ONCE
from belmont.service.errors import Unavailable

metadata = MetaData()


class Store:
    """The service's tables in one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        metadata.create_all(engine)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it, or nothing. Raises Unavailable where the database is away.

        SQLite is locked from its beginning, so that it can decide on what it reads.
        """
        options = {LOCK_AT_ONCE: True}
        try:
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection
        except (DBAPIError, NoneFree) as error:
            raise _away(error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read by. Raises Unavailable where the database is away."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except (DBAPIError, NoneFree) as error:
            raise _away(error) from error


def _away(error: DBAPIError | NoneFree) -> Exception:
    """What is raised instead: the error itself where the database answers, and does not take what was asked."""
    is_away = isinstance(error, NoneFree | OperationalError | InterfaceError) or error.connection_invalidated
    if is_away:
        return Unavailable("The service's database does not answer; nothing was done.", code="DATABASE_UNREACHABLE")
    return error
