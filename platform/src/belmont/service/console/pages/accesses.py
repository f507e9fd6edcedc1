"""The trail of accesses to this service, the refused ones too: for whom the API gives it to, and nobody else.

It says what a member of the board read before a vote; which patient looked at their page, to their own hospital alone
(``access.veil``).
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from eth_utils.address import to_checksum_address
from fastapi import Query, Request
from fastapi.responses import Response

from belmont.registry.types import Address
from belmont.service.access.gates import allow
from belmont.service.access.trail import Outcome
from belmont.service.access.veil import A_PATIENT, veiled
from belmont.service.access.visitor import OVERSIGHT, Visitor
from belmont.service.console.days import in_words, second_of
from belmont.service.console.parts import Filters, a_router, service_of
from belmont.service.console.signing import Errors
from belmont.service.state.snapshot import Snapshot
from belmont.service.words import Plain, Sentence

router = a_router()
MOST = 100
OUTCOMES = {Outcome.ANSWERED: Sentence("Only what was answered"), Outcome.REFUSED: Sentence("Only what was refused")}
Text = Annotated[str, Query(max_length=20)]


@router.get("/accesses")
def accesses(
    request: Request,
    visitor: Annotated[Visitor, allow(*OVERSIGHT)],
    outcome: Annotated[str, Query(pattern="^(|answered|refused)$")] = "",
    who: Annotated[str, Query(pattern="^(|0x[0-9a-fA-F]{40})$")] = "",
    since: Text = "",
    until: Text = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """The newest first, or those before a number of the trail. A day that cannot be read is said, and left out."""
    service, errors = service_of(request), Errors()
    who = to_checksum_address(who) if who else ""  # as the trail writes it
    wanted = Outcome(outcome) if outcome else None
    first, after = second_of(since, "since", errors), second_of(until, "until", errors, end=True)
    found = service.trail.page(
        account=who or None, outcome=wanted, since=first, until=after, before=before, limit=MOST + 1
    )
    given = {"who": who, "outcome": outcome, "since": since, "until": until}
    kept = {key: value for key, value in given.items() if value}
    last = found[MOST - 1][0] if len(found) > MOST else None
    return service.pages.page(
        request,
        "accesses.html",
        422 if errors else 200,
        rows=[each for _, each in veiled(service, visitor, found[:MOST], who or None)],
        a_patient=A_PATIENT,
        older=f"/accesses?{urlencode({'before': last, **kept})}" if last else None,
        newest=f"/accesses?{urlencode(kept)}" if before else None,
        filters=[*_filters(service.snapshot, who, wanted), *in_words(first, after), *_older_than(before)],
        as_json=_as_json(who, wanted, first, after, before),
        given=given,
        outcomes=OUTCOMES,
        errors=errors,
        snapshot=service.snapshot,
    )


def _as_json(who: str, outcome: Outcome | None, since: int | None, until: int | None, before: int | None) -> str:
    """The same entries from the API."""
    asked = {"account": who or None, "since": since, "until": until, "after": before, "limit": MOST}
    given = {key: value for key, value in asked.items() if value is not None}
    return f"/api/v1/accesses?{urlencode(given | ({outcome.value: 'true'} if outcome else {}))}"


def _filters(snapshot: Snapshot, who: str, outcome: Outcome | None) -> Filters:
    found: Filters = []
    if who:
        member = snapshot.members.get(Address(who))
        found.append((Sentence("Who"), member.name if member else who))
    if outcome is not None:
        found.append((Sentence("Answer"), OUTCOMES[outcome]))
    return found


def _older_than(before: int | None) -> Filters:
    return [(Sentence("Older than"), Sentence("entry {number}", number=Plain(before)))] if before else []
