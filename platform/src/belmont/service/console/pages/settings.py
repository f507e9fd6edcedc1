"""What somebody chose here: language, appearance, notices; and the way to their keys and sessions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from belmont.service.console.parts import SignedIn, service_of

router = APIRouter()


@router.get("/settings")
def settings(request: Request, visitor: SignedIn) -> Response:
    """All of it on one page."""
    return service_of(request).pages.page(request, "settings.html")
