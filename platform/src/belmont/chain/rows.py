"""The rows of the chain's database, each with a checksum over all of it.

SQLite keeps no checksums of its pages: a byte that a disk changes is read as if it had been written. So each row
carries a BLAKE2b-128 over every column and the column's type, made when it is written and compared whenever it is read.
It finds damage, not forgery: who can write the file can write the checksum. `belmont chain audit` finds forgeries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from belmont.chain.errors import ChainDamaged

CHECKSUM_BYTES: Final = 16
ADDRESS_BYTES: Final = 20
NO_BLOCK: Final = -1
"""Stands for "no earlier block with logs"."""

BLOCK_COLUMNS: Final = "number, hash, header, size, transactions, logs, logs_before, emitters, checksum"
TRANSACTION_COLUMNS: Final = "hash, block, position, raw, document, receipt, logs, checksum"
LOG_COLUMNS: Final = (
    "block, position, transaction_position, address, topic0, topic1, topic2, topic3, document, checksum"
)


@dataclass(frozen=True)
class BlockRow:
    """One block: RLP header, RLP size in bytes, numbers of transactions and of logs.

    `logs_before` is the last block before it that has logs, and `emitters` are the distinct addresses that its own logs
    come from, one after the other: with both, every log of an address is found without trusting an index.
    """

    number: int
    hash: bytes
    header: bytes
    size: int
    transactions: int
    logs: int = 0
    logs_before: int = NO_BLOCK
    emitters: bytes = b""

    def values(self) -> tuple[Any, ...]:
        """The columns, with the checksum."""
        return sealed(
            (
                self.number,
                self.hash,
                self.header,
                self.size,
                self.transactions,
                self.logs,
                self.logs_before,
                self.emitters,
            )
        )

    @classmethod
    def read(cls, values: Sequence[Any]) -> BlockRow:
        """From `BLOCK_COLUMNS`. Raises `ChainDamaged`."""
        return cls(*unsealed(values, "block"))


@dataclass(frozen=True)
class TransactionRow:
    """One included transaction: its raw bytes, its JSON documents without logs, and how many logs it has."""

    hash: bytes
    block: int
    position: int
    raw: bytes
    document: str
    receipt: str
    logs: int

    def values(self) -> tuple[Any, ...]:
        """The columns, with the checksum."""
        return sealed((self.hash, self.block, self.position, self.raw, self.document, self.receipt, self.logs))

    @classmethod
    def read(cls, values: Sequence[Any]) -> TransactionRow:
        """From `TRANSACTION_COLUMNS`. Raises `ChainDamaged`."""
        return cls(*unsealed(values, "transaction"))


@dataclass(frozen=True)
class LogRow:
    """One log: position in the block, position of its transaction, what it is found by, and its JSON document."""

    block: int
    position: int
    transaction_position: int
    address: bytes
    topics: tuple[bytes, ...]
    document: str

    def values(self) -> tuple[Any, ...]:
        """The columns, with the checksum."""
        topics = self.topics + (None,) * (4 - len(self.topics))
        return sealed((self.block, self.position, self.transaction_position, self.address, *topics, self.document))

    @classmethod
    def read(cls, values: Sequence[Any]) -> LogRow:
        """From `LOG_COLUMNS`. Raises `ChainDamaged`."""
        block, position, transaction, address, *topics, document = unsealed(values, "log")
        return cls(block, position, transaction, address, tuple(t for t in topics if t is not None), document)


def checksum(values: Sequence[Any]) -> bytes:
    """BLAKE2b-128 over columns of numbers, text, bytes and null; their types and lengths are part of it."""
    digest = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
    for value in values:
        if isinstance(value, bytes):
            kind, encoded = b"b", value
        elif isinstance(value, str):
            kind, encoded = b"s", value.encode()
        elif value is None:
            kind, encoded = b"n", b""
        else:
            kind, encoded = b"i", repr(value).encode()
        digest.update(b"%c%d:" % (kind, len(encoded)))
        digest.update(encoded)
    return digest.digest()


def sealed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The columns and their checksum."""
    return (*values, checksum(values))


def unsealed(values: Sequence[Any], kind: str) -> Sequence[Any]:
    """The columns without the checksum, compared with it. Raises `ChainDamaged`."""
    columns, found = values[:-1], values[-1]
    if checksum(columns) != found:
        raise ChainDamaged(f"the row of a {kind} is not what was written (its checksum differs)")
    return columns
