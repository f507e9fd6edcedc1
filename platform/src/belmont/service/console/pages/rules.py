"""The consortium's rules, and its pause."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from belmont.service.console.parts import Reading, a_router, now, service_of
from belmont.service.words import names as named

router = a_router()


@router.get("/rules")
def rules(request: Request, visitor: Reading) -> Response:
    """What every rule is set to, and whether everything stands still."""
    service = service_of(request)
    snapshot = service.snapshot
    rows = [(named.of(rule), named.setting(rule, value)) for rule, value in snapshot.rules.items()]
    return service.pages.page(
        request, "rules.html", rows=rows, pause=snapshot.pause, paused=snapshot.pause.until > now(), snapshot=snapshot
    )
