"""The trail of accesses to this service: for auditors, and for data holders, whose patients' data it is about.

Which patient was here is for their own hospital (``access.veil``).
"""

from typing import Annotated

from fastapi import APIRouter, Query

from belmont.service.access.gates import allow
from belmont.service.access.trail import Access, Outcome
from belmont.service.access.veil import A_PATIENT, veiled
from belmont.service.access.visitor import OVERSIGHT, Visitor
from belmont.service.api import lists, routing
from belmont.service.api.values import EXACT_MOST, AccountText, Answer, Moment
from belmont.service.errors import Malformed

router: APIRouter = routing.router("accesses")


class AccessNow(Answer):
    """One request and what became of it; never its query or body."""

    number: int
    at: Moment
    account: AccountText | None
    """Null where nobody was signed in, and for a patient of another hospital than the reader's."""
    by_patient: bool
    """Whether it was such a patient."""
    method: str
    route: str
    path: str
    status: int
    code: str
    """Why it was refused; empty where it was not."""
    milliseconds: int


class Accesses(Answer):
    """Accesses, newest first."""

    items: list[AccessNow]
    next: str | None
    """Cursor of the next page; null on the last."""


@router.get("/accesses")
def list_accesses(
    service: routing.Here,
    visitor: Annotated[Visitor, allow(*OVERSIGHT)],
    account: Annotated[AccountText | None, Query(description="Of this account.")] = None,
    refused: Annotated[bool, Query(description="Only those that were refused.")] = False,
    answered: Annotated[bool, Query(description="Only those that were not refused.")] = False,
    since: lists.Second = None,
    until: lists.Second = None,
    after: Annotated[
        int | None, Query(ge=1, le=EXACT_MOST, description="Where to go on: the last page's `next`.")
    ] = None,
    limit: lists.Limit = 50,
) -> Accesses:
    """Who asked this service for what, when, and what became of it. The refused ones too. `since` is included, `until`
    is not."""
    if refused and answered:
        raise Malformed("An access was refused or answered, and never both.")
    outcome = Outcome.REFUSED if refused else Outcome.ANSWERED if answered else None
    found = service.trail.page(
        account=account, outcome=outcome, since=since, until=until, before=after, limit=limit + 1
    )
    shown = veiled(service, visitor, found[:limit], account)
    items = [_access(number, each) for number, each in shown]
    return Accesses(items=items, next=str(found[limit - 1][0]) if len(found) > limit else None)


def _access(number: int, found: Access) -> AccessNow:
    return AccessNow(
        number=number,
        at=found.at,
        account=found.account if found.account and found.account != A_PATIENT else None,
        by_patient=found.account == A_PATIENT,
        method=found.method,
        route=found.route,
        path=found.path,
        status=found.status,
        code=found.code,
        milliseconds=found.milliseconds,
    )
