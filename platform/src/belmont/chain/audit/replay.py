"""Compares a stored chain with what the specification makes of its transactions, and stops at the first difference.

For each block, in this order:

1. It is there, its header is RLP, and hashes to the hash it is stored under.
2. The header follows its parent by the specification's rules.
3. Its transactions hash to the hashes they are stored under, and to the header's transactions root.
4. Executed in the specification, they give the header's gas, receipts root, bloom, state root, and its other fields.
5. The stored documents of transactions, receipts and logs say what the specification says, and are listed whole.
6. Its state is stored whole: every node is there and hashes to its name.
7. The checksums of its rows fit (`belmont.chain.rows`).

In the end no block that was acknowledged is missing (`chain.head`), nothing is stored for a block that does not exist,
and no stored node is altered.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ethereum.crypto.hash import keccak256
from ethereum.forks.prague.blocks import Header
from ethereum.forks.prague.trie import Trie, root, trie_set
from ethereum_rlp import rlp
from ethereum_rlp.exceptions import RLPException
from ethereum_types.bytes import Bytes
from ethereum_types.numeric import Uint

from belmont.chain.audit.documents import Expected, expected
from belmont.chain.audit.nodes import BadNode, StateWalk
from belmont.chain.audit.source import ChainDirectory, StoredBlock
from belmont.chain.audit.specification import LEGACY_FROM, Impossible, Specification
from belmont.chain.errors import ChainDirectoryError
from belmont.chain.rows import NO_BLOCK
from belmont.identity.strict_json import loads

SHOWN_CHARACTERS: Final = 80


@dataclass(eq=False)
class Divergence(Exception):
    """Where the stored chain first differs, and in what; `transaction` is a position in the block, when it is one's."""

    block: int
    transaction: int | None
    what: str
    stored: str = ""
    specified: str = ""

    def __str__(self) -> str:
        place = f"block {self.block}" + ("" if self.transaction is None else f", transaction {self.transaction}")
        values = f": stored {self.stored}, specified {self.specified}" if self.stored or self.specified else ""
        return f"{place}: {self.what}{values}"


@dataclass
class Report:
    """What was audited. `head` is the hash of the last block that was; `divergence` is the first one, or None."""

    chain_id: int
    last: int
    blocks: int = 0
    transactions: int = 0
    logs: int = 0
    nodes: int = 0
    seconds: float = 0.0
    slowest_block: int = 0
    slowest_seconds: float = 0.0
    head: str = ""
    divergence: Divergence | None = None
    relaxed: tuple[str, ...] = field(default_factory=tuple)
    delegated: tuple[str, ...] = field(default_factory=tuple)


def audit(
    source: ChainDirectory, first: int = 0, last: int | None = None, progress: Callable[[int], None] | None = None
) -> Report:
    """Compare the blocks from `first` to `last`. Those before are executed too, as the state comes from them; of them,
    only what follows from execution is compared.
    """
    report = Report(source.chain_id, source.last if last is None else min(last, source.last))
    began = time.monotonic()
    try:
        Replay(source, report, first).run(progress or (lambda number: None))
    except Divergence as divergence:
        report.divergence = divergence
    report.seconds = round(time.monotonic() - began, 2)
    if not source.unchanged:
        raise ChainDirectoryError("a server began to write to this chain while it was audited as stopped: audit again")
    return report


