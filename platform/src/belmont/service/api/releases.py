"""Models that leave the consortium: announced, open to objection, released, withdrawn."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.service.api import lists, routing
from belmont.service.api.values import EXACT_MOST, AccountText, Answer, Hash, Moment, MomentOrNone, Whole, lower_name
from belmont.service.errors import NotFound
from belmont.service.service import Service

router: APIRouter = routing.router("releases")
StatusName = Literal["announced", "objected", "released", "withdrawn"]


class ReleaseNow(Answer):
    """One model under one permit."""

    permit: Whole
    model_hash: Hash
    data_user: AccountText
    status: StatusName
    evaluated_round: Whole
    """The round that was opened with this model."""
    card_hash: Hash
    evidence_hash: Hash
    """Of what the output check found."""
    announced_at: Moment
    objections_until: Moment
    objections: list[AccountText]
    confirmations: list[AccountText]
    released_at: MomentOrNone
    withdrawn_at: MomentOrNone


class Releases(lists.Page[ReleaseNow]):
    """Releases in the order they were announced."""


@router.get("/releases")
def list_releases(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Now,
    permit: Annotated[int | None, Query(ge=1, le=EXACT_MOST, description="Under this permit.")] = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Releases:
    """Models that were announced for release."""
    chosen = [each for each in snapshot.releases if permit in (None, each.permit_id)]
    found, total, next_ = lists.cut(chosen, lambda each: f"{each.permit_id}.{each.model_hash.hex()}", after, limit)
    return Releases(items=[_release(service, each) for each in found], total=total, next=next_)


@router.get("/releases/{permit}/{model}")
def read_release(
    service: routing.Here,
    visitor: routing.AReader,
    snapshot: routing.Now,
    permit: Annotated[int, Path(ge=1, le=EXACT_MOST)],
    model: Annotated[Hash, Path(description="Hash of the model.")],
) -> ReleaseNow:
    """One model."""
    for each in snapshot.releases:
        if (each.permit_id, each.model_hash) == (permit, model):
            return _release(service, each)
    raise NotFound("No such model was announced under this permit.")


def _release(service: Service, found: ModelRelease) -> ReleaseNow:
    status = found.status
    if status is ReleaseStatus.ANNOUNCED and time.time() >= found.objections_until:
        status = service.registry.releases.status(found.permit_id, found.model_hash)  # by the clock, without an event
    return ReleaseNow(
        permit=found.permit_id,
        model_hash=found.model_hash,
        data_user=found.data_user,
        status=lower_name(status),
        evaluated_round=found.evaluated_round,
        card_hash=found.card_hash,
        evidence_hash=found.evidence_hash,
        announced_at=found.announced_at,
        objections_until=found.objections_until,
        objections=list(found.objections),
        confirmations=list(found.confirmations),
        released_at=found.released_at,
        withdrawn_at=found.withdrawn_at,
    )
