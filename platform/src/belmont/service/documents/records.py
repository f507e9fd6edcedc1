"""The record of a secure round proves itself: it is taken if the round opens on this chain, and under no other name."""

import threading
from typing import Final

from belmont.federated.bounded.record import RoundRecord, open_round
from belmont.federated.errors import FederatedError
from belmont.registry.chain_registry import ChainRegistry
from belmont.service.documents.kinds import Kind, refuse_large
from belmont.service.errors import Conflict, Malformed

_one_at_a_time: Final = threading.Lock()
"""Opening a round is work, and whoever is a member may ask for it."""


def round_of(registry: ChainRegistry, study: int, content: bytes) -> int:
    """The number of the round that a record of this study is of. Raises Problem, RegistryError."""
    refuse_large(Kind.ROUND, len(content))
    with _one_at_a_time:
        try:
            record = RoundRecord.from_bytes(content)
        except FederatedError as error:
            raise Malformed(f"{error}.", code="NOT_A_RECORD") from error
        if record.permit_id != study:
            raise Conflict(f"This is of permit {record.permit_id}, not of {study}.", code="OTHER_STUDY")
        try:
            record.secure.decode(open_round(record, registry).total)
        except FederatedError as error:
            raise Conflict(f"The round does not open: {error}.", code="RECORD_REFUSED") from error
    return record.n
