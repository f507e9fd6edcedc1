"""What was computed under one permit, as ``belmont.service.explain.leaving`` takes it, and what left for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from belmont.audit.events import IndexedEvent
from belmont.audit.search import LIMIT_MAX, EventQuery
from belmont.federated.hashes import RunConfig
from belmont.identity.strict_json import loads
from belmont.registry.types import (
    MicroRho,
    OpenedUse,
    Permit,
    PermitId,
    PublishedTotal,
    RecordedUse,
    StudyTerms,
    UseKind,
)
from belmont.service.documents.kinds import Kind
from belmont.service.explain import Names, leaving
from belmont.service.service import Service
from belmont.service.state.progress import Opened, PermitProgress


@dataclass(frozen=True)
class Uses:
    """Everything under one permit, in order."""

    rounds: tuple[OpenedUse, ...]
    queries: tuple[OpenedUse, ...]
    recorded: tuple[RecordedUse, ...]
    totals: tuple[PublishedTotal, ...]


def uses_of(service: Service, permit: PermitId) -> Uses:
    """As the event index has it. Raises AuditError."""
    found = service.progress.of(permit)
    return Uses(
        _opened(permit, found, UseKind.ROUND),
        _opened(permit, found, UseKind.QUERY),
        tuple(use for kind in UseKind for each in found.of(kind).values() for use in _recorded(permit, each)),
        tuple(_totals(service, permit)),
    )


def configuration_of(service: Service, terms: StudyTerms) -> RunConfig | None:
    """The configuration that was approved; None where nobody handed it in."""
    content = service.documents.find(Kind.CONFIGURATION, terms.config_hash)
    return None if content is None else loads(content)


def left_of(
    service: Service, permit: Permit, opened: OpenedUse, uses: Uses, config: RunConfig | None, names: Names
) -> leaving.Left:
    """What left every hospital for one round or query."""
    versions = service.snapshot.versions
    if opened.kind is UseKind.ROUND:
        return leaving.of_round(permit, opened, uses.recorded, names, config=config, versions=versions)
    dictionary = service.dictionary_of(permit.covered)
    return leaving.of_query(
        permit, opened, uses.recorded, names, totals=uses.totals, dictionary=dictionary, versions=versions
    )


def _opened(permit: PermitId, found: PermitProgress, kind: UseKind) -> tuple[OpenedUse, ...]:
    return tuple(
        OpenedUse(
            permit,
            kind,
            each.n,
            each.subject_hash,
            each.participants_hash,
            each.opened_at,
            closed=each.closed_at is not None,
        )
        for _, each in sorted(found.of(kind).items())
    )


def _recorded(permit: PermitId, use: Opened) -> Iterator[RecordedUse]:
    for each in use.recorded:
        yield RecordedUse(
            permit,
            use.kind,
            use.n,
            each.dataset_id,
            each.holder,
            each.result_hash,
            MicroRho(each.rho),
            each.position.block,
            each.at,
            each.version,
            each.consent_root,
        )


def _totals(service: Service, permit: PermitId) -> Iterator[PublishedTotal]:
    before = None
    while True:
        page = service.index.search(
            EventQuery(study=permit, names=("TotalProved",), before=before, ascending=True, limit=LIMIT_MAX)
        )
        yield from map(_total, page.events)
        before = page.next
        if before is None:
            return


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
