"""Relaying: a member hands in a message that somebody signed, and the contract acts on it.

1. The texts that the message brings along (why somebody voted, froze, revoked) are kept for the members to read. They
   are written before the chain is asked and given out after it agreed, so that none is lost in between.
2. Where the chain does not answer, what became of the message is not known: the texts stay held back, and are given
   out as soon as the chain turns out to have them. So they are where the database is away after the contract took the
   message: whoever sent it is told that it is taken.
3. A message that is refused takes away only texts that came with it, and none that an earlier attempt left waiting.
"""

import logging
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from belmont.identity.signed_message import FILE_BYTES_MAX
from belmont.registry.errors import RegistryUnreachable
from belmont.service.access.limits import limited
from belmont.service.access.visitor import Visitor
from belmont.service.api import routing
from belmont.service.api.documents import body_of
from belmont.service.api.values import AccountText, Answer, Hash
from belmont.service.errors import TooLarge, Unavailable
from belmont.service.relaying import Taken
from belmont.service.service import Service

router: APIRouter = routing.router("relay", limited("relay"))
log = logging.getLogger(__name__)
BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}


class RelayedOut(Answer):
    """What the contract took."""

    kind: str
    says: str
    actor: AccountText
    digest: Hash
    """The 32 bytes that were signed."""


@router.post("/relay", openapi_extra=BODY)
async def relay(request: Request, service: routing.Here, visitor: routing.AnActor) -> RelayedOut:
    """Have the contract act on a signed message, given as its file (``belmont sign``)."""
    content = await body_of(request, FILE_BYTES_MAX, _refuse)
    taken = await run_in_threadpool(relayed, service, content, visitor)
    return RelayedOut(kind=taken.kind, says=taken.says, actor=taken.actor, digest=taken.digest)


def relayed(service: Service, content: bytes, visitor: Visitor) -> Taken:
    """The same for pages. Raises Malformed, NotAllowed, RegistryError."""
    signed, by = service.relaying.read(content), routing.account_of(visitor)
    held = service.documents.hold(signed, by)  # 1
    try:
        taken = service.relaying.submit(signed, visitor)
    except RegistryUnreachable:
        raise  # 2
    except Exception:
        service.documents.let_go(held)  # 3
        raise
    try:
        service.documents.confirm(signed, by)
    except Unavailable:
        log.warning("a %s was taken, and its texts stay held back until they are asked for", taken.kind)  # 2
    return taken


def _refuse(size: int) -> None:
    if size > FILE_BYTES_MAX:
        raise TooLarge(f"A signed message has at most {FILE_BYTES_MAX} bytes.")
