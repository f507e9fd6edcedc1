"""Numbers about consents: how many statements of patients there were, and never whose."""

from __future__ import annotations

from dataclasses import dataclass

from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import DatasetId


@dataclass(frozen=True)
class ConsentCounts:
    """Of one dataset, over all time."""

    batches: int
    """Batches that its hospital published: consents on paper, attested by the hospital."""
    attested: int
    """Consents in the newest batch."""
    enrolled: int
    """Patients who have a key of their own."""
    granted: int
    """Statements by which they consented."""
    revoked: int
    """Statements by which they took consent back."""


def counts(index: EventIndex, dataset_id: DatasetId) -> ConsentCounts:
    """Counted in the event index."""

    def total(name: str) -> int:
        return index.search(EventQuery(names=(name,), dataset=dataset_id, limit=1)).total

    newest = index.search(EventQuery(names=("BatchPublished",), dataset=dataset_id, limit=1))
    return ConsentCounts(
        batches=newest.total,
        attested=int(newest.events[0].details["count"]) if newest.events else 0,
        enrolled=total("PatientEnrolled"),
        granted=total("ConsentGranted"),
        revoked=total("ConsentRevoked"),
    )
