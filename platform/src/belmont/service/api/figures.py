"""Figures for Prometheus: by a token of the configuration, for the machine that reads them, or by a member's session."""

import hmac

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

    async def __call__(self, request: Request) -> Visitor:
        expected = routing.service_of(request).config.metrics_token
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if expected is not None and kind.lower() == "bearer":
            if hmac.compare_digest(shown.strip().encode("utf-8", "replace"), expected.encode()):
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
async def read_figures(service: routing.Here, visitor: Visitor = Depends(FiguresGate(Who.MEMBER))) -> Response:
    """Requests by route and status, their latencies, open streams, and how far the chain is followed."""
    return Response(await run_in_threadpool(service.metrics.text), media_type=CONTENT_TYPE_LATEST)
