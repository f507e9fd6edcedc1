"""Events as rows. Each has a BLAKE2b-128 over all its columns, compared at every read: a damaged row is not served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from belmont.audit.details import from_json, search_text, to_json
from belmont.audit.errors import IndexDamaged
from belmont.audit.events import BLOCK_MAX, IndexedEvent, Position
from belmont.audit.tables import events
from belmont.registry.event_log import LoggedEvent
from belmont.registry.types import Address

Values = dict[str, Any]


def event_row(logged: LoggedEvent) -> Values:
    """The columns of ``index_events``."""
    event = logged.event
    study = event.details.get("study", event.details.get("permit"))
    dataset = event.details.get("dataset")
    values = {
        "block": event.block,
        "log": logged.log,
        "timestamp": event.timestamp,
        "transaction_hash": event.transaction,
        "contract": event.contract,
        "name": event.name,
        "actor": str(event.actor),
        # of a number that no contract counts to, only the details know
        "study": study if isinstance(study, int) and study <= BLOCK_MAX else None,
        "dataset": dataset if isinstance(dataset, bytes) else None,
        "details": to_json(event.details),
        "search_text": search_text(event.name, event.contract, event.actor, event.transaction, event.details),
    }
    return {**values, "checksum": _checksum(values)}


def indexed_event(row: Row[Any]) -> IndexedEvent:
    """The event in a row. Raises ``IndexDamaged``."""
    values = {column.name: row._mapping[column] for column in events.c}
    checksum = values.pop("checksum")
    try:
        if _checksum(values) != bytes(checksum):
            raise ValueError("its checksum differs")
        return IndexedEvent(
            position=Position(values["block"], values["log"]),
            timestamp=values["timestamp"],
            transaction=bytes(values["transaction_hash"]),
            contract=values["contract"],
            name=values["name"],
            actor=Address(values["actor"]),
            details=from_json(values["details"]),
            study=values["study"],
            dataset=None if values["dataset"] is None else bytes(values["dataset"]),
        )
    except (ValueError, TypeError, AttributeError) as error:
        where = f"{values.get('block')}.{values.get('log')}"
        raise IndexDamaged(
            f"the index's row of event {where} is not what was written ({error}): rebuild it from the chain"
        ) from error


def indexed_events(rows: Sequence[Row[Any]]) -> list[IndexedEvent]:
    """The events in some rows. Raises ``IndexDamaged``."""
    return [indexed_event(row) for row in rows]


def _checksum(values: Values) -> bytes:
    plain = [value.hex() if isinstance(value, bytes | memoryview) else value for _, value in sorted(values.items())]
    return hashlib.blake2b(json.dumps(plain).encode(), digest_size=16).digest()
