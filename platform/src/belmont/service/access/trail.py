"""The trail of accesses: who asked for what, when, and what became of it. The refused ones too.

1. It says the route as it is declared, never a query or a body: those may hold what is somebody's.
2. Identifiers in a path are kept: they name public records of the chain. A patient's routes have none.
3. Entries are written by one thread, many in one transaction, so that a trail on disk slows no answer. What waits is
   bounded; where the database is away for so long that it is full, requests are refused until it is back: no access
   goes without its entry.
"""

import queue
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from sqlalchemy import Column, Integer, String, Table, insert, select

from belmont.service.errors import Problem, Unavailable
from belmont.service.store.database import Store, metadata

WAITING_MOST = 10_000
AT_ONCE = 500
CLOSE_SECONDS = 10.0

accesses = Table(
    "accesses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False, index=True),
    Column("account", String(42), nullable=False, index=True),
    Column("method", String(8), nullable=False),
    Column("route", String(200), nullable=False),
    Column("path", String(300), nullable=False),
    Column("status", Integer, nullable=False, index=True),
    Column("code", String(60), nullable=False),
    Column("milliseconds", Integer, nullable=False),
)


@dataclass(frozen=True)
class Access:
    """One request and what became of it."""

    at: int
    account: str
    """Empty where nobody was signed in."""
    method: str
    route: str
    path: str
    status: int
    code: str
    """Why it was refused; empty where it was not."""
    milliseconds: int


class Trail:
    """Writes and reads the trail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.Queue[Access | None] = queue.Queue(WAITING_MOST)
        self._thread = threading.Thread(target=self._write_all, name="access trail", daemon=True)
        self._thread.start()

    def refuse_when_full(self) -> None:
        """Raises Unavailable where no more entries can wait (3)."""
        if self._waiting.full():
            raise Unavailable("The access trail cannot be written; nothing is answered before.", code="TRAIL_FULL")

    def add(self, access: Access) -> None:
        """Keep an entry."""
        with suppress(queue.Full):  # those that were on their way when it filled up
            self._waiting.put_nowait(access)

    def page(
        self, *, account: str | None = None, least_status: int = 0, before: int | None = None, limit: int = 50
    ) -> list[tuple[int, Access]]:
        """Entries with their numbers, newest first; of one account, from a status on, before a number."""
        query = select(accesses).where(accesses.c.status >= least_status)
        if account is not None:
            query = query.where(accesses.c.account == account)
        if before is not None:
            query = query.where(accesses.c.id < before)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(accesses.c.id.desc()).limit(limit))
            return [(row[0], Access(*row[1:])) for row in rows]

    def flush(self) -> None:
        """Wait until what was added is written."""
        self._waiting.join()

    def close(self) -> None:
        """Write what waits, and end; where the database is away, no later than ``CLOSE_SECONDS``."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(timeout=CLOSE_SECONDS)

    def _write_all(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while len(taken) < AT_ONCE:
                try:
                    taken.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            self._write([asdict(each) for each in taken if each is not None])
            for _ in taken:
                self._waiting.task_done()
            if None in taken:
                return

    def _write(self, rows: list[dict[str, object]]) -> None:
        while rows:
            try:
                with self._store.writing() as connection:
                    connection.execute(insert(accesses), rows)
                return
            except Problem:
                time.sleep(0.5)
