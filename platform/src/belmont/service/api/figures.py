"""Figures for Prometheus: for the machine that has the configuration's token, and for members."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from belmont.service.access.gates import Gate
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api import routing

router = APIRouter(tags=["health"], route_class=routing.StrictRoute)


class FiguresGate(Gate):
    """Members, and whoever shows the token of ``metrics_token_file``."""

    also = ("whoever shows the token of the configuration",)

    async def __call__(self, request: Request) -> Visitor:
        service = routing.service_of(request)
        expected = service.config.metrics_token
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        own = expected is not None and kind.lower() == "bearer"
        if own and hmac.compare_digest(shown.strip().encode("utf-8", "replace"), str(expected).encode()):
            service.trail.refuse_when_full()
            request.state.visitor = Visitor()
            return Visitor()
        return await super().__call__(request)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Figures, as Prometheus reads them.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def read_figures(
    service: routing.Here, visitor: Annotated[Visitor, Depends(FiguresGate(Who.MEMBER))]
) -> Response:
    """Requests by route and status, their latencies, open streams, and how far the chain is followed."""
    return Response(await run_in_threadpool(service.metrics.text), media_type=CONTENT_TYPE_LATEST)
