"""Reading of the chain's database, by any thread. What is not what was written is not given out.

1. Every row is compared with its checksum (`belmont.chain.rows`) and with what was asked for.
2. Lists are compared with the numbers that belong to them: a block's transactions and logs, a transaction's logs.
3. Nodes of the state and code are compared with their Keccak hash when they come from the disk.
4. A hash that may be stored and is not found is looked for once more without the index (`belmont.chain.witness`).
5. What fails is `ChainDamaged`; `damage` keeps the first one's reason, and then nothing is written any more.
"""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from eth.vm.interrupt import EVMMissingData
from eth_utils.crypto import keccak
from trie.exceptions import MissingTraversalNode, MissingTrieNode

from belmont.chain.errors import ChainDamaged
from belmont.chain.rows import (
    BLOCK_COLUMNS,
    LOG_COLUMNS,
    TRANSACTION_COLUMNS,
    BlockRow,
    LogRow,
    TransactionRow,
    checksum,
)
from belmont.chain.witness import HeadMark, KnownHashes

FORMAT_VERSION: Final = "2"
CACHED_NODES_MAX: Final = 200_000
SQLITE_ERROR: Final = 1
"""Of our own statements, which are always the same: a table or column has another name than it had."""
SQLITE_IOERR: Final = 10
SQLITE_CORRUPT: Final = 11
SQLITE_NOTADB: Final = 26
UNREADABLE: Final = frozenset({SQLITE_ERROR, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB})
STATE_MISSING: Final = (MissingTrieNode, MissingTraversalNode, EVMMissingData)

Row = TypeVar("Row", BlockRow, TransactionRow, LogRow)


