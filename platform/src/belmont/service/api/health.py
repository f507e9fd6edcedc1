"""Whether the service is alive, and whether it is ready: for who runs it."""

from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel

from belmont.service.access.gates import AnyVisitor, allow
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api import routing
from belmont.service.service import Service

router = routing.router("health")


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """What the service needs, and how it stands."""

    ready: bool
    chain: str
    """following, behind, unreachable, or why the chain is refused."""
    block: int | None


@router.get("/health/live")
async def live(visitor: AnyVisitor) -> Live:
    """Whether the process answers. Says nothing else to strangers."""
    return Live()


@router.get("/health/ready")
async def ready(request: Request, visitor: Annotated[Visitor, allow(Who.MEMBER)]) -> Ready:
    """Whether the chain is followed, and up to where."""
    service: Service = request.app.state.service
    head = service.index.head
    state = service.follower.state
    return Ready(ready=state == "following", chain=state, block=head.number if head else None)
