"""What documents there should be of a study: every hash that the chain has of it, as which kind, and who said it.

1. Application: protocol, configuration, code. Releases of its permit: model card, evidence. Both are in the snapshot.
2. Acts that give a reason, or set conditions, are events: the index has them under the study's number, which is the
   permit's as well. What concerns the consortium as a whole is under ``CONSORTIUM``.
3. A hash of zeros says that there is nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from belmont.audit.events import IndexedEvent
from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import ZERO_HASH, Address
from belmont.service.documents.kinds import Kind
from belmont.service.state.snapshot import Snapshot

CONSORTIUM: Final = 0
"""In place of a study's number."""
ACTS: Final = ("VoteCast", "Recused", "PermitFrozen", "RevocationSupported", "ReleaseObjected")
ACTS_OF_ALL: Final = ("PauseSupported",)
PAGE: Final = 500


@dataclass(frozen=True)
class Expected:
    """One hash on chain."""

    kind: Kind
    hash: bytes
    said_in: str
    """``application``, ``release``, or the name of the event."""
    actor: Address
    at: int
    """Unix seconds."""


def expected_of(snapshot: Snapshot, number: int, events: Iterable[IndexedEvent]) -> tuple[Expected, ...]:
    """In the order in which it was said; empty for a study that the chain does not have."""
    return (*_applied(snapshot, number), *_said(events), *_released(snapshot, number))


def acts_of(index: EventIndex, number: int) -> Iterator[IndexedEvent]:
    """The events that can have reasons or conditions, in order (2)."""
    names, study = (ACTS_OF_ALL, None) if number == CONSORTIUM else (ACTS, number)
    before = None
    while True:
        page = index.search(EventQuery(names=names, study=study, before=before, limit=PAGE, ascending=True))
        yield from page.events
        before = page.next
        if before is None:
            return


def _applied(snapshot: Snapshot, number: int) -> Iterator[Expected]:
    study = snapshot.studies.get(number)
    if study is None:
        return
    terms = study.terms
    for kind, hashed in (
        (Kind.PROTOCOL, terms.protocol_hash),
        (Kind.CONFIGURATION, terms.config_hash),
        (Kind.CODE, terms.code_hash),
    ):
        yield Expected(kind, hashed, "application", study.data_user, study.proposed_at)


def _said(events: Iterable[IndexedEvent]) -> Iterator[Expected]:
    for event in events:
        for kind, name in ((Kind.REASON, "reason_hash"), (Kind.CONDITIONS, "conditions_hash")):
            hashed = event.details.get(name, ZERO_HASH)
            if hashed != ZERO_HASH:  # 3
                yield Expected(kind, hashed, event.name, event.actor, event.timestamp)


def _released(snapshot: Snapshot, number: int) -> Iterator[Expected]:
    for release in snapshot.releases:
        if release.permit_id == number:
            for kind, hashed in ((Kind.MODEL_CARD, release.card_hash), (Kind.EVIDENCE, release.evidence_hash)):
                yield Expected(kind, hashed, "release", release.data_user, release.announced_at)
