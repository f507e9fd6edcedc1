"""What happened under each permit, round by round and query by query, made of the index's events.

1. Events are read once: what is known of a permit is kept, and only what came after it is read again.
2. When blocks were dropped from the chain, everything is forgotten (``turn``).
3. The permits looked at last are kept; another is read anew.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from belmont.audit.events import IndexedEvent, Position
from belmont.audit.index import EventIndex
from belmont.audit.search import LIMIT_MAX, EventQuery
from belmont.registry.types import Address, DatasetId, UseKind

KEPT: Final = 256
NAMES: Final = ("RoundOpened", "QueryOpened", "RoundClosed", "UseRecorded")


@dataclass(frozen=True)
class Recorded:
    """A hospital's record that its result was about to leave."""

    dataset_id: DatasetId
    holder: Address
    result_hash: bytes
    rho: int
    version: int
    consent_root: bytes
    at: int
    position: Position


@dataclass(frozen=True)
class Opened:
    """One round or query and what became of it."""

    kind: UseKind
    n: int
    subject_hash: bytes
    """Of the model that a round starts from, or of the question."""
    participants_hash: bytes
    opened_by: Address
    opened_at: int
    position: Position
    closed_at: int | None = None
    recorded: tuple[Recorded, ...] = ()


@dataclass(frozen=True)
class PermitProgress:
    """All rounds and queries that were opened under one permit, by number."""

    rounds: dict[int, Opened] = field(default_factory=dict)
    queries: dict[int, Opened] = field(default_factory=dict)
    rho: Counter[DatasetId] = field(default_factory=Counter)
    """What was recorded under this permit alone; budgets count over its whole line."""
    read_to: Position | None = None

    def of(self, kind: UseKind) -> dict[int, Opened]:
        """Rounds or queries."""
        return self.rounds if kind is UseKind.ROUND else self.queries


class Progress:
    """Of every permit; safe to share between threads."""

    def __init__(self, index: EventIndex, turn: Callable[[], int]) -> None:
        self._index, self._turn = index, turn
        self._kept: OrderedDict[int, PermitProgress] = OrderedDict()
        self._kept_turn = turn()
        self._lock = threading.Lock()

    def of(self, permit: int) -> PermitProgress:
        """What happened under a permit so far. Raises AuditError."""
        with self._lock:
            if self._kept_turn != self._turn():
                self._kept.clear()  # 2
                self._kept_turn = self._turn()
            found = self._kept.get(permit, PermitProgress())
            found = self._kept[permit] = self._read_on(permit, found)
            self._kept.move_to_end(permit)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)  # 3
            return found

    def spent(self, permits: Iterable[int]) -> Counter[DatasetId]:
        """Micro-rho recorded under permits, by dataset: of one line, what its budgets count. Raises AuditError."""
        return sum((self.of(each).rho for each in permits), Counter())

    def _read_on(self, permit: int, known: PermitProgress) -> PermitProgress:
        read_to, more = known.read_to, True
        rounds, queries, rho = dict(known.rounds), dict(known.queries), Counter(known.rho)
        while more:
            page = self._index.search(
                EventQuery(study=permit, names=NAMES, before=read_to, ascending=True, limit=LIMIT_MAX)  # 1
            )
            for event in page.events:
                _take(event, rounds, queries, rho)
                read_to = event.position
            more = page.next is not None
        return PermitProgress(rounds, queries, rho, read_to)


def _take(event: IndexedEvent, rounds: dict[int, Opened], queries: dict[int, Opened], rho: Counter[DatasetId]) -> None:
    said, n = event.details, event.details["n"]
    if event.name in ("RoundOpened", "QueryOpened"):
        is_round = event.name == "RoundOpened"
        (rounds if is_round else queries)[n] = Opened(
            kind=UseKind.ROUND if is_round else UseKind.QUERY,
            n=n,
            subject_hash=said["model_hash" if is_round else "query_hash"],
            participants_hash=said["participants_hash"],
            opened_by=event.actor,
            opened_at=event.timestamp,
            position=event.position,
        )
    elif event.name == "RoundClosed":
        rounds[n] = replace(rounds[n], closed_at=event.timestamp)
    else:
        own = rounds if said["kind"] == UseKind.ROUND else queries
        record = Recorded(
            dataset_id=DatasetId(said["dataset"]),
            holder=event.actor,
            result_hash=said["result_hash"],
            rho=said["rho"],
            version=said["version"],
            consent_root=said["consent_root"],
            at=event.timestamp,
            position=event.position,
        )
        own[n] = replace(own[n], recorded=(*own[n].recorded, record))
        rho[record.dataset_id] += record.rho
