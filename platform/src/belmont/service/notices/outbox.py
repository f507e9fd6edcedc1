"""The outbox: what is to be sent, written with how far the event index was read, in one transaction.

1. The outbox has its own place in the event index. It reads on from there and writes notices and place together: a
   process that is killed between the index's advance and this leaves the events to be read by the next one.
2. A notice's id is the hash of the event (its transaction and place in the log), account and channel: an event that is
   read again gives no second notice. So the last ``OVERLAP_BLOCKS`` are read again at every start, and wherever blocks
   were dropped: what took their place is not missed.
3. What happened before a member chose is no news for that member; the first time, everything before is history.
4. A notice is marked as sent after it was taken. A process that is killed in between sends it again, with the same id:
   at least once, and receivers can tell.
5. What is not taken is tried again, ever later, for a day; then it is given up, and the row says why.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from belmont.audit.events import IndexedEvent, Position
from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import Address
from belmont.service.notices import kinds
from belmont.service.notices.choices import Channel, Choice, read
from belmont.service.notices.tables import cursor, outbox
from belmont.service.state.snapshot import Snapshot
from belmont.service.store.database import Store

AT_ONCE: Final = 500
OVERLAP_BLOCKS: Final = 1_000
FIRST_WAIT_SECONDS: Final = 60
LONGEST_WAIT_SECONDS: Final = 3_600
GIVE_UP_SECONDS: Final = 24 * 3_600
KEPT_SECONDS: Final = 90 * 24 * 3_600
ERROR_LETTERS: Final = 300


@dataclass(frozen=True)
class Notice:
    """One notice for one member on one channel."""

    id: str
    account: Address
    channel: Channel
    kind: kinds.Kind
    number: int
    title: str
    path: str
    happened_at: int
    attempts: int


class Outbox:
    """Of one service."""

    def __init__(self, store: Store, index: EventIndex, clock: Callable[[], float] = time.time) -> None:
        self._store, self._index, self._clock = store, index, clock
        self._is_new = True

    # --- what comes ---

    def read_on(self, snapshot: Snapshot, dropped: bool = False) -> int:
        """Read the index from where the outbox is (1); how many notices are new."""
        added, rewind = 0, self._is_new or dropped  # 2
        while True:
            place, is_first = self._place()
            if rewind and place is not None:
                place = Position(max(0, place.block - OVERLAP_BLOCKS), 0)
            rewind = False
            if is_first:  # 3
                newest = self._index.search(EventQuery(limit=1)).events
                with self._store.writing() as connection:
                    _move(connection, newest[0].position if newest else Position(0, 0))
                break
            found = self._index.after(place, AT_ONCE)
            if not found:
                break
            with self._store.writing() as connection:
                added += self._add(connection, found, snapshot)
                _move(connection, found[-1].position)
            if len(found) < AT_ONCE:
                break
        self._is_new = False
        return added

    def _place(self) -> tuple[Position | None, bool]:
        with self._store.reading() as connection:
            text = connection.scalar(select(cursor.c.position))
        return (Position.parse(text), False) if text else (None, True)

    def _add(self, connection: Connection, found: Iterable[IndexedEvent], snapshot: Snapshot) -> int:
        chosen, now, added = read(connection), int(self._clock()), 0
        for event in found:
            happened = kinds.of(event, snapshot)
            if happened is None:
                continue
            for choice in chosen:
                if _concerns(choice, happened, event, snapshot):
                    added += _write(connection, choice, happened, event, now)
        return added

    # --- what goes ---

    def due(self, most: int = 50) -> list[tuple[Notice, Choice | None]]:
        """What is to be sent now, the oldest first, with where to; None where its member chose otherwise since."""
        query = select(outbox).where(outbox.c.state == "waiting", outbox.c.due_at <= int(self._clock()))
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(outbox.c.due_at).limit(most)).all()
            chosen = {(each.account, each.channel): each for each in read(connection)}
        notices = [_notice(row) for row in rows]
        return [(each, chosen.get((each.account, each.channel))) for each in notices]

    def sent(self, notice: Notice) -> None:
        """It was taken (4)."""
        self._mark(notice, state="sent", error="")

    def drop(self, notice: Notice, why: str) -> None:
        """It is not sent at all."""
        self._mark(notice, state="given_up", error=why[:ERROR_LETTERS])

    def failed(self, notice: Notice, why: str) -> bool:
        """It was not taken: later again, or no more (5); whether it is given up."""
        now, attempts = int(self._clock()), notice.attempts + 1
        wait = min(FIRST_WAIT_SECONDS * 2 ** (attempts - 1), LONGEST_WAIT_SECONDS)
        with self._store.writing() as connection:
            ends = connection.scalar(select(outbox.c.given_up_at).where(outbox.c.id == notice.id)) or 0
            is_over = bool(now + wait > ends)
            connection.execute(
                update(outbox)
                .where(outbox.c.id == notice.id)
                .values(
                    attempts=attempts,
                    due_at=now + wait,
                    error=why[:ERROR_LETTERS],
                    state="given_up" if is_over else "waiting",
                )
            )
        return is_over

    def forget_old(self) -> None:
        """Drop what was settled long ago. What could be read again (2) is younger than that."""
        with self._store.writing() as connection:
            old = outbox.c.happened_at < int(self._clock()) - KEPT_SECONDS
            connection.execute(delete(outbox).where(old, outbox.c.state != "waiting"))

    def _mark(self, notice: Notice, **values: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(
                update(outbox).where(outbox.c.id == notice.id).values(attempts=notice.attempts + 1, **values)
            )


def notice_id(event: IndexedEvent, account: Address, channel: Channel) -> str:
    """32 hexadecimal digits (2)."""
    named = b"|".join((event.transaction, str(event.position).encode(), account.encode(), channel.encode()))
    return hashlib.sha256(named).hexdigest()[:32]


def _concerns(choice: Choice, happened: kinds.Happened, event: IndexedEvent, snapshot: Snapshot) -> bool:
    is_news = happened.at >= choice.since and choice.account != event.actor  # 3
    return is_news and happened.kind in choice.kinds and snapshot.member(choice.account) is not None


def _write(connection: Connection, choice: Choice, happened: kinds.Happened, event: IndexedEvent, now: int) -> int:
    id_ = notice_id(event, choice.account, choice.channel)
    if connection.execute(select(outbox.c.id).where(outbox.c.id == id_)).first() is not None:
        return 0
    connection.execute(
        insert(outbox).values(
            id=id_,
            account=choice.account,
            channel=choice.channel.value,
            kind=happened.kind.value,
            number=happened.number,
            title=happened.title[:400],
            path=happened.path,
            happened_at=happened.at,
            due_at=now,
            given_up_at=now + GIVE_UP_SECONDS,
            attempts=0,
            state="waiting",
            error="",
        )
    )
    return 1


def _move(connection: Connection, position: Position) -> None:
    changed = connection.execute(update(cursor).where(cursor.c.id == 1).values(position=str(position)))
    if not changed.rowcount:
        connection.execute(insert(cursor).values(id=1, position=str(position)))


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        row.id,
        Address(row.account),
        Channel(row.channel),
        kinds.Kind(row.kind),
        row.number,
        row.title,
        row.path,
        row.happened_at,
        row.attempts,
    )
