"""What one secure sum is bound to. Everything derived, sealed, committed to or masked is derived from all of it.

1. **One encoding.** Every field has a fixed or stated length, so no two contexts have the same bytes.
2. **Any change gives unrelated secrets**, of round, permit, consortium, participants, their order, threshold or label.
3. **A context that protects nobody is refused**: fewer than three participants, one named twice, a threshold that is
   not above half of them or is more than all.

With threshold t, an opened sum has at least t summands, so a coalition of coordinator and c hospitals cannot have
fewer than t - c honest ones in it: ``most_colluders`` is t - 2. Half is exceeded so that two disjoint sets of
hospitals cannot release for two different sets of summands (Bonawitz et al., CCS 2017, section 6.2).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from belmont.federated.errors import SecAggError
from belmont.registry.types import DatasetId, PermitId

PARTICIPANTS_MIN = 3
SECRET_BYTES = 32
_LABEL = b"belmont/secagg/1"


def default_threshold(participants: int) -> int:
    """All but one, and never two: of two, each could subtract its own summand (as in queries, ADR 23)."""
    return max(PARTICIPANTS_MIN, participants - 1)


@dataclass(frozen=True)
class Context:
    """One sum. Raises SecAggError for a context that protects nobody (3)."""

    consortium: str
    """The registry's ``identity``; a name would not do, since two consortia can have one."""
    permit_id: PermitId
    n: int
    """The round."""
    participants: tuple[DatasetId, ...]
    """In the order of the round's participants hash on chain; a position is an index into this."""
    threshold: int
    """How many must be recorded, and how many must release, before a sum can be opened."""
    label: bytes = b""
    """What is summed, where one round has several sums or the caller binds more (as the model's hash)."""

    def __post_init__(self) -> None:
        count = len(self.participants)
        if count < PARTICIPANTS_MIN:
            raise SecAggError(f"secure aggregation needs {PARTICIPANTS_MIN} participants: {count} hide nobody")
        if any(len(each) != 32 for each in self.participants) or len(set(self.participants)) != count:
            raise SecAggError("every participant is a dataset id of 32 bytes, named once")
        if not 2 <= self.threshold <= count or 2 * self.threshold <= count:
            raise SecAggError(f"the threshold {self.threshold} is not above half of {count} participants, or above all")
        if not (0 <= self.permit_id < 2**256 and 0 <= self.n < 2**256):
            raise SecAggError("permit id and round have at most 256 bits")

    @property
    def most_colluders(self) -> int:
        """How many hospitals may collude with the coordinator, and every opened sum still has two honest summands."""
        return self.threshold - 2

    def position(self, dataset_id: DatasetId) -> int:
        """Where a dataset stands. Raises SecAggError if it takes no part."""
        try:
            return self.participants.index(dataset_id)
        except ValueError:
            raise SecAggError(f"dataset {dataset_id.hex()[:12]} is no participant of this round") from None

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that stand for the whole context (1)."""
        name = self.consortium.encode()
        parts = (
            _sized(_LABEL),
            _sized(name),
            self.permit_id.to_bytes(32),
            self.n.to_bytes(32),
            len(self.participants).to_bytes(4),
            *self.participants,
            self.threshold.to_bytes(4),
            _sized(self.label),
        )
        return hashlib.sha256(b"".join(parts)).digest()

    def info(self, purpose: bytes, *numbers: int, tail: bytes = b"") -> bytes:
        """HKDF's info or a hash's prefix for one purpose; a purpose always has the same count of numbers."""
        full = b"belmont/secagg-" + purpose + b"/1"
        return b"".join((len(full).to_bytes(1), full, self.digest, *(each.to_bytes(4) for each in numbers), tail))

    def hash(self, purpose: bytes, *numbers: int, tail: bytes = b"") -> bytes:
        """SHA-256 of ``info``."""
        return hashlib.sha256(self.info(purpose, *numbers, tail=tail)).digest()

    def derive(self, secret: bytes, purpose: bytes, *numbers: int, tail: bytes = b"", length: int = 32) -> bytes:
        """HKDF-SHA256 of a secret for one purpose in this context (2)."""
        info = self.info(purpose, *numbers, tail=tail)
        return HKDF(hashes.SHA256(), length, salt=None, info=info).derive(secret)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data
