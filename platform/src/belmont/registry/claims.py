"""A total as its data user publishes it: what the contract Totals checks it with, and how the contract takes it."""

from dataclasses import dataclass
from typing import Any

from belmont.registry.types import DatasetId, PermitId


@dataclass(frozen=True)
class AskedQuestion:
    """What a query was opened with, in parts from which the contract computes its hash again."""

    text: bytes
    """Canonical JSON."""
    context_hash: bytes
    """SHA-256 of the researcher's public key."""
    layout: bytes
    text_hash: bytes
    """With the layout's hash it makes the dictionary's."""


@dataclass(frozen=True)
class TotalPart:
    """One hospital's column: it belongs under the root of the version that it answered over."""

    version: int
    column_hashes: tuple[bytes, ...]
    """Of all committed columns."""
    commitments: bytes
    """Of all of the column's chunks, 128 bytes each."""


@dataclass(frozen=True)
class TotalClaim:
    """A total of one committed column over all hospitals of a query; ``opening`` is the sum of their openings."""

    permit_id: PermitId
    n: int
    participants: tuple[DatasetId, ...]
    question: AskedQuestion
    column: int
    parts: tuple[TotalPart, ...]
    """In the order of the participants."""
    total: int
    opening: bytes
    """Compressed. The hospitals' masks cancel in it: it says nothing about one of them."""

    def struct(self) -> tuple[Any, ...]:
        """The arguments of ``publish``."""
        asked = self.question
        return (
            self.permit_id,
            self.n,
            list(self.participants),
            (asked.text, asked.context_hash, asked.layout, asked.text_hash),
            self.column,
            [(part.version, list(part.column_hashes), part.commitments) for part in self.parts],
            self.total,
            self.opening,
        )
