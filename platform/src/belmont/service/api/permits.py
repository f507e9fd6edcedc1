"""Permits: what each allows, how much of it is used, and every round and query under it."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from belmont.registry.types import Permit, PermitStatus, UseKind
from belmont.service.api import lists, routing
from belmont.service.api.terms import NamesDataset, OfDataUser, Terms, is_about, terms_of
from belmont.service.api.values import AccountText, Answer, Hash, Moment, MomentOrNone, Whole
from belmont.service.errors import NotFound
from belmont.service.state.progress import Opened
from belmont.service.state.snapshot import Snapshot

router: APIRouter = routing.router("permits")
StateName = Literal["active", "frozen", "revoked", "superseded", "expired"]


class PermitNow(Answer):
    """A permit. It has the number of its study."""

    number: Whole
    data_user: AccountText
    data_user_name: str
    state: StateName
    """By the clock of this service: a freeze ends, and a permit expires, without an event."""
    issued_at: Moment
    expires_at: Moment
    frozen_until: MomentOrNone
    terms: Terms
    covered: list[Hash]
    """Datasets that it still covers."""
    withdrawn: list[Hash]
    rounds_opened: Whole
    """Over its whole line, as queries are."""
    queries_opened: Whole
    line: Whole
    """The first permit of its line: amendments are counted with what they amend."""
    superseded_by: Whole | None


class Permits(lists.Page[PermitNow]):
    """Permits in the order of their numbers."""


class DatasetBudget(Answer):
    """What a permit's line used of one dataset, in millionths of rho."""

    dataset: Hash
    rho_allowed: Whole
    rho_spent: Whole
    lifetime_cap: Whole
    """Over all permits."""
    lifetime_spent: Whole


class Budget(Answer):
    """What is left of a permit."""

    number: Whole
    rounds_allowed: Whole
    rounds_opened: Whole
    queries_allowed: Whole
    queries_opened: Whole
    datasets: list[DatasetBudget]


class UseRecord(Answer):
    """A hospital's record that its result was about to leave."""

    dataset: Hash
    holder: AccountText
    result_hash: Hash
    rho: Whole
    version: Whole
    consent_root: Hash
    at: Moment
    position: str


class OpenedUse(Answer):
    """One round or query: opened, recorded by whom, closed."""

    n: Whole
    kind: Literal["round", "query"]
    subject_hash: Hash
    """Of the model that a round starts from, or of the question."""
    participants_hash: Hash
    opened_by: AccountText
    opened_at: Moment
    closed_at: MomentOrNone
    """A query is never closed."""
    recorded: list[UseRecord]
    position: str


class OpenedUses(lists.Page[OpenedUse]):
    """Rounds or queries by number."""


@router.get("/permits")
async def list_permits(
    visitor: routing.AReader,
    snapshot: routing.Now,
    state: Annotated[StateName | None, Query(description="In this state.")] = None,
    data_user: OfDataUser = None,
    dataset: NamesDataset = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Permits:
    """All permits."""
    now = int(time.time())
    chosen = [
        each
        for each in snapshot.permits.values()
        if state in (None, state_of(each, now))
        and data_user in (None, each.data_user)
        and is_about(each.terms, dataset)
    ]
    found, total, next_ = lists.cut(chosen, lambda each: int(each.id), after, limit)
    return Permits(items=[_permit(snapshot, each, now) for each in found], total=total, next=next_)


@router.get("/permits/{number}")
async def read_permit(visitor: routing.AReader, snapshot: routing.Now, number: routing.StudyNumber) -> PermitNow:
    """One permit."""
    return _permit(snapshot, known(snapshot, number), int(time.time()))


@router.get("/permits/{number}/budget")
def read_budget(
    service: routing.Here, visitor: routing.AReader, snapshot: routing.Tagged, number: routing.StudyNumber
) -> Budget:
    """What is left of it: rounds, queries, and the privacy budget of each dataset."""
    permit = known(snapshot, number)
    spent = service.progress.spent(snapshot.line_of(permit))
    return Budget(
        number=permit.id,
        rounds_allowed=permit.terms.rounds,
        rounds_opened=permit.rounds_opened,
        queries_allowed=permit.terms.queries,
        queries_opened=permit.queries_opened,
        datasets=[
            DatasetBudget(
                dataset=id_,
                rho_allowed=permit.terms.rho_per_dataset,
                rho_spent=spent[id_],
                lifetime_cap=found.rho_cap,
                lifetime_spent=found.rho_spent,
            )
            for id_ in permit.terms.datasets
            if (found := snapshot.datasets.get(id_))
        ],
    )


@router.get("/permits/{number}/rounds")
def list_rounds(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    number: routing.StudyNumber,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> OpenedUses:
    """Its rounds: who recorded a use in each, and whether it is closed."""
    return _opened(service.progress.of(known(snapshot, number).id).of(UseKind.ROUND), after, limit)


@router.get("/permits/{number}/queries")
def list_queries(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    number: routing.StudyNumber,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> OpenedUses:
    """Its queries, and who recorded a use for each."""
    return _opened(service.progress.of(known(snapshot, number).id).of(UseKind.QUERY), after, limit)


def known(snapshot: Snapshot, number: int) -> Permit:
    """A permit that there is. Raises NotFound."""
    found = snapshot.permits.get(number)
    if found is None:
        raise NotFound(f"There is no permit {number}.")
    return found


def state_of(permit: Permit, now: int) -> StateName:
    """How a permit stands at a Unix second."""
    if permit.status is PermitStatus.REVOKED:
        return "revoked"
    if permit.status is PermitStatus.SUPERSEDED:
        return "superseded"
    if now >= permit.expires_at:
        return "expired"
    return "frozen" if permit.frozen_until > now else "active"


def _permit(snapshot: Snapshot, found: Permit, now: int) -> PermitNow:
    return PermitNow(
        number=found.id,
        data_user=found.data_user,
        data_user_name=snapshot.name_of(found.data_user),
        state=state_of(found, now),
        issued_at=found.issued_at,
        expires_at=found.expires_at,
        frozen_until=found.frozen_until,
        terms=terms_of(found.terms),
        covered=list(found.covered),
        withdrawn=list(found.withdrawn),
        rounds_opened=found.rounds_opened,
        queries_opened=found.queries_opened,
        line=found.line,
        superseded_by=found.superseded_by or None,
    )


def _opened(every: dict[int, Opened], after: str | None, limit: int) -> OpenedUses:
    found, total, next_ = lists.cut(every.values(), lambda each: each.n, after, limit)
    return OpenedUses(items=[_opened_use(each) for each in found], total=total, next=next_)


def _opened_use(found: Opened) -> OpenedUse:
    return OpenedUse(
        n=found.n,
        kind="round" if found.kind is UseKind.ROUND else "query",
        subject_hash=found.subject_hash,
        participants_hash=found.participants_hash,
        opened_by=found.opened_by,
        opened_at=found.opened_at,
        closed_at=found.closed_at,
        recorded=[
            UseRecord(
                dataset=each.dataset_id,
                holder=each.holder,
                result_hash=each.result_hash,
                rho=each.rho,
                version=each.version,
                consent_root=each.consent_root,
                at=each.at,
                position=str(each.position),
            )
            for each in found.recorded
        ],
        position=str(found.position),
    )
