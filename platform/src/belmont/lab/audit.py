"""The audit trail as a table: every event of the consortium's contracts, in the chain's order."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from belmont.registry.types import AuditEvent

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["block", "time", "what", "who", "details", "contract", "transaction"]


def readable(value: object, names: Mapping[object, str]) -> str:
    """A value of an event as people read it: a known account or dataset by name, a hash by its first bytes."""
    if isinstance(value, bytes):
        return names.get(value, "0x" + value.hex()[:12] + "…")
    if isinstance(value, (list, tuple)):
        return ", ".join(readable(item, names) for item in value)
    return names.get(value, str(value)) if isinstance(value, str) else str(value)


def audit_frame(events: Iterable[AuditEvent], names: Mapping[object, str]) -> "pd.DataFrame":
    """One row for each event. ``names`` maps addresses and dataset identifiers to what people call them."""
    import pandas as pd

    rows = [
        (
            event.block,
            pd.Timestamp(event.timestamp, unit="s", tz="UTC"),
            event.name,
            readable(event.actor, names),
            ", ".join(f"{name} {readable(value, names)}" for name, value in event.details.items()),
            event.contract,
            "0x" + event.transaction.hex(),
        )
        for event in events
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
