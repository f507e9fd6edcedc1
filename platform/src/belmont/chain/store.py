"""What the embedded chain keeps on disk: one SQLite file in WAL mode with `synchronous=FULL`.

Rules:
1. One writer per directory, held by a file lock (`ChainLocked` for the second one).
2. One block is one SQLite transaction: blocks, transactions, receipts, logs and state-trie nodes appear together or
   not at all. `commit` returns after the WAL has been fsynced.
3. Trie nodes and code are addressed by their Keccak hash and never change or go away, so every state since genesis can
   be opened, and readers need no lock.
4. Each thread reads through its own connection; only the sealing thread writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.db.backends.base import BaseAtomicDB

from belmont.chain.errors import ChainDirectoryError, ChainLocked

FORMAT_VERSION = "1"
CACHED_NODES_MAX = 200_000

SCHEMA = """
create table if not exists meta(key text primary key, value text not null);
create table if not exists nodes(hash blob primary key, value blob not null) without rowid;
create table if not exists blocks(number integer primary key, hash blob not null unique, header blob not null,
    size integer not null, transactions integer not null);
create table if not exists transactions(hash blob not null unique, block integer not null, position integer not null,
    raw blob not null, document text not null, receipt text not null, unique(block, position));
create table if not exists logs(block integer not null, position integer not null,
    transaction_position integer not null, address blob not null,
    topic0 blob, topic1 blob, topic2 blob, topic3 blob, document text not null,
    primary key(block, position)) without rowid;
create index if not exists logs_by_address on logs(address, topic0, block);
"""


@dataclass(frozen=True)
class TransactionRow:
    """One included transaction: its raw bytes, and its JSON documents without logs."""

    hash: bytes
    raw: bytes
    document: str
    receipt: str


@dataclass(frozen=True)
class LogRow:
    """One log: position in the block, position of its transaction, what it is found by, and its JSON document."""

    position: int
    transaction_position: int
    address: bytes
    topics: tuple[bytes, ...]
    document: str


@dataclass(frozen=True)
class BlockRow:
    """One block as stored: RLP header, RLP size in bytes, number of transactions."""

    number: int
    hash: bytes
    header: bytes
    size: int
    transactions: int


class Store:
    """The chain's SQLite file, its lock and its connections."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.path = directory / "chain.sqlite"
        self._lock_fd = _take_lock(directory)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._connections_guard = threading.Lock()
        self.node_cache: dict[bytes, bytes] = {}
        try:
            self._writer = self._connect()
            mode = self._writer.execute("pragma journal_mode=wal").fetchone()[0]
            if mode != "wal":
                raise ChainDirectoryError(
                    f"{self.path}: this file system offers no WAL mode (SQLite says {mode!r}); choose a local directory"
                )
            self._writer.execute("pragma synchronous=full")
            self._writer.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self.close()
            raise ChainDirectoryError(f"{self.path} cannot be opened as a chain: {error}") from error
        except ChainDirectoryError:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections and let go of the lock."""
        with self._connections_guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        with self._connections_guard:
            self._connections.append(connection)
        return connection

    @property
    def reader(self) -> sqlite3.Connection:
        """This thread's own reading connection; it sees committed blocks only."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("pragma query_only=1")
            self._local.connection = connection
        return connection

    # -- writing: the sealing thread only --

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One durable SQLite transaction; an exception inside leaves nothing behind."""
        self._writer.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._writer.execute("rollback")
            raise
        try:
            self._writer.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("rollback")
            raise

    def add_block(
        self,
        block: BlockRow,
        transactions: Sequence[TransactionRow],
        logs: Sequence[LogRow],
        nodes: Iterable[tuple[bytes, bytes]],
    ) -> None:
        """Write one block with everything in it; must be called inside `transaction`."""
        write = self._writer
        write.executemany("insert or ignore into nodes values(?,?)", nodes)
        write.execute(
            "insert into blocks values(?,?,?,?,?)",
            (block.number, block.hash, block.header, block.size, block.transactions),
        )
        write.executemany(
            "insert into transactions values(?,?,?,?,?,?)",
            [(t.hash, block.number, i, t.raw, t.document, t.receipt) for i, t in enumerate(transactions)],
        )
        write.executemany(
            "insert into logs values(?,?,?,?,?,?,?,?,?)",
            [
                (
                    block.number,
                    log.position,
                    log.transaction_position,
                    log.address,
                    *(log.topics + (None,) * (4 - len(log.topics))),
                    log.document,
                )
                for log in logs
            ],
        )

    def write_meta(self, values: dict[str, str]) -> None:
        """Write the facts fixed at creation; must be called inside `transaction`."""
        self._writer.executemany("insert into meta values(?,?)", list(values.items()))

    # -- reading: any thread --

    def meta(self) -> dict[str, str]:
        """The facts fixed when the directory was created; empty for a new one."""
        return dict(self.reader.execute("select key, value from meta").fetchall())

    def one(self, query: str, *arguments: object) -> Any:
        """First row of a query, or None."""
        return self.reader.execute(query, arguments).fetchone()

    def all(self, query: str, *arguments: object) -> list[Any]:
        """All rows of a query."""
        return self.reader.execute(query, arguments).fetchall()

    def node(self, key: bytes) -> bytes | None:
        """A committed trie node or contract code by its hash."""
        cached = self.node_cache.get(key)
        if cached is not None:
            return cached
        row = self.one("select value from nodes where hash=?", key)
        if row is None:
            return None
        value: bytes = row[0]
        if len(self.node_cache) >= CACHED_NODES_MAX:
            self.node_cache.clear()
        self.node_cache[key] = value
        return value


class StateNodes(BaseAtomicDB):  # type: ignore[misc]
    """py-evm's view of the committed trie nodes, plus writes that stay in memory until a block is committed.

    A sealing attempt makes one, and hands `written` to `Store.add_block`; a call makes one and throws it away.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.written: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self.written.get(key)
        if value is None:
            value = self._store.node(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.written[bytes(key)] = bytes(value)

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("nodes of the chain's state are addressed by their hash and never deleted (rule 3)")

    def _exists(self, key: bytes) -> bool:
        return key in self.written or self._store.node(key) is not None

    @contextlib.contextmanager
    def atomic_batch(self) -> Iterator[StateNodes]:
        """Required by py-evm; the real transaction is `Store.transaction`."""
        yield self


def _take_lock(directory: Path) -> int | None:
    path = directory / "chain.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise ChainLocked(
            f"{directory} is in use by process {holder}: stop that process, or serve another directory"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
