"""Uses, totals and credits: what left each hospital, what was published of it, and who contributed how much."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from belmont.audit.events import IndexedEvent
from belmont.audit.search import EventQuery
from belmont.registry.types import Address, UseKind
from belmont.service.api import datasets, lists, routing
from belmont.service.api.values import EXACT_MOST, AccountText, Answer, Hash, Moment, Whole

router: APIRouter = routing.router("uses")
OfPermit = Annotated[int | None, Query(ge=1, le=EXACT_MOST, description="Under this permit.")]
OfDataset = Annotated[Hash | None, Query(description="Of this dataset.")]


class Use(Answer):
    """A hospital's record that its result was about to leave."""

    permit: Whole
    kind: Literal["round", "query"]
    n: Whole
    dataset: Hash
    holder: AccountText
    result_hash: Hash
    rho: Whole
    """What it was charged, in millionths of rho."""
    version: Whole
    consent_root: Hash
    """The consents that were applied."""
    at: Moment
    position: str


class Uses(lists.Page[Use]):
    """Uses, newest first."""


class Total(Answer):
    """A total that the contract checked against the registered columns."""

    permit: Whole
    n: Whole
    column: Whole
    """Place among the committed columns; 0 is `present`, whose total is the number of rows."""
    total: Whole
    rows: Whole
    question: str
    """Canonical JSON of what was asked."""
    data_user: AccountText
    at: Moment
    position: str


class Totals(lists.Page[Total]):
    """Published totals, newest first."""


class CreditLine(Answer):
    """What one use brought, or what was redeemed."""

    account: AccountText
    dataset: Hash
    """Zero where an account redeemed its own."""
    to_holder: Whole
    to_patients: Whole
    redeemed: Whole
    at: Moment
    position: str


class CreditLines(lists.Page[CreditLine]):
    """A statement, newest first."""


class Balance(Answer):
    """Credits of a data holder, or of the patients of a dataset together: a row of a use is one."""

    earned: Whole
    redeemed: Whole
    left: Whole


@router.get("/uses")
def list_uses(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    permit: OfPermit = None,
    dataset: OfDataset = None,
    holder: Annotated[AccountText | None, Query(description="Recorded by this holder.")] = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Uses:
    """What left each hospital."""
    page = service.index.search(
        EventQuery(
            names=("UseRecorded",),
            study=permit,
            dataset=dataset,
            actor=Address(holder) if holder else None,
            before=lists.position(after),
            limit=limit,
        )
    )
    return Uses(items=[_use(each) for each in page.events], total=page.total, next=lists.next_of(page))


@router.get("/totals")
def list_totals(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    permit: OfPermit = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Totals:
    """Totals that anybody can rely on."""
    page = service.index.search(
        EventQuery(names=("TotalProved",), study=permit, before=lists.position(after), limit=limit)
    )
    return Totals(items=[_total(each) for each in page.events], total=page.total, next=lists.next_of(page))


@router.get("/credits", tags=["credits"])
def list_credits(
    service: routing.Here,
    visitor: routing.AMember,
    snapshot: routing.Tagged,
    account: Annotated[AccountText | None, Query(description="Of this account.")] = None,
    dataset: OfDataset = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> CreditLines:
    """Who contributed how much, use by use."""
    page = service.index.search(
        EventQuery(
            names=("Credited", "Redeemed"),
            actor=Address(account) if account else None,
            dataset=dataset,
            before=lists.position(after),
            limit=limit,
        )
    )
    return CreditLines(items=[_line(each) for each in page.events], total=page.total, next=lists.next_of(page))


@router.get("/credits/{account}", tags=["credits"])
def read_balance(service: routing.Here, visitor: routing.AMember, account: Annotated[AccountText, Path()]) -> Balance:
    """Credits of one account, from the chain."""
    found = service.registry.credits.balance(Address(account))
    return Balance(earned=found.earned, redeemed=found.redeemed, left=found.left)


@router.get("/datasets/{dataset}/credits", tags=["credits"])
def read_pool(
    service: routing.Here, visitor: routing.AMember, snapshot: routing.Now, dataset: routing.DatasetPath
) -> Balance:
    """Credits of a dataset's patients together, from the chain."""
    found = service.registry.credits.pool(datasets.known(snapshot, dataset).id)
    return Balance(earned=found.earned, redeemed=found.redeemed, left=found.left)


def _use(event: IndexedEvent) -> Use:
    said = event.details
    return Use(
        permit=said["permit"],
        kind="round" if said["kind"] == UseKind.ROUND else "query",
        n=said["n"],
        dataset=said["dataset"],
        holder=event.actor,
        result_hash=said["result_hash"],
        rho=said["rho"],
        version=said["version"],
        consent_root=said["consent_root"],
        at=event.timestamp,
        position=str(event.position),
    )


def _total(event: IndexedEvent) -> Total:
    said = event.details
    return Total(
        permit=said["permit"],
        n=said["n"],
        column=said["column"],
        total=said["total"],
        rows=said["rows"],
        question=bytes(said["question"]).decode("utf-8", "replace"),
        data_user=event.actor,
        at=event.timestamp,
        position=str(event.position),
    )


def _line(event: IndexedEvent) -> CreditLine:
    said = event.details
    return CreditLine(
        account=event.actor,
        dataset=said["dataset"],
        to_holder=said.get("to_holder", 0),
        to_patients=said.get("to_patients", 0),
        redeemed=said.get("amount", 0),
        at=event.timestamp,
        position=str(event.position),
    )
