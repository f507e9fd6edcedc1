"""Relaying: a member hands in a message that somebody signed, and the contract acts on it.

1. The texts that the message brings along (why somebody voted, froze, revoked) are kept for the members to read. They
   are written before the chain is asked and given out after it agreed, so that none is lost in between.
2. Where the chain does not answer, what became of the message is not known: the texts stay held back, and are given
   out as soon as the chain turns out to have them.
3. A message that is refused takes away only texts that came with it, and none that an earlier attempt left waiting.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from belmont.identity.signed_message import FILE_BYTES_MAX
from belmont.registry.errors import RegistryUnreachable
from belmont.service.access.gates import allow
from belmont.service.access.limits import limited
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api.documents import account_of, body_of
from belmont.service.api.routing import StrictRoute
from belmont.service.errors import TooLarge
from belmont.service.relaying import Taken
from belmont.service.service import Service

router = APIRouter(tags=["relay"], route_class=StrictRoute)
BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}


class RelayedOut(BaseModel):
    """What the contract took."""

    kind: str
    says: str
    actor: str
    digest: str
    """The 32 bytes that were signed, with 0x."""


@router.post("/api/v1/relay", openapi_extra=BODY, dependencies=[limited("relay")])
async def relay(request: Request, visitor: Annotated[Visitor, allow(Who.MEMBER)]) -> RelayedOut:
    """Have the contract act on a signed message, given as its file (``belmont sign``)."""
    service: Service = request.app.state.service
    content = await body_of(request, FILE_BYTES_MAX, _refuse)
    taken = await run_in_threadpool(relayed, service, content, visitor)
    return RelayedOut(kind=taken.kind, says=taken.says, actor=taken.actor, digest="0x" + taken.digest.hex())


def relayed(service: Service, content: bytes, visitor: Visitor) -> Taken:
    """The same for pages. Raises Malformed, NotAllowed, RegistryError."""
    signed, by = service.relaying.read(content), account_of(visitor)
    held = service.documents.hold(signed, by)  # 1
    try:
        taken = service.relaying.submit(content, visitor)
    except RegistryUnreachable:
        raise  # 2
    except Exception:
        service.documents.let_go(held)  # 3
        raise
    service.documents.confirm(signed, by)
    return taken


def _refuse(size: int) -> None:
    if size > FILE_BYTES_MAX:
        raise TooLarge(f"A signed message has at most {FILE_BYTES_MAX} bytes.")
