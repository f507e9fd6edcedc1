"""Members, and the members' votes on admission and removal."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from belmont.registry.types import Address, Member, MemberStatus, Proposal, Role
from belmont.service.api import lists, routing
from belmont.service.api.values import (
    EXACT_MOST,
    AccountText,
    Answer,
    Bytes,
    Hash,
    Moment,
    MomentOrNone,
    Whole,
    lower_name,
)
from belmont.service.errors import NotFound

router: APIRouter = routing.router("members")
RoleName = Literal["data_holder", "data_user", "ethics_board", "auditor", "lay"]
MemberStatusName = Literal["active", "removed"]


class MemberNow(Answer):
    """A member, or one who was."""

    account: AccountText
    name: str
    did: str
    roles: list[RoleName]
    status: MemberStatusName
    mask_key: Hash
    """X25519 public key (RFC 7748); zero where the member masks nothing."""
    node_key_hash: Hash


class Members(lists.Page[MemberNow]):
    """Members in the order of admission."""


class MemberProposal(Answer):
    """A vote on one account."""

    number: Whole
    kind: Literal["admission", "removal"]
    account: AccountText
    proposer: AccountText
    supporters: list[AccountText]
    """Everyone who voted for it; only those still active are counted."""
    proposed_at: Moment
    open_until: MomentOrNone
    executed: bool
    documents: Bytes
    """Binary content identifier of what the members read first; empty where there is nothing."""


class MemberProposals(lists.Page[MemberProposal]):
    """Votes on admission and removal, in order."""


@router.get("/members")
async def list_members(
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    role: Annotated[RoleName | None, Query(description="Who has this role.")] = None,
    status: Annotated[MemberStatusName | None, Query(description="Active, or removed.")] = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> Members:
    """Every member ever admitted."""
    wanted_role = None if role is None else Role[role.upper()]
    wanted_status = None if status is None else MemberStatus[status.upper()]
    chosen = [
        each
        for each in snapshot.members.values()
        if (wanted_role is None or wanted_role in each.roles) and wanted_status in (None, each.status)
    ]
    found, total, next_ = lists.cut(chosen, lambda each: each.address, after, limit)
    return Members(items=[member_now(each) for each in found], total=total, next=next_)


@router.get("/members/{account}")
async def read_member(
    visitor: routing.AReader, snapshot: routing.Tagged, account: Annotated[AccountText, Path()]
) -> MemberNow:
    """One member."""
    found = snapshot.members.get(Address(account))
    if found is None:
        raise NotFound("This account was never a member.")
    return member_now(found)


@router.get("/proposals")
async def list_proposals(
    visitor: routing.AReader,
    snapshot: routing.Tagged,
    is_open: Annotated[bool | None, Query(alias="open", description="Not carried out yet, or carried out.")] = None,
    after: lists.After = None,
    limit: lists.Limit = 50,
) -> MemberProposals:
    """Votes on admission and removal."""
    chosen = [each for each in snapshot.proposals.values() if is_open in (None, not each.executed)]
    found, total, next_ = lists.cut(chosen, lambda each: int(each.id), after, limit)
    return MemberProposals(items=[_proposal(each) for each in found], total=total, next=next_)


@router.get("/proposals/{number}")
async def read_proposal(
    visitor: routing.AReader, snapshot: routing.Tagged, number: Annotated[int, Path(ge=1, le=EXACT_MOST)]
) -> MemberProposal:
    """One such vote."""
    found = snapshot.proposals.get(number)
    if found is None:
        raise NotFound(f"There is no proposal {number} on members.")
    return _proposal(found)


def member_now(found: Member) -> MemberNow:
    """A member of the registry, as the API has it."""
    return MemberNow(
        account=found.address,
        name=found.name,
        did=found.did,
        roles=[lower_name(each) for each in Role if each & found.roles and each.name],
        status=lower_name(found.status),
        mask_key=found.mask_key,
        node_key_hash=found.node_key_hash,
    )


def _proposal(found: Proposal) -> MemberProposal:
    return MemberProposal(
        number=found.id,
        kind=lower_name(found.kind),
        account=found.account,
        proposer=found.proposer,
        supporters=list(found.supporters),
        proposed_at=found.proposed_at,
        open_until=found.open_until,
        executed=found.executed,
        documents=found.documents,
    )
