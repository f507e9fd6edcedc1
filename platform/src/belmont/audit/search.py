"""Searching the index: filters that all have to hold, an exact total, and pages that stay where they are.

1. A page begins where the one before it ended: at a position on the chain, not at a count of rows. What is added
   meanwhile moves nothing.
2. The total is of all that the filters hold for, on whatever page.
3. Text is found as a part of it, without wildcards: `%` is a percent sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from eth_utils.address import is_address, to_checksum_address
from sqlalchemy import ColumnElement, Connection, Select, Subquery, Table, and_, func, or_, select, tuple_

from belmont.audit.details import asked_words
from belmont.audit.errors import QueryError
from belmont.audit.events import BLOCK_MAX, IndexedEvent, Position
from belmont.audit.rows import indexed_events
from belmont.audit.tables import events, names
from belmont.registry.types import Address

LIMIT_MAX: Final = 500
NAMES_MAX: Final = 100


@dataclass(frozen=True)
class EventQuery:
    """Which events; None, "" or empty asks for any. Raises ``QueryError`` for what no event can have."""

    text: str = ""
    """Words that all have to be in the event's name, contract, actor or their name, transaction, or details."""
    contract: str | None = None
    names: tuple[str, ...] = ()
    actor: Address | None = None
    study: int | None = None
    """The study's number, which is its permit's as well."""
    dataset: bytes | None = None
    since: int | None = None
    """Unix seconds, included."""
    until: int | None = None
    """Unix seconds, not included."""
    before: Position | None = None
    """Where the page before this one ended: its ``next``, in either direction."""
    limit: int = 50
    ascending: bool = False
    """Oldest first, instead of newest first."""

    def __post_init__(self) -> None:
        asked_words(self.text)
        if not 1 <= self.limit <= LIMIT_MAX:
            raise QueryError(f"a page has between 1 and {LIMIT_MAX} events")
        if len(self.names) > NAMES_MAX:
            raise QueryError(f"at most {NAMES_MAX} names of events")
        if any(len(each) > 64 or not each.isprintable() for each in (*self.names, self.contract or "")):
            raise QueryError("a contract's or an event's name has at most 64 characters, all of them printable")
        if self.actor is not None and not is_address(self.actor):
            raise QueryError("an actor is an address: 0x and 40 hexadecimal digits")
        if self.dataset is not None and len(self.dataset) != 32:
            raise QueryError("a dataset's identifier has 32 bytes")
        for number in (self.study, self.since, self.until):
            if number is not None and not 0 <= number <= BLOCK_MAX:
                raise QueryError("studies and times are numbers from 0 to 2^63 - 1")


@dataclass(frozen=True)
class EventPage:
    """Events in the order asked for, how many there are on all pages, and where the next page begins, if one does."""

    events: tuple[IndexedEvent, ...]
    total: int
    next: Position | None


def search(connection: Connection, query: EventQuery) -> EventPage:
    """One page. Raises ``IndexDamaged``."""
    conditions = _conditions(connection.dialect.name, query)
    matches = select(events.c.block, events.c.log).where(*conditions)
    if query.text:
        # text is looked for once, for the total as well
        matches = matches.add_columns(func.count().over().label("total"))
    page = _ordered(matches.subquery(), query).limit(query.limit + 1).subquery()
    same = and_(events.c.block == page.c.block, events.c.log == page.c.log)
    rows = connection.execute(_ordered(page, query, events).join(events, same)).all()
    if query.text and (rows or query.before is None):
        total = rows[0].total if rows else 0
    else:
        total = connection.scalar(select(func.count()).select_from(events).where(*conditions)) or 0
    found = tuple(indexed_events(rows[: query.limit]))
    return EventPage(found, total, found[-1].position if len(rows) > query.limit else None)


def _ordered(matches: Subquery, query: EventQuery, *more: Table) -> Select[Any]:
    """Rule 1."""
    columns = [each for each in matches.c if not more or each.name == "total"]
    chosen, place = select(*columns, *more).select_from(matches), (matches.c.block, matches.c.log)
    if query.before is not None:
        ended = tuple_(query.before.block, query.before.log)
        chosen = chosen.where(tuple_(*place) > ended if query.ascending else tuple_(*place) < ended)
    return chosen.order_by(*place) if query.ascending else chosen.order_by(*(each.desc() for each in place))


def after(connection: Connection, position: Position | None, limit: int) -> list[IndexedEvent]:
    """The events after a position, in the chain's order. Raises ``IndexDamaged``."""
    chosen = select(events).order_by(events.c.block, events.c.log).limit(limit)
    if position is not None:
        chosen = chosen.where(tuple_(events.c.block, events.c.log) > tuple_(position.block, position.log))
    return indexed_events(connection.execute(chosen).all())


def _conditions(dialect: str, query: EventQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.contract is not None:
        conditions.append(events.c.contract == query.contract)
    if query.names:
        conditions.append(events.c.name.in_(query.names))
    if query.actor is not None:
        conditions.append(events.c.actor == to_checksum_address(query.actor))
    if query.study is not None:
        conditions.append(events.c.study == query.study)
    if query.dataset is not None:
        conditions.append(events.c.dataset == query.dataset)
    if query.since is not None:
        conditions.append(events.c.timestamp >= query.since)
    if query.until is not None:
        conditions.append(events.c.timestamp < query.until)
    for word in asked_words(query.text):
        named = select(names.c.account).where(_holds(dialect, names.c.name, word))
        conditions.append(or_(_holds(dialect, events.c.search_text, word), events.c.actor.in_(named)))
    return conditions


def _holds(dialect: str, column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    """Rule 3: not LIKE."""
    found: ColumnElement[int] = (func.instr if dialect == "sqlite" else func.strpos)(column, word)
    return found > 0
