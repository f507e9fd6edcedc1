"""Alerts: what to look at."""

from fastapi import Request
from fastapi.responses import Response

from belmont.service.console.alerts import alerts_of
from belmont.service.console.parts import Reading, a_router, now, service_of

router = a_router()


@router.get("/alerts")
def alerts(request: Request, visitor: Reading) -> Response:
    """All of them."""
    service = service_of(request)
    return service.pages.page(request, "alerts.html", alerts=alerts_of(service, now()))
