"""The trail of accesses to this service, the refused ones too: for whom the API gives it to, and nobody else.

It says what a member of the board read before a vote; which patient looked at their page, to their own hospital alone
(``access.veil``).
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from belmont.registry.types import Address
from belmont.service.access.gates import allow
from belmont.service.access.veil import A_PATIENT, veiled
from belmont.service.access.visitor import OVERSIGHT, Visitor
from belmont.service.console.parts import Filters, service_of
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Plain, Sentence

router = APIRouter()
MOST = 100
REFUSED = 400


@router.get("/accesses")
def accesses(
    request: Request,
    visitor: Annotated[Visitor, allow(*OVERSIGHT)],
    refused: Annotated[str, Query(max_length=10)] = "",
    who: Annotated[str, Query(pattern="^(|0x[0-9a-fA-F]{40})$")] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """The newest first, or those before a number of the trail."""
    service = service_of(request)
    least, who = REFUSED if refused else 0, to_checksum_address(who) if who else ""  # as the trail writes it
    found = service.trail.page(account=who or None, least_status=least, before=before, limit=MOST + 1)
    kept = {key: value for key, value in (("who", who), ("refused", "1" if refused else "")) if value}
    last = found[MOST - 1][0] if len(found) > MOST else None
    return service.pages.page(
        request,
        "accesses.html",
        rows=[each for _, each in veiled(service, visitor, found[:MOST], who or None)],
        a_patient=A_PATIENT,
        older=f"/accesses?{urlencode({'before': last, **kept})}" if last else None,
        newest=f"/accesses?{urlencode(kept)}" if before else None,
        filters=_filters(service.snapshot, who, bool(refused), before),
        refused=bool(refused),
        who=who,
        snapshot=service.snapshot,
    )


def _filters(snapshot: Snapshot, who: str, refused: bool, before: int | None) -> Filters:
    found: Filters = []
    if who:
        member = snapshot.members.get(Address(who))
        found.append((Sentence("Who"), member.name if member else who))
    if refused:
        found.append((Sentence("Answer"), Sentence("Only what was refused")))
    if before:
        found.append((Sentence("Older than"), Sentence("entry {number}", number=Plain(before))))
    return found
