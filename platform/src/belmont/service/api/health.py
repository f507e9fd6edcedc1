"""Whether the service is alive, and whether it is ready: for who runs it."""

from typing import Literal

from belmont.service.access.gates import AnyVisitor
from belmont.service.api import routing
from belmont.service.api.values import Answer

router = routing.router("health")


class Live(Answer):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(Answer):
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
async def ready(service: routing.Here, visitor: routing.AMember) -> Ready:
    """Whether the chain is followed, and up to where."""
    head = service.index.head
    state = service.follower.state
    return Ready(ready=state == "following", chain=state, block=head.number if head else None)
