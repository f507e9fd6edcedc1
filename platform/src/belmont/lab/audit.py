"""The audit trail as a table: every event of the consortium's contracts, in the chain's order."""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from belmont.federated.errors import QueryError
from belmont.federated.query.question import Query
from belmont.registry.types import ZERO_HASH, AuditEvent, Role, UseKind

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["block", "time", "what", "who", "details", "contract", "transaction"]


DUO_NAMES = {
    4: "NRES", 6: "HMB", 7: "DS", 11: "POA", 12: "RS", 15: "NMDS", 16: "GSO", 18: "NPUNCU", 19: "PUB", 20: "COL",
    21: "IRB", 22: "GS", 24: "MOR", 25: "TS", 26: "US", 27: "PS", 28: "IS", 29: "RTN", 42: "GRU", 43: "CC", 44: "NPOA",
    45: "NPU", 46: "NCU",
}  # fmt: skip
"""GA4GH Data Use Ontology: short names of the permissions and modifiers, by their number."""

_TIMES = {"until", "expires_at", "retention_until", "objections_until"}
_ACCOUNTS_SHOWN = 10


def spoken(name: str, value: object, names: Mapping[object, str]) -> str:
    """One field of an event as people read it: codes by name, times as times, everything else by ``readable``."""
    if name == "roles" and isinstance(value, int):
        return " and ".join(str(role.name).replace("_", " ").lower() for role in Role(value))
    if name == "kind" and isinstance(value, int):
        return UseKind(value).name.lower()
    if name in ("duo_terms", "purpose", "abstained") and isinstance(value, int):
        bits = [bit for bit in range(64) if value >> bit & 1]
        return " ".join(DUO_NAMES.get(bit, f"DUO:{bit:07d}") for bit in bits)
    if name == "question" and isinstance(value, bytes):
        return spoken_question(value)
    if name in _TIMES and isinstance(value, int):
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(value))
    return readable(value, names)


def spoken_question(canonical: bytes) -> str:
    """What a published total is the answer to. A stranger's text is shown as far as it can be printed."""
    try:
        query = Query.from_canonical(canonical)
        text = f"{query.aggregate}({query.column or ''})"
    except QueryError:
        text = canonical.decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def readable(value: object, names: Mapping[object, str]) -> str:
    """A value of an event as people read it: an account or dataset by name, a hash by its first bytes.

    What is known by its hash, such as conditions whose text is here, is told in words.
    """
    if value == ZERO_HASH:
        return "none"
    if isinstance(value, bytes):
        return names.get(value, "0x" + value.hex()[:12] + "…")
    if isinstance(value, (list, tuple)):
        return ", ".join(readable(item, names) for item in value)
    if isinstance(value, str) and value not in names and value.startswith("0x") and len(value) == 42:
        return value[:_ACCOUNTS_SHOWN] + "…"
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
            ", ".join(f"{name} {spoken(name, value, names)}" for name, value in event.details.items()),
            event.contract,
            "0x" + event.transaction.hex(),
        )
        for event in events
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
