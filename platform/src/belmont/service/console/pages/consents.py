"""Consents in numbers: by dataset, and how they changed. Never whose: no account of a patient is on these pages."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from belmont.service.console.parts import Reading, a_router, service_of
from belmont.service.state import consents as counting

router = a_router()


@router.get("/consents")
def consents(request: Request, visitor: Reading) -> Response:
    """By dataset."""
    service = service_of(request)
    snapshot = service.snapshot
    rows = [(each, counting.counts(service.index, each.id)) for each in snapshot.datasets.values()]
    return service.pages.page(request, "consents.html", rows=rows, snapshot=snapshot)
