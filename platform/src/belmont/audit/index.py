"""The event index: the audit trail of one consortium in a database, as the chain has it.

1. The index only repeats the chain. Where the two differ, the chain is right, and the index is changed.
2. Blocks are read a range at a time. Their events, and how far the index has come, are written in one transaction: a
   process that is killed leaves the whole range or nothing of it.
3. Every transaction that writes locks the cursor first, and begins again if it is not where it was: any number of
   processes may read one chain into one database, and nothing is there twice or missing.
4. The newest block's hash says all that came before it. It is compared at every advance; if the chain has another
   block there, what comes after the last block in which both agree is dropped, and read again. A head that is older
   than the index, and agrees with it, belongs to a server that lags behind: nothing is dropped.
5. A range counts only if the chain's head was the same before and after its events were read.
6. Another chain or another consortium changes nothing: it is refused.
7. ``Advance`` is what is new to *this* object, whichever process wrote it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Final, Self

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from belmont.audit import search
from belmont.audit.database import open_engine, reading, writing
from belmont.audit.details import search_text
from belmont.audit.errors import REMEDY, OtherChain, OtherConsortium, OtherFormat, QueryError
from belmont.audit.events import LOG_MAX, Advance, IndexedEvent, IndexedHead, Position
from belmont.audit.rows import event_row
from belmont.audit.search import LIMIT_MAX, EventPage, EventQuery
from belmont.audit.tables import SCHEMA_VERSION, blocks, cursor, drops, events, identity, metadata, names
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import ConsortiumError, RegistryUnreachable
from belmont.registry.event_log import LoggedEvent
from belmont.registry.types import Head
from belmont.registry.verification import verify

NEWS_MAX: Final = 10_000
ATTEMPTS: Final = 20
ROWS_AT_ONCE: Final = 500
TABLES_LOCK: Final = 0x62656C6D6F6E74
"""PostgreSQL's advisory lock under which tables are made."""