class CheckedReads(ABC):
    """The reading half of `belmont.chain.store.Store`."""

    path: Path
    mark: HeadMark
    damage: str

    def __init__(self) -> None:
        self.damage = ""
        self.node_cache: dict[bytes, bytes] = {}
        self._known = KnownHashes()

    @property
    @abstractmethod
    def reader(self) -> sqlite3.Connection:
        """This thread's own reading connection; it sees committed blocks only."""

    # -- opening --

    def meta(self) -> dict[str, str]:
        """The facts fixed when the directory was created; empty for a new one."""
        rows = self._all("select key, value from meta")
        if not all(isinstance(each, str) for row in rows for each in row):
            raise self.damaged("the facts of its creation are no text")
        values: dict[str, str] = dict(rows)
        found = values.pop("checksum", None)
        if values.get("format") == FORMAT_VERSION and found != meta_checksum(values):
            raise self.damaged("the facts of its creation are not what was written")
        if not values and (self.mark.read() is not None or self._one("select 1 from blocks limit 1")):
            raise self.damaged("it holds no facts of its creation, although a chain was here")
        return values

    def check(self) -> BlockRow:
        """The last block, once the file is known to hold together. Raises `ChainDamaged`.

        SQLite's own check finds damaged pages, and rows and indexes that disagree. The last block is compared whole.
        """
        (result,) = self._one("pragma integrity_check(1)")
        if result != "ok":
            raise self.damaged(f"SQLite's integrity check says: {result}")
        self._learn_hashes()
        number = self._one("select max(number) from blocks")[0]
        if number is None:
            raise self.damaged("it holds no genesis block")
        head = self.needed_block(number)
        marked = self.mark.read()
        if marked is not None and (marked[0] > number or self.needed_block(marked[0]).hash != marked[1]):
            raise self.damaged(
                f"block {marked[0]} ({marked[1].hex()[:16]}...) was acknowledged, and the file ends at block {number} "
                "without it. Where an older copy was put back on purpose, delete the file chain.head"
            )
        self.transactions(head)
        self.logs(head)
        return head

    def _learn_hashes(self) -> None:
        for table in ("blocks", "transactions"):
            for (key,) in self._all(f"select hash from {table}"):
                self._known.add(key)

    # -- reading: any thread --

    def block(self, number: int) -> BlockRow | None:
        """A block by its number."""
        found = self._one(f"select {BLOCK_COLUMNS} from blocks where number=?", number)
        return None if found is None else self._checked(BlockRow, found, "number", number)

    def needed_block(self, number: int) -> BlockRow:
        """A block that must be there."""
        row = self.block(number)
        if row is None:
            raise self.damaged(f"block {number} is missing")
        return row

    def block_by_hash(self, key: bytes) -> BlockRow | None:
        """A block by its hash."""
        found = self._by_hash("blocks", BLOCK_COLUMNS, key)
        return None if found is None else self._checked(BlockRow, found, "hash", key)

    def transaction_by_hash(self, key: bytes) -> TransactionRow | None:
        """An included transaction by its hash."""
        found = self._by_hash("transactions", TRANSACTION_COLUMNS, key)
        return None if found is None else self._checked(TransactionRow, found, "hash", key)

    def has_transaction(self, key: bytes) -> bool:
        """Whether it is included."""
        return self._known.may_hold(key) and self.transaction_by_hash(key) is not None

    def transactions(self, block: BlockRow) -> list[TransactionRow]:
        """All of a block, in order."""
        if not block.transactions:
            return []
        query = f"select {TRANSACTION_COLUMNS} from transactions where block=? order by position"
        rows = [self._checked(TransactionRow, found, "block", block.number) for found in self._all(query, block.number)]
        if [row.position for row in rows] != list(range(block.transactions)):
            raise self.damaged(f"transactions of block {block.number} are missing")
        return rows

    def logs(self, block: BlockRow) -> list[LogRow]:
        """All logs of a block, in order."""
        if not block.logs:
            return []
        query = f"select {LOG_COLUMNS} from logs where block=? order by position"
        rows = [self._checked(LogRow, found, "block", block.number) for found in self._all(query, block.number)]
        if [row.position for row in rows] != list(range(block.logs)):
            raise self.damaged(f"logs of block {block.number} are missing")
        return rows

    def logs_of(self, transaction: TransactionRow) -> list[LogRow]:
        """All logs of a transaction, in order."""
        if not transaction.logs:
            return []
        query = f"select {LOG_COLUMNS} from logs where block=? and transaction_position=? order by position"
        found = self._all(query, transaction.block, transaction.position)
        rows = [self._checked(LogRow, each, "block", transaction.block) for each in found]
        if len(rows) != transaction.logs or any(row.transaction_position != transaction.position for row in rows):
            raise self.damaged(f"logs of transaction 0x{transaction.hash.hex()} are missing")
        return rows

    def node(self, key: bytes) -> bytes | None:
        """A committed trie node or contract code by its hash; None when there is none."""
        cached = self.node_cache.get(key)
        if cached is not None:
            return cached
        row = self._one("select value from nodes where hash=?", key)
        if row is None:
            return None
        value: bytes = row[0]
        if not isinstance(value, bytes) or keccak(value) != key:
            raise self.damaged(f"the node 0x{key.hex()} of the state is not what was written")
        if len(self.node_cache) >= CACHED_NODES_MAX:
            self.node_cache.clear()
        self.node_cache[key] = value
        return value

    @contextlib.contextmanager
    def state_is_whole(self) -> Iterator[None]:
        """Turns py-evm's and py-trie's missing nodes into `ChainDamaged`: every state since genesis is kept."""
        try:
            yield
        except STATE_MISSING as error:
            raise self.damaged(f"a part of the state is missing: {error}") from error

    def has_node(self, key: bytes) -> bool:
        """Whether a trie node or code is committed."""
        return key in self.node_cache or self._one("select 1 from nodes where hash=?", key) is not None

    def _one(self, query: str, *arguments: object) -> Any:
        with self.damage_is_told(UNREADABLE):
            return self.reader.execute(query, arguments).fetchone()

    def _all(self, query: str, *arguments: object) -> list[Any]:
        with self.damage_is_told(UNREADABLE):
            return self.reader.execute(query, arguments).fetchall()

    def _by_hash(self, table: str, columns: str, key: bytes) -> Any:
        found = self._one(f"select {columns} from {table} where hash=?", key)
        if found is not None or not self._known.may_hold(key):
            return found
        if self._one(f"select 1 from {table} not indexed where hash=?", key) is not None:
            raise self.damaged(f"the index of {table} has lost 0x{key.hex()}")
        return None

    def _checked(self, kind: type[Row], found: Any, name: str, asked: object) -> Row:
        """The row, which has to be the one that was asked for."""
        try:
            row = kind.read(found)
        except ChainDamaged as error:
            raise self.damaged(str(error)) from error
        if getattr(row, name) != asked:
            raise self.damaged(f"a row was found under {name} {asked!r} where it does not belong")
        return row

    @contextlib.contextmanager
    def damage_is_told(self, codes: frozenset[int] = frozenset({SQLITE_CORRUPT})) -> Iterator[None]:
        """Turns what SQLite says of a damaged file into `ChainDamaged`."""
        try:
            yield
        except UnicodeDecodeError as error:  # SQLite's message quotes a damaged name
            raise self.damaged(f"a name in it is no text: {error}") from error
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)
            undecodable = str(error).startswith("Could not decode to UTF-8")  # said by Python's module, without a code
            if undecodable or (code is not None and code & 0xFF in codes):
                raise self.damaged(str(error)) from error
            raise

    def damaged(self, what: str) -> ChainDamaged:
        """The error, which is also kept: whatever comes later is no longer to be trusted."""
        self.damage = self.damage or f"{self.path} is damaged: {what}"
        return ChainDamaged(self.damage)


def meta_checksum(values: dict[str, str]) -> str:
    """Over the facts fixed when the directory was created."""
    return checksum([part for pair in sorted(values.items()) for part in pair]).hex()
