"""Votes and recusals on a study, with the texts that came with them, for the pages that show them."""

from __future__ import annotations

from dataclasses import dataclass

from belmont.audit.search import EventQuery
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.errors import IdentityError
from belmont.registry.types import ZERO_HASH, Address
from belmont.service.documents.kinds import Kind
from belmont.service.service import Service

MOST = 500


@dataclass(frozen=True)
class Cast:
    """A vote or a recusal as people read it."""

    voter: Address
    kind: str
    """approve, conditions, refuse, recused."""
    at: int
    reason_hash: bytes
    reason: str | None
    """None where its text is not here."""
    conditions_hash: bytes
    conditions: tuple[str, ...] | None
    counts: bool
    """Whether its voter is still on the board."""


def cast(service: Service, study: int) -> list[Cast]:
    """Every vote and recusal on a study, in order."""
    page = service.index.search(EventQuery(study=study, names=("VoteCast", "Recused"), ascending=True, limit=MOST))
    return [
        Cast(
            voter=event.actor,
            kind=_kind(event.name, event.details),
            at=event.timestamp,
            reason_hash=event.details["reason_hash"],
            reason=_reason(service, event.details["reason_hash"]),
            conditions_hash=event.details.get("conditions_hash", ZERO_HASH),
            conditions=_conditions(service, event.details.get("conditions_hash", ZERO_HASH)),
            counts=service.snapshot.member(event.actor) is not None,
        )
        for event in page.events
    ]


def _kind(name: str, details: dict[str, object]) -> str:
    if name == "Recused":
        return "recused"
    if not details["approve"]:
        return "refuse"
    return "approve" if details.get("conditions_hash", ZERO_HASH) == ZERO_HASH else "conditions"


def _reason(service: Service, hashed: bytes) -> str | None:
    return service.documents.text(Kind.REASON, hashed) if hashed != ZERO_HASH else None


def _conditions(service: Service, hashed: bytes) -> tuple[str, ...] | None:
    content = service.documents.find(Kind.CONDITIONS, hashed) if hashed != ZERO_HASH else None
    if content is None:
        return None
    try:
        return ApprovalConditions.parse(content).texts
    except IdentityError:
        return None