class EventIndex:
    """Make it with ``EventIndex.open``. Safe to share between threads."""

    def __init__(self, engine: Engine, registry: ChainRegistry) -> None:
        self.engine = engine
        self.registry = registry
        self._turn = threading.Lock()
        with reading(engine) as connection:
            head = _cursor(connection)
            self._told = None if head is None else Position(head.number, LOG_MAX)
            self._drops = connection.scalar(select(func.max(drops.c.serial))) or 0

    def __repr__(self) -> str:
        return f"EventIndex({self.engine.url!r}, members at {self.registry.addresses['Members']})"

    @classmethod
    def open(cls, url: str, registry: ChainRegistry) -> Self:
        """The index in the database at ``url`` (``sqlite:///PATH``, ``postgresql://...``); its tables are made if new.

        A chain that does not answer keeps nobody from opening and reading. Raises ``OtherConsortium``, ``OtherChain``,
        ``OtherFormat``, ``IndexUrlError`` or ``IndexUnavailable``.
        """
        engine = open_engine(url)
        try:
            _prepare(engine)
            index = cls(engine, registry)
            index._check_identity()
        except BaseException:
            engine.dispose()
            raise
        return index

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    # --- reading ---

    @property
    def head(self) -> IndexedHead | None:
        """The newest block that was read; None before the first."""
        with reading(self.engine) as connection:
            return _cursor(connection)

    def search(self, query: EventQuery) -> EventPage:
        """One page of the events that a query asks for. Raises ``IndexDamaged``, ``IndexUnavailable``."""
        with reading(self.engine) as connection:
            return search.search(connection, query)

    def after(self, position: Position | None, limit: int = LIMIT_MAX) -> list[IndexedEvent]:
        """The events after a position (or all, from the first), in the chain's order, at most ``limit`` (1 to 500)."""
        if not 1 <= limit <= LIMIT_MAX:
            raise QueryError(f"at most {LIMIT_MAX} events at once")
        with reading(self.engine) as connection:
            return search.after(connection, position, limit)

    # --- following the chain ---

    def catch_up(self) -> Advance:
        """Read on to the chain's head; what is new since the last call.

        Raises ``RegistryUnreachable`` when the chain does not answer (what was read until then is kept), ``OtherChain``
        or ``OtherConsortium`` when another one does (nothing changes), ``IndexUnavailable``, or ``IndexDamaged``.
        """
        with self._turn:
            left, furthest = ATTEMPTS, -1
            while left:
                if self._read_on():
                    return self._news()
                reached = self.head
                number = -1 if reached is None else reached.number
                # whoever else reads into this database may be quicker: that is no failure
                left, furthest = (ATTEMPTS, number) if number > furthest else (left - 1, furthest)
        raise RegistryUnreachable("its blocks keep changing while they are read")

    def rebuild(self) -> None:
        """Forget everything that was read; the next ``catch_up`` reads it from the chain again."""
        with self._turn, writing(self.engine) as connection:
            known = _locked_cursor(connection)
            if known is not None:
                _drop_after(connection, known, None)

    def _read_on(self) -> bool:
        """Read on to the chain's head as it is now; False where something moved meanwhile, and all begins again."""
        head = self.registry.head()
        known = self.head
        if known is None:
            self._check_identity()
        elif not self._agrees(known, head):
            return False
        first = 0 if known is None else known.number + 1
        for found in self.registry.event_log.ranges(first, head.number):
            end, head_again = self.registry.blocks([found.last, head.number])
            if end is None or head_again is None or head_again.hash != head.hash:
                return False  # rule 5
            newest = IndexedHead(end.number, end.hash, end.timestamp)
            with writing(self.engine) as connection:
                if _locked_cursor(connection) != known:
                    return False  # rule 3
                if known is None:
                    self._claim(connection)
                _add(connection, found.events, newest)
            known = newest
        return True

    def _agrees(self, known: IndexedHead, head: Head) -> bool:
        """Whether the chain still has what was read (rule 4). If not, what it no longer has is dropped."""
        if (head.number, head.hash) == (known.number, known.hash):
            return True
        (same_place,) = self.registry.blocks([known.number])
        if same_place is not None and same_place.hash == known.hash:
            return True
        agreed, lagging = self._last_agreed(head)
        if lagging and same_place is None:
            return True
        with writing(self.engine) as connection:
            if _locked_cursor(connection) == known:
                _drop_after(connection, known, agreed)
        return False

    def _last_agreed(self, head: Head) -> tuple[IndexedHead | None, bool]:
        """The last block with events that the chain has as well; whether that is the last one up to the chain's head.

        Found by bisection: if the chain has a block, it has all before it. Raises ``OtherChain``, ``OtherConsortium``.
        """
        stored = select(blocks.c.number, blocks.c.hash, blocks.c.timestamp).where(blocks.c.number <= head.number)
        with reading(self.engine) as connection:
            count = connection.scalar(select(func.count()).select_from(stored.subquery())) or 0
        agreed, low, high = None, 0, count
        while low < high:
            middle = (low + high) // 2
            with reading(self.engine) as connection:
                row = connection.execute(stored.order_by(blocks.c.number).offset(middle).limit(1)).one_or_none()
            (there,) = self.registry.blocks([row.number]) if row is not None else (None,)
            if row is not None and there is not None and there.hash == bytes(row.hash):
                agreed, low = IndexedHead(row.number, bytes(row.hash), row.timestamp), middle + 1
            else:
                high = middle
        if agreed is None:
            self._check_identity()
            self._check_consortium()
        return agreed, low == count

    # --- whose index this is ---

    def _check_identity(self) -> None:
        """Rule 6, as far as the chain answers."""
        with reading(self.engine) as connection:
            own = connection.execute(select(identity)).one()
        if own.members is None:
            return
        if own.members != self.registry.addresses["Members"]:
            raise OtherConsortium(
                f"this index is of the consortium whose Members is at {own.members}, not of the one at "
                f"{self.registry.addresses['Members']}. {REMEDY}"
            )
        try:
            chain_id, (genesis,) = str(self.registry.chain_id), self.registry.blocks([0])
        except RegistryUnreachable:
            return
        if chain_id != own.chain_id:
            raise OtherChain(f"this index is of chain {own.chain_id}, and chain {chain_id} answers. {REMEDY}")
        if genesis is not None and genesis.hash != bytes(own.genesis_hash):
            raise OtherChain(
                f"this index is of the chain that began with block 0x{bytes(own.genesis_hash).hex()}, and the one that "
                f"answers began with 0x{genesis.hash.hex()}. {REMEDY}"
            )

    def _check_consortium(self) -> None:
        """The chain has none of the consortium's blocks; it may have been founded again in others."""
        try:
            verify(self.registry.chain, self.registry.addresses["Members"])
        except ConsortiumError as error:
            raise OtherChain(
                f"the chain that answers has no consortium whose Members is at {self.registry.addresses['Members']}, "
                f"though the one that was indexed had. Was it set back, or replaced? {REMEDY}"
            ) from error

    def _claim(self, connection: Connection) -> None:
        (genesis,) = self.registry.blocks([0])
        if genesis is None:
            raise RegistryUnreachable("it has no first block")
        connection.execute(
            update(identity).values(
                chain_id=str(self.registry.chain_id),
                members=str(self.registry.addresses["Members"]),
                genesis_hash=genesis.hash,
            )
        )

    # --- what is new ---

    def _news(self) -> Advance:
        """Rule 7."""
        with reading(self.engine) as connection:
            head = _cursor(connection)
            dropped = connection.execute(select(drops).where(drops.c.serial > self._drops)).all()
            told = self._told
            for drop in dropped:
                kept = Position(drop.kept, LOG_MAX) if drop.kept >= 0 else None
                told = None if told is None or kept is None else min(told, kept)
            found = search.after(connection, told, NEWS_MAX + 1)
        if head is None:
            raise RegistryUnreachable("the index was emptied while it was read")
        added = tuple(found[:NEWS_MAX])
        behind = len(found) > NEWS_MAX
        self._told = added[-1].position if behind else Position(head.number, LOG_MAX)
        self._drops = max((drop.serial for drop in dropped), default=self._drops)
        return Advance(head, added, sum(drop.events for drop in dropped), behind)