class Replay:
    """One pass over a chain."""

    def __init__(self, source: ChainDirectory, report: Report, first: int) -> None:
        self._source = source
        self._report = report
        self._first = first
        self._walk = StateWalk(source)
        self._last_logs = NO_BLOCK

    def run(self, progress: Callable[[int], None]) -> None:
        """All blocks in order. Raises `Divergence`."""
        report, number = self._report, 0
        try:
            stored, header = self._read(0)
            specification = Specification(report.chain_id, int(header.timestamp))
            names = [each.name for each in dataclasses.fields(specification.genesis)]
            _same_fields(0, header, {name: getattr(specification.genesis, name) for name in names})
            self._check_transactions(stored, header)
            self._compare_rest(stored, header, [])
            progress(0)
            for number in range(1, report.last + 1):
                began = time.monotonic()
                self._one(specification, number)
                seconds = time.monotonic() - began
                if seconds > report.slowest_seconds:
                    report.slowest_seconds, report.slowest_block = round(seconds, 3), number
                progress(number)
            number = report.last
            self._end()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise Divergence(number, None, f"the database cannot be read: {error}") from error

    def _one(self, specification: Specification, number: int) -> None:
        stored, header = self._read(number)
        raws = [row.raw for row in stored.transactions]
        try:
            specification.check_header(header)
            self._check_transactions(stored, header)
            executed = specification.execute(header, raws)
        except Impossible as error:
            raise Divergence(number, error.transaction, f"the specification refuses it: {error}") from error
        documents = expected(self._report.chain_id, header, stored.row.hash, raws, executed.receipts)
        _same_fields(number, header, executed.fields, _culprit(stored, documents))
        if number < self._first:
            self._last_logs = number if stored.logs else self._last_logs
            return
        for position, (row, specified) in enumerate(zip(stored.transactions, documents, strict=True)):
            logs = [log for log in stored.logs if log.transaction_position == position]
            _same(number, position, "chain id", specified.document["chainId"], hex(self._report.chain_id))
            _same_documents(number, position, row, logs, specified)
        self._compare_rest(stored, header, documents)

    def _read(self, number: int) -> tuple[StoredBlock, Any]:
        """Step 1."""
        stored = self._source.block(number)
        if stored is None:
            raise Divergence(number, None, "the block is missing")
        try:
            header = rlp.decode_to(Header, stored.row.header)
        except (RLPException, TypeError, ValueError) as error:
            raise Divergence(number, None, f"the header is no RLP of a header: {error}") from error
        block_hash = keccak256(rlp.encode(header))
        _same(number, None, "block hash", stored.row.hash, block_hash)
        _same(number, None, "header bytes", stored.row.header, rlp.encode(header))
        return stored, header

    def _check_transactions(self, stored: StoredBlock, header: Any) -> None:
        """Step 3."""
        number = stored.row.number
        _same(number, None, "number of transactions", stored.row.transactions, len(stored.transactions))
        trie: Any = Trie(secured=False, default=None)
        for place, row in enumerate(stored.transactions):
            _same(number, place, "position of the transaction", row.position, place)
            if not isinstance(row.raw, bytes) or not row.raw:
                raise Divergence(number, place, "the raw transaction is empty")
            _same(number, place, "transaction hash", row.hash, keccak256(row.raw))
            trie_set(trie, rlp.encode(Uint(place)), Bytes(row.raw))
        _same(number, None, "header field transactions_root", header.transactions_root, root(trie))

    def _compare_rest(self, stored: StoredBlock, header: Any, documents: list[Expected]) -> None:
        """What of step 5 belongs to the block, and steps 6 and 7."""
        row, number = stored.row, stored.row.number
        logs = [log for each in documents for log in each.logs]
        typed = [rlp.decode(r.raw) if r.raw[0] >= LEGACY_FROM else r.raw for r in stored.transactions]
        _same(number, None, "size", row.size, len(rlp.encode([rlp.decode(row.header), typed, [], []])))
        _same(number, None, "number of logs", (row.logs, len(stored.logs)), (len(logs), len(logs)))
        _same(number, None, "last block with logs before it", row.logs_before, self._last_logs)
        _same(number, None, "addresses of logs", row.emitters, b"".join(sorted({log[0] for log in logs})))
        _same(number, None, "positions of logs", [log.position for log in stored.logs], list(range(len(logs))))
        self._last_logs = number if logs else self._last_logs
        try:
            self._walk.walk(bytes(header.state_root))
        except BadNode as error:
            raise Divergence(number, None, f"its state is not stored whole: {error}") from error
        if stored.broken:
            raise Divergence(number, None, f"checksum of the row of {stored.broken[0]}")
        report = self._report
        if number < self._first:
            return
        report.blocks += 1
        report.transactions += len(stored.transactions)
        report.logs += len(logs)
        report.nodes = self._walk.count
        report.head = "0x" + row.hash.hex()

    def _end(self) -> None:
        source, report = self._source, self._report
        if report.last < source.last:
            return
        if source.mark is not None:
            number, block_hash = source.mark
            marked = source.block(number)
            if marked is None or marked.row.hash != block_hash:
                what = f"block {number} was acknowledged and is missing (chain.head names it)"
                raise Divergence(report.last, None, what)
        stray = source.stray()
        if stray:
            raise Divergence(report.last, None, f"there is a {stray[0]} of block {stray[1]}, which does not exist")
        for key in source.node_keys():
            value = source.node(key)
            if not isinstance(value, bytes) or keccak256(value) != key:
                raise Divergence(report.last, None, f"node 0x{bytes(key).hex()} of a state is altered")


def _same(block: int, transaction: int | None, what: str, stored: Any, specified: Any) -> None:
    if stored != specified:
        raise Divergence(block, transaction, what, _shown(stored), _shown(specified))


def _same_fields(number: int, header: Any, specified: dict[str, Any], culprit: int | None = None) -> None:
    for name, value in specified.items():
        _same(number, culprit, f"header field {name}", getattr(header, name), value)


def _culprit(stored: StoredBlock, documents: list[Expected]) -> int | None:
    """The first transaction that went otherwise when it was sealed, as far as stored receipts tell; else None."""
    for position, (row, specified) in enumerate(zip(stored.transactions, documents, strict=True)):
        try:
            receipt = loads(row.receipt)
            if any(receipt[name] != specified.receipt[name] for name in ("status", "cumulativeGasUsed", "logsBloom")):
                return position
        except (TypeError, ValueError, KeyError):
            return position
    return 0 if len(documents) == 1 else None


def _same_documents(number: int, position: int, row: Any, logs: list[Any], specified: Expected) -> None:
    _same_document(number, position, "transaction", row.document, specified.document)
    _same_document(number, position, "receipt", row.receipt, specified.receipt)
    _same(number, position, "number of logs", (row.logs, len(logs)), (len(specified.logs), len(specified.logs)))
    for place, (log, (address, topics, document)) in enumerate(zip(logs, specified.logs, strict=True)):
        _same_document(number, position, f"log {place}", log.document, document)
        _same(number, position, f"log {place}, column address", log.address, address)
        _same(number, position, f"log {place}, columns of topics", log.topics, topics)


def _same_document(number: int, position: int, what: str, stored: Any, specified: dict[str, Any]) -> None:
    try:
        document = loads(stored)
    except (TypeError, ValueError):
        raise Divergence(number, position, f"the {what} is no JSON") from None
    if not isinstance(document, dict):
        raise Divergence(number, position, f"the {what} is no JSON object")
    for name in sorted({*document, *specified}):
        _same(number, position, f"{what}, {name}", document.get(name), specified.get(name))


def _shown(value: Any) -> str:
    text = "0x" + value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
