"""Permits: the list, and a running study as it is used, live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from belmont.audit.events import Position
from belmont.audit.search import EventQuery
from belmont.registry.types import Address, DatasetId, Permit, Role
from belmont.service.access.visitor import Visitor
from belmont.service.console import standing
from belmont.service.console.parts import Number, Reading, a_router, found, names_of, newest_first, now, service_of
from belmont.service.console.uses import configuration_of, left_of, uses_of
from belmont.service.documents.kinds import Kind
from belmont.service.explain import alerts, budget, history
from belmont.service.service import Service

router = a_router()
STORY_MOST = 100
STOPPED_BY = ("PermitFrozen", "LiftSupported", "FreezeLifted", "RevocationSupported", "PermitRevoked")


@router.get("/permits")
def permits(request: Request, visitor: Reading) -> Response:
    """Every permit, the newest first."""
    service = service_of(request)
    clock = now()
    rows = [(each, standing.of_permit(each, clock)) for each in newest_first(service.snapshot.permits)]
    return service.pages.page(request, "permits/list.html", rows=rows, snapshot=service.snapshot)


@router.get("/permits/{number}")
def permit(request: Request, visitor: Reading, number: Number) -> Response:
    """One permit: what may be done with it, and what was done under it."""
    service = service_of(request)
    snapshot = service.snapshot
    record = found(snapshot.permits.get(number))
    page = service.index.search(EventQuery(study=number, limit=STORY_MOST))
    names = names_of(snapshot)
    return service.pages.page(
        request,
        "permits/one.html",
        **_now(service, number),
        **_acts(service, visitor, number),
        under_conditions=record.id in snapshot.studies and snapshot.studies[record.id].conditions_agreed,
        reasons=_reasons(service, number),
        amendments=[each for each in snapshot.studies.values() if each.amends == record.id],
        releases=[each for each in snapshot.releases if each.permit_id == record.id],
        story=[(each, history.sentence(each, names)) for each in page.events],
        total=page.total,
    )


@router.get("/permits/{number}/now")
def as_it_is(request: Request, visitor: Reading, number: Number) -> HTMLResponse:
    """What changes while it runs: a part of its page, for ``static/live.js``."""
    service = service_of(request)
    found(service.snapshot.permits.get(number))
    return service.pages.page(request, "permits/now.html", **_now(service, number))


def _now(service: Service, number: int) -> dict[str, Any]:
    """Everything that changes."""
    snapshot = service.snapshot
    record = found(snapshot.permits.get(number))
    names, config = names_of(snapshot), configuration_of(service, record.terms)
    uses = uses_of(service, record.id)
    return {
        "permit": record,
        "terms": record.terms,
        "stands": standing.of_permit(record, now()),
        "budget": budget.of(record, service.progress.spent(snapshot.line_of(record)), names, snapshot.datasets),
        "rounds": [(each, left_of(service, record, each, uses, config, names)) for each in uses.rounds],
        "queries": [(each, left_of(service, record, each, uses, config, names)) for each in uses.queries],
        "records": service.documents.rounds(number),
        "snapshot": snapshot,
    }


def _acts(service: Service, visitor: Visitor, number: int) -> dict[str, Any]:
    """What this visitor can do with it now."""
    record, clock = found(service.snapshot.permits.get(number)), now()
    account = visitor.account or Address("")
    usable, frozen = alerts.is_alive(record, clock), standing.is_frozen(record, clock)
    mine = [each for each in record.covered if _holds(service, each, account)]
    on_board = Role.ETHICS_BOARD in visitor.roles
    recused = standing.is_recused(service.snapshot.studies, number, account)
    can_stop = usable and (on_board or bool(mine))
    said = _said(service, record, account) if can_stop else _Said()
    return {
        "can_freeze": can_stop and not frozen and not said.froze,
        "can_lift": usable and frozen and on_board and not recused and not said.lifted,
        "can_revoke": usable and on_board and not said.revoked,
        "to_withdraw": mine if usable else [],
        "recused_from_lift": usable and frozen and on_board and recused,
        "froze_before": can_stop and not frozen and said.froze,
    }


@dataclass(frozen=True)
class _Said:
    """What a member has done about a permit that the contract takes once."""

    froze: bool = False
    lifted: bool = False
    """Voted to end the newest freeze."""
    revoked: bool = False
    """Voted to revoke the permit's line."""


def _said(service: Service, permit: Permit, account: Address) -> _Said:
    def newest(name: str, number: int, actor: Address | None = account) -> Position | None:
        events = service.index.search(EventQuery(study=number, names=(name,), actor=actor, limit=1)).events
        return events[0].position if events else None

    frozen, lifted = newest("PermitFrozen", permit.id, None), newest("LiftSupported", permit.id)
    return _Said(
        froze=newest("PermitFrozen", permit.id) is not None,
        lifted=lifted is not None and frozen is not None and lifted > frozen,
        revoked=any(newest("RevocationSupported", each) for each in service.snapshot.line_of(permit)),
    )


def _holds(service: Service, dataset_id: DatasetId, account: Address) -> bool:
    dataset = service.snapshot.datasets.get(dataset_id)
    return dataset is not None and dataset.holder == account


def _reasons(service: Service, number: int) -> list[tuple[Any, Any, bytes, str | None]]:
    """What stopped it, or let it go on, with the reasons whose text is here; the newest first."""
    names = names_of(service.snapshot)
    page = service.index.search(EventQuery(study=number, names=STOPPED_BY, limit=STORY_MOST))
    return [
        (
            each,
            history.sentence(each, names),
            hashed,
            service.documents.text(Kind.REASON, hashed) if any(hashed) else None,
        )
        for each in page.events
        for hashed in (bytes(each.details.get("reason_hash", b"")),)
    ]
