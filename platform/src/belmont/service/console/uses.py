"""What was computed under one permit, as the chain's events have it: for ``belmont.service.explain.leaving``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from belmont.audit.events import IndexedEvent
from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import (
    DatasetId,
    MicroRho,
    OpenedUse,
    PermitId,
    PublishedTotal,
    RecordedUse,
    UseKind,
)

NAMES = ("RoundOpened", "QueryOpened", "RoundClosed", "UseRecorded", "TotalProved")
PAGE = 500


@dataclass(frozen=True)
class Uses:
    """Everything under one permit, in order."""

    rounds: tuple[OpenedUse, ...]
    queries: tuple[OpenedUse, ...]
    recorded: tuple[RecordedUse, ...]
    totals: tuple[PublishedTotal, ...]

    @property
    def spent(self) -> dict[DatasetId, int]:
        """Micro-rho that was charged, by dataset."""
        found: dict[DatasetId, int] = {}
        for each in self.recorded:
            found[each.dataset_id] = found.get(each.dataset_id, 0) + each.rho
        return found


def uses_of(index: EventIndex, permit: int) -> Uses:
    """Read from the event index."""
    opened: dict[tuple[UseKind, int], OpenedUse] = {}
    recorded: list[RecordedUse] = []
    totals: list[PublishedTotal] = []
    for event in _events(index, permit):
        match event.name:
            case "RoundOpened" | "QueryOpened":
                use = _opened(event)
                opened[use.kind, use.n] = use
            case "RoundClosed":
                key = (UseKind.ROUND, event.details["n"])
                if key in opened:
                    opened[key] = replace(opened[key], closed=True)
            case "UseRecorded":
                recorded.append(_recorded(event))
            case _:
                totals.append(_total(event))
    ordered = [opened[key] for key in sorted(opened)]
    return Uses(
        tuple(each for each in ordered if each.kind is UseKind.ROUND),
        tuple(each for each in ordered if each.kind is UseKind.QUERY),
        tuple(recorded),
        tuple(totals),
    )


def _opened(event: IndexedEvent) -> OpenedUse:
    details, is_round = event.details, event.name == "RoundOpened"
    return OpenedUse(
        PermitId(details["permit"]),
        UseKind.ROUND if is_round else UseKind.QUERY,
        details["n"],
        details["model_hash" if is_round else "query_hash"],
        details["participants_hash"],
        event.timestamp,
    )


def _recorded(event: IndexedEvent) -> RecordedUse:
    details = event.details
    return RecordedUse(
        PermitId(details["permit"]),
        UseKind(details["kind"]),
        details["n"],
        DatasetId(details["dataset"]),
        event.actor,
        details["result_hash"],
        MicroRho(details["rho"]),
        event.position.block,
        event.timestamp,
        details["version"],
        details["consent_root"],
    )


def _total(event: IndexedEvent) -> PublishedTotal:
    details = event.details
    return PublishedTotal(
        PermitId(details["permit"]),
        details["n"],
        details["column"],
        details["total"],
        details["rows"],
        details["question"],
        event.actor,
        event.position.block,
        event.timestamp,
    )


def _events(index: EventIndex, permit: int) -> Iterator[IndexedEvent]:
    before = None
    while True:
        page = index.search(EventQuery(study=permit, names=NAMES, before=before, ascending=True, limit=PAGE))
        yield from page.events
        before = page.next
        if before is None:
            return
