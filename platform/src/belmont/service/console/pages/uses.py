"""What left the hospitals, over all permits: every use that one of them recorded, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import Response

from belmont.audit.events import IndexedEvent, Position
from belmont.audit.search import EventQuery
from belmont.registry.types import PermitId, UseKind
from belmont.service.console.parts import (
    Filters,
    Reading,
    a_router,
    bytes_of,
    dataset_of,
    names_of,
    older_than,
    service_of,
)
from belmont.service.console.uses import configuration_of, left_of, uses_of
from belmont.service.explain import Names, privacy
from belmont.service.explain.leaving import Left
from belmont.service.service import Service
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Plain, Sentence, Thing, Value

router = a_router()
PER_PAGE = 50


@dataclass(frozen=True)
class Shown:
    """One use."""

    at: int
    block: int
    dataset: Thing
    holder: Value
    permit: Thing
    number: int
    """Of the permit."""
    what: Sentence
    left: Sentence | None
    """What left, as far as it is known; None for a permit that was not read yet."""
    budget: Sentence
    result_hash: bytes


@router.get("/uses")
def uses(
    request: Request,
    visitor: Reading,
    dataset: Annotated[str, Query(pattern="^(|0x[0-9a-f]{64})$")] = "",
    permit: Annotated[str, Query(pattern="^(|[1-9][0-9]{0,17})$")] = "",
    before: Annotated[str, Query(pattern=r"^(|[0-9]{1,18}\.[0-9]{1,9})$")] = "",
) -> Response:
    """One page of uses, of one dataset or permit or of all."""
    service = service_of(request)
    position = Position.parse(before) if before else None
    page = service.index.search(
        EventQuery(
            names=("UseRecorded",),
            dataset=bytes_of(dataset) if dataset else None,
            study=int(permit) if permit else None,
            before=position,
            limit=PER_PAGE,
        )
    )
    kept = {key: value for key, value in (("dataset", dataset), ("permit", permit)) if value}
    place = {"after": before} if before else {}
    return service.pages.page(
        request,
        "uses.html",
        rows=list(shown(service, page.events)),
        total=page.total,
        dataset=dataset,
        permit=permit,
        filters=_filters(service.snapshot, dataset, permit, position),
        older=f"/uses?{urlencode(kept | {'before': str(page.next)})}" if page.next else None,
        newest=f"/uses?{urlencode(kept)}" if before else None,
        as_json=f"/api/v1/uses?{urlencode(kept | place | {'limit': PER_PAGE})}",
        snapshot=service.snapshot,
    )


def _filters(snapshot: Snapshot, dataset: str, permit: str, before: Position | None) -> Filters:
    found: Filters = []
    if dataset:
        covered = snapshot.datasets.get(dataset_of(dataset))
        found.append((Sentence("Dataset"), covered.name if covered else dataset))
    if permit:
        granted = snapshot.permits.get(int(permit))
        found.append((Sentence("Permit"), f"{permit}. {granted.terms.title}" if granted else permit))
    return found + older_than(before)


def shown(service: Service, events: tuple[IndexedEvent, ...]) -> Iterator[Shown]:
    """Events ``UseRecorded``, with what is known of what left."""
    names, known = names_of(service.snapshot), _Known(service)
    for event in events:
        said = event.details
        permit, kind, n = int(said["permit"]), UseKind(said["kind"]), int(said["n"])
        dataset, left = names.dataset(said["dataset"]), known.left(permit, kind, n, names)
        yield Shown(
            at=event.timestamp,
            block=event.position.block,
            dataset=dataset,
            holder=names.account(event.actor),
            permit=names.permit(permit),
            number=permit,
            what=_named(kind, n),
            left=next((each.left for each in left.departures if each.dataset == dataset), None) if left else None,
            budget=privacy.amount(int(said["rho"])),
            result_hash=bytes(said["result_hash"]),
        )


def _named(kind: UseKind, n: int) -> Sentence:
    if kind is UseKind.ROUND:
        return Sentence("Round {number}", number=Plain(n))
    return Sentence("Query {number}", number=Plain(n))


class _Known:
    """Rounds and queries of permits, each read once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._left: dict[tuple[int, UseKind, int], Left | None] = {}

    def left(self, permit: int, kind: UseKind, n: int, names: Names) -> Left | None:
        key = permit, kind, n
        if key not in self._left:
            self._left[key] = self._read(*key, names)
        return self._left[key]

    def _read(self, permit: int, kind: UseKind, n: int, names: Names) -> Left | None:
        record = self._service.snapshot.permits.get(permit)
        if record is None:
            return None
        found = uses_of(self._service, PermitId(permit))
        opened = next((each for each in (*found.rounds, *found.queries) if (each.kind, each.n) == (kind, n)), None)
        if opened is None:
            return None
        config = configuration_of(self._service, record.terms)
        return left_of(self._service, record, opened, found, config, names)
