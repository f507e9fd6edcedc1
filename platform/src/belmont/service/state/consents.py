"""How many statements of patients a dataset has, and never whose: counted in the event index."""

from dataclasses import dataclass

from belmont.audit.index import EventIndex
from belmont.audit.search import EventQuery
from belmont.registry.types import DatasetId


@dataclass(frozen=True)
class ConsentCounts:
    """Of one dataset, over all time."""

    batches: int
    """Batches that its hospital published."""
    attested: int
    """Leaves of the newest batch: consents that the hospital attests, and accounts."""
    newest_batch_at: int | None
    """Unix seconds."""
    enrolled: int
    """Patients who have a key of their own."""
    granted: int
    """Statements by which they consented."""
    revoked: int
    """Statements by which they took consent back."""


def counts(index: EventIndex, dataset_id: DatasetId) -> ConsentCounts:
    """Raises AuditError."""

    def total(name: str) -> int:
        return index.search(EventQuery(names=(name,), dataset=dataset_id, limit=1)).total

    batches = index.search(EventQuery(names=("BatchPublished",), dataset=dataset_id, limit=1))
    newest = batches.events[0] if batches.events else None
    return ConsentCounts(
        batches=batches.total,
        attested=int(newest.details["count"]) if newest else 0,
        newest_batch_at=newest.timestamp if newest else None,
        enrolled=total("PatientEnrolled"),
        granted=total("ConsentGranted"),
        revoked=total("ConsentRevoked"),
    )
