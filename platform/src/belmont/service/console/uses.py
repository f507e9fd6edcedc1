"""What left the hospitals under one permit: round by round and answer by answer, from the events of the chain.

A hospital's node records a use, with the hash of what it is about to hand over, before anything leaves it. So what is
not here did not leave through a node; what the hash stands for only the parties to the round have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery, IndexedEvent
from belmont.registry.types import DatasetId, UseKind
from belmont.service.explain.questions import question
from belmont.service.words import Sentence

NAMES = ("RoundOpened", "QueryOpened", "RoundClosed", "UseRecorded", "TotalProved")
PAGE = 500


@dataclass(frozen=True)
class Left:
    """One result that left one hospital."""

    dataset: DatasetId
    at: int
    version: int
    rho: int
    result_hash: bytes
    consent_root: bytes


@dataclass(frozen=True)
class Total:
    """A total that the contract checked."""

    question: Sentence
    total: int
    rows: int


@dataclass
class Use:
    """One round or query, with what left for it."""

    kind: UseKind
    n: int
    opened_at: int = 0
    subject: bytes = b""
    """Hash of the model it started from, or of the question."""
    closed_at: int = 0
    left: list[Left] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)


@dataclass(frozen=True)
class Uses:
    """Everything under one permit."""

    rounds: tuple[Use, ...]
    queries: tuple[Use, ...]
    """Both in order."""

    def rho_of(self, dataset: DatasetId) -> int:
        """Micro-rho that the permit spent on a dataset."""
        every = (*self.rounds, *self.queries)
        return sum(each.rho for use in every for each in use.left if each.dataset == dataset)


def uses_of(index: EventIndex, permit: int) -> Uses:
    """Read from the event index."""
    found: dict[tuple[UseKind, int], Use] = {}
    for event in _events(index, permit):
        details, kind = event.details, _kind(event)
        use = found.setdefault((kind, details["n"]), Use(kind, details["n"]))
        match event.name:
            case "RoundOpened" | "QueryOpened":
                use.opened_at = event.timestamp
                use.subject = details["model_hash" if kind is UseKind.ROUND else "query_hash"]
            case "RoundClosed":
                use.closed_at = event.timestamp
            case "UseRecorded":
                use.left.append(
                    Left(
                        DatasetId(details["dataset"]),
                        event.timestamp,
                        details["version"],
                        details["rho"],
                        details["result_hash"],
                        details["consent_root"],
                    )
                )
            case _:
                use.totals.append(Total(question(details["question"]), details["total"], details["rows"]))
    ordered = sorted(found.values(), key=lambda use: use.n)
    return Uses(
        tuple(each for each in ordered if each.kind is UseKind.ROUND),
        tuple(each for each in ordered if each.kind is UseKind.QUERY),
    )


def _kind(event: IndexedEvent) -> UseKind:
    if event.name == "UseRecorded":
        return UseKind(event.details["kind"])
    return UseKind.ROUND if event.name.startswith("Round") else UseKind.QUERY


def _events(index: EventIndex, permit: int) -> Iterator[IndexedEvent]:
    before = None
    while True:
        page = index.search(EventQuery(study=permit, names=NAMES, before=before, ascending=True, limit=PAGE))
        yield from page.events
        before = page.next
        if before is None:
            return
