"""What the index gives back: events with their place on the chain, and how far it has read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from belmont.audit.errors import QueryError
from belmont.registry.types import Address

BLOCK_MAX: Final = 2**63 - 1
LOG_MAX: Final = 2**31 - 1
_POSITION: Final = re.compile(r"(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,9})", re.ASCII)


@dataclass(frozen=True, order=True)
class Position:
    """Where an event stands on the chain: its block, and its place in that block's log. As text: ``123.4``."""

    block: int
    log: int

    def __post_init__(self) -> None:
        if not (0 <= self.block <= BLOCK_MAX and 0 <= self.log <= LOG_MAX):
            raise QueryError(f"no event can stand at {self.block}.{self.log}")

    def __str__(self) -> str:
        return f"{self.block}.{self.log}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that ``str`` wrote. Raises ``QueryError``."""
        found = _POSITION.fullmatch(text) if len(text) <= 32 else None
        if found is None:
            raise QueryError("a position is written BLOCK.LOG, such as 123.4")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class IndexedEvent:
    """One event of the consortium's contracts. Times are whole Unix seconds of the chain's clock."""

    position: Position
    timestamp: int
    transaction: bytes
    contract: str
    name: str
    actor: Address
    details: dict[str, Any]
    """As ``AuditEvent.details``: int, bool, str, raw bytes, an Address, or tuples of these."""
    study: int | None
    """Of the study that the event names, or of the permit: a permit has its study's number."""
    dataset: bytes | None


@dataclass(frozen=True)
class IndexedHead:
    """The newest block that the index has read; ``timestamp`` in whole Unix seconds."""

    number: int
    hash: bytes
    timestamp: int


@dataclass(frozen=True)
class Advance:
    """What is new since the last advance of the same ``EventIndex``, whoever put it into the database."""

    head: IndexedHead
    added: tuple[IndexedEvent, ...]
    """In the chain's order, ``NEWS_MAX`` at most."""
    dropped: int
    """Events that were taken back, because the chain no longer has them; what replaced them is among ``added``."""
    behind: bool = False
    """There is more that is new: ask again."""
