"""The consortium as it is: its contracts, its rules, votes on them, and whether everything is paused."""

from typing import Annotated

from fastapi import APIRouter, Path

from belmont.registry.rules.protocol import RuleProposal
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
from belmont.service.state.snapshot import Snapshot

router: APIRouter = routing.router("consortium")


class Block(Answer):
    """A block of the chain."""

    number: Whole
    hash: Hash
    at: Moment


class PauseNow(Answer):
    """Whether everything stands still."""

    number: Whole
    """Pauses so far; a vote for the next is on the number after."""
    until: MomentOrNone
    """A time that is over where nothing is paused."""


class Consortium(Answer):
    """Which consortium this is."""

    name: str
    identity: str
    """CAIP-10: chain and contract `Members`. No other consortium has it."""
    chain_id: Whole
    contracts: dict[str, AccountText]
    head: Block
    """The block from which on everything was read: it is at least as new."""
    pause: PauseNow
    members: int
    datasets: int
    studies: int
    permits: int


class RuleNow(Answer):
    """A number that the members can change."""

    number: int
    name: str
    setting: Whole


class RuleChange(Answer):
    """A vote of the members on the consortium itself."""

    number: Whole
    kind: str
    subject: Bytes
    """The rule's number as 32 bytes, or the dataset whose patients' pool is drawn on."""
    account: AccountText
    implementation: AccountText
    amount: Whole
    note_hash: Hash
    supporters: list[AccountText]
    proposed_at: Moment
    open_until: MomentOrNone
    carried_at: MomentOrNone
    enactable_at: MomentOrNone
    enacted: bool


class RuleChanges(lists.Page[RuleChange]):
    """Votes on the consortium's rules, in order."""


def pause_now(snapshot: Snapshot) -> PauseNow:
    """The newest pause."""
    return PauseNow(number=snapshot.pause.number, until=snapshot.pause.until)


@router.get("/consortium")
async def read_consortium(visitor: routing.AReader, snapshot: routing.Now) -> Consortium:
    """Which consortium this is, and up to which block this service has read it."""
    head = snapshot.head
    return Consortium(
        name=snapshot.name,
        identity=snapshot.identity,
        chain_id=snapshot.chain_id,
        contracts=dict(snapshot.addresses),
        head=Block(number=head.number, hash=head.hash, at=head.timestamp),
        pause=pause_now(snapshot),
        members=sum(snapshot.member(each) is not None for each in snapshot.members),
        datasets=len(snapshot.datasets),
        studies=len(snapshot.studies),
        permits=len(snapshot.permits),
    )


@router.get("/rules")
async def list_rules(visitor: routing.AReader, snapshot: routing.Tagged) -> list[RuleNow]:
    """All rules as they are."""
    return [RuleNow(number=int(rule), name=rule.name, setting=value) for rule, value in snapshot.rules.items()]


@router.get("/rules/proposals")
async def list_rule_proposals(
    visitor: routing.AReader, snapshot: routing.Tagged, after: lists.After = None, limit: lists.Limit = 50
) -> RuleChanges:
    """Votes on rules, on the contracts' code, and on redemptions."""
    found, total, next_ = lists.cut(snapshot.rule_proposals.values(), lambda each: int(each.id), after, limit)
    return RuleChanges(items=[_change(each) for each in found], total=total, next=next_)


@router.get("/rules/proposals/{number}")
async def read_rule_proposal(
    visitor: routing.AReader, snapshot: routing.Tagged, number: Annotated[int, Path(ge=1, le=EXACT_MOST)]
) -> RuleChange:
    """One such vote."""
    found = snapshot.rule_proposals.get(number)
    if found is None:
        raise NotFound(f"There is no proposal {number} on rules.")
    return _change(found)


@router.get("/pause")
async def read_pause(visitor: routing.AReader, snapshot: routing.Tagged) -> PauseNow:
    """Whether everything stands still."""
    return pause_now(snapshot)


def _change(found: RuleProposal) -> RuleChange:
    return RuleChange(
        number=found.id,
        kind=lower_name(found.kind),
        subject=found.subject,
        account=found.account,
        implementation=found.implementation,
        amount=found.amount,
        note_hash=found.note_hash,
        supporters=list(found.supporters),
        proposed_at=found.proposed_at,
        open_until=found.open_until,
        carried_at=found.carried_at,
        enactable_at=found.enactable_at,
        enacted=found.enacted,
    )
