"""Events of the contract Credits as lines of a statement."""

from belmont.registry.credits.protocol import Entry
from belmont.registry.types import ZERO_HASH, AuditEvent, DatasetId


def entry(event: AuditEvent) -> Entry:
    """A line of a statement, from ``Credited`` or ``Redeemed``."""
    fields = event.details
    return Entry(
        block=event.block,
        timestamp=event.timestamp,
        account=event.actor,
        dataset_id=DatasetId(fields["dataset"]),
        to_holder=fields.get("to_holder", 0),
        to_patients=fields.get("to_patients", 0),
        redeemed=fields.get("amount", 0),
        note_hash=fields.get("note_hash", ZERO_HASH),
    )
