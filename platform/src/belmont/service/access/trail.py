"""The trail of accesses: who asked for what, when, and what became of it. The refused ones too.

1. It says the route as it is declared, never a query or a body: those may hold what is somebody's.
2. Identifiers in a path are kept: they name public records of the chain. A patient's routes have none.
3. Entries are written by one thread, many in one transaction, so that a trail on disk slows no answer. What waits is
   bounded; where the database is away for so long that it is full, requests are refused until it is back: no access
   goes without its entry.
4. An entry is kept for ``keep_days``, by the time that it says. What is older goes as new ones are written, in the same
   transaction and a bounded number at a time, so that a long trail delays none of them.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Column, Integer, String, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from belmont.service.errors import Problem, Unavailable
from belmont.service.store.database import Store, metadata

WAITING_MOST = 10_000
AT_ONCE = 500
GONE_AT_ONCE = 5_000
CLOSE_SECONDS = 10.0
KEEP_DAYS: Final = 365
REFUSED_FROM: Final = 400
"""The lowest status of an answer that refuses."""
DAY_SECONDS: Final = 86_400
log = logging.getLogger(__name__)

accesses = Table(
    "accesses",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # SQLite counts in INTEGER alone
    Column("at", BigInteger, nullable=False, index=True),
    Column("account", String(42), nullable=False, index=True),
    Column("method", String(8), nullable=False),
    Column("route", String(200), nullable=False),
    Column("path", String(300), nullable=False),
    Column("status", Integer, nullable=False, index=True),
    Column("code", String(60), nullable=False),
    Column("milliseconds", Integer, nullable=False),
)


class Outcome(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"


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

    def __init__(self, store: Store, keep_days: int = KEEP_DAYS, now: Callable[[], float] = time.time) -> None:
        self._store, self._keep_seconds, self._now = store, keep_days * DAY_SECONDS, now
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
        self,
        *,
        account: str | None = None,
        outcome: Outcome | None = None,
        since: int | None = None,
        until: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[tuple[int, Access]]:
        """Entries with their numbers, newest first; of one account, with one outcome, from a Unix second until before
        another, before a number."""
        query = select(accesses)
        if account is not None:
            query = query.where(accesses.c.account == account)
        if outcome is not None:
            is_refused = accesses.c.status >= REFUSED_FROM
            query = query.where(is_refused if outcome is Outcome.REFUSED else ~is_refused)
        if since is not None:
            query = query.where(accesses.c.at >= since)
        if until is not None:
            query = query.where(accesses.c.at < until)
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
        is_told = False
        while rows:
            try:
                with self._store.writing() as connection:
                    connection.execute(insert(accesses), rows)
                    old = select(accesses.c.id).where(accesses.c.at < self._now() - self._keep_seconds)
                    old = old.order_by(accesses.c.at).limit(GONE_AT_ONCE)
                    connection.execute(delete(accesses).where(accesses.c.id.in_(old)))  # 4
                return
            except (Problem, SQLAlchemyError) as error:
                if not is_told:
                    log.error("the access trail cannot be written, and is tried again: %s", error)
                is_told = True
                time.sleep(0.5)
