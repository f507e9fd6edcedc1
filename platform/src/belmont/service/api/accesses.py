"""The trail of accesses to this service: for auditors, and for data holders, whose patients' data it is about."""

from typing import Annotated

from fastapi import APIRouter, Query

from belmont.service.access.gates import allow
from belmont.service.access.trail import Access
from belmont.service.access.visitor import OVERSIGHT, Visitor
from belmont.service.api import lists, routing
from belmont.service.api.values import EXACT_MOST, AccountText, Answer, Moment

router: APIRouter = routing.router("accesses")


class AccessNow(Answer):
    """One request and what became of it; never its query or body."""

    number: int
    at: Moment
    account: AccountText | None
    """Null where nobody was signed in."""
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
    after: Annotated[
        int | None, Query(ge=1, le=EXACT_MOST, description="Where to go on: the last page's `next`.")
    ] = None,
    limit: lists.Limit = 50,
) -> Accesses:
    """Who asked this service for what, when, and what became of it. The refused ones too."""
    found = service.trail.page(account=account, least_status=400 if refused else 0, before=after, limit=limit + 1)
    items = [_access(number, each) for number, each in found[:limit]]
    return Accesses(items=items, next=str(items[-1].number) if len(found) > limit else None)


def _access(number: int, found: Access) -> AccessNow:
    return AccessNow(
        number=number,
        at=found.at,
        account=found.account or None,
        method=found.method,
        route=found.route,
        path=found.path,
        status=found.status,
        code=found.code,
        milliseconds=found.milliseconds,
    )