def _prepare(engine: Engine) -> None:
    """The tables, with the two rows that are always there. Raises ``OtherFormat``."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(TABLES_LOCK)))
        metadata.create_all(connection)
        version = connection.scalar(select(identity.c.schema_version))
        if version is None:
            connection.execute(insert(identity).values(id=1, schema_version=SCHEMA_VERSION))
            connection.execute(insert(cursor).values(id=1))
        elif version != SCHEMA_VERSION:
            raise OtherFormat(f"this index has format {version}, and this release reads {SCHEMA_VERSION}. {REMEDY}")


def _cursor(connection: Connection, lock: bool = False) -> IndexedHead | None:
    chosen = select(cursor.c.number, cursor.c.hash, cursor.c.timestamp)
    row = connection.execute(chosen.with_for_update() if lock else chosen).one()
    return None if row.number is None else IndexedHead(row.number, bytes(row.hash), row.timestamp)


def _locked_cursor(connection: Connection) -> IndexedHead | None:
    """Rule 3: nobody else writes until this transaction ends. (SQLite has locked everything when it began.)"""
    return _cursor(connection, lock=True)


def _move_cursor(connection: Connection, to: IndexedHead | None) -> None:
    number, block_hash, timestamp = (None, None, None) if to is None else (to.number, to.hash, to.timestamp)
    connection.execute(update(cursor).values(number=number, hash=block_hash, timestamp=timestamp))


def _add(connection: Connection, found: Sequence[LoggedEvent], newest: IndexedHead) -> None:
    """Write the events of a range of blocks, and move the cursor to its end."""
    counts = Counter(each.event.block for each in found)
    of_block = {each.event.block: each for each in found}
    for start in range(0, len(of_block), ROWS_AT_ONCE):
        several = list(of_block.values())[start : start + ROWS_AT_ONCE]
        connection.execute(
            insert(blocks),
            [
                {
                    "number": each.event.block,
                    "hash": each.block_hash,
                    "timestamp": each.event.timestamp,
                    "events": counts[each.event.block],
                }
                for each in several
            ],
        )
    for start in range(0, len(found), ROWS_AT_ONCE):
        connection.execute(insert(events), [event_row(each) for each in found[start : start + ROWS_AT_ONCE]])
    admitted = [
        {
            "block": each.event.block,
            "log": each.log,
            "account": str(each.event.details["account"]),
            "name": search_text(each.event.details["name"]),
        }
        for each in found
        if each.event.name == "MemberAdmitted"
    ]
    if admitted:
        connection.execute(insert(names), admitted)
    _move_cursor(connection, newest)


def _drop_after(connection: Connection, known: IndexedHead, kept: IndexedHead | None) -> None:
    """Drop everything after a block; what depends on a block goes with it."""
    last = -1 if kept is None else kept.number
    count = connection.scalar(select(func.count()).select_from(events).where(events.c.block > last)) or 0
    serial = (connection.scalar(select(func.max(drops.c.serial))) or 0) + 1
    connection.execute(delete(blocks).where(blocks.c.number > last))
    connection.execute(
        insert(drops).values(serial=serial, kept=last, events=count, was_number=known.number, was_hash=known.hash)
    )
    _move_cursor(connection, kept)
