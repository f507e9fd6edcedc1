"""Events that no chain logged, to fill an index with: of every kind of value, and of strangers' text."""

import hashlib
from typing import Any

from belmont.audit import EventIndex, IndexedHead
from belmont.audit.database import writing
from belmont.audit.index import _add
from belmont.registry.event_log import LoggedEvent
from belmont.registry.types import Address, AuditEvent

SOMEBODY = Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
OTHER = Address("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")


def made_up(
    place: int, name: str = "Made", contract: str = "Studies", /, *, by: Address = SOMEBODY, **details: Any
) -> LoggedEvent:
    """The event at a place: two a block."""
    block = place // 2
    transaction, block_hash = hashlib.sha256(b"sent %d" % place), hashlib.sha256(b"block %d" % block)
    event = AuditEvent(block, 1_000 + 10 * block, transaction.digest(), contract, name, by, details)
    return LoggedEvent(event, place % 2, block_hash.digest())


def fill(index: EventIndex, *events: LoggedEvent) -> None:
    """Write them as one range, without a chain."""
    newest = events[-1].event
    with writing(index.engine) as connection:
        _add(connection, events, IndexedHead(newest.block, events[-1].block_hash, newest.timestamp))
