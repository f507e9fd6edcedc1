"""The trail of accesses to this service, the refused ones too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from belmont.service.console.parts import Reading, service_of

router = APIRouter()
MOST = 200
REFUSED = 400


@router.get("/accesses")
def accesses(request: Request, visitor: Reading, refused: Annotated[str, Query(max_length=10)] = "") -> Response:
    """The newest first."""
    service = service_of(request)
    found = service.trail.newest(MOST, REFUSED if refused else 0)
    return service.pages.page(
        request, "accesses.html", rows=found, refused=bool(refused), most=MOST, snapshot=service.snapshot
    )
