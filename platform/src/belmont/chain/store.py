"""What the embedded chain keeps on disk: one SQLite file in WAL mode with `synchronous=FULL`.

Rules:
1. One writer per directory, held by a file lock (`ChainLocked` for the second one).
2. One block is one SQLite transaction: blocks, transactions, receipts, logs and state-trie nodes appear together or
   not at all. `commit` returns after the WAL has been fsynced.
3. Trie nodes and code are addressed by their Keccak hash and never change or go away, so every state since genesis can
   be opened, and readers need no lock.
4. Each thread reads through its own connection; only the sealing thread writes.
5. What is read is compared with what was written (`belmont.chain.reading`); once something differs, nothing more is
   written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from eth.db.backends.base import BaseAtomicDB

from belmont.chain.errors import ChainDamaged, ChainDirectoryError, ChainLocked
from belmont.chain.reading import CheckedReads, meta_checksum
from belmont.chain.rows import BlockRow, LogRow, TransactionRow
from belmont.chain.witness import HeadMark

SCHEMA = """
create table if not exists meta(key text primary key, value text not null);
create table if not exists nodes(hash blob primary key, value blob not null) without rowid;
create table if not exists blocks(number integer primary key, hash blob not null unique, header blob not null,
    size integer not null, transactions integer not null, logs integer not null, logs_before integer not null,
    emitters blob not null, checksum blob not null);
create table if not exists transactions(hash blob not null unique, block integer not null, position integer not null,
    raw blob not null, document text not null, receipt text not null, logs integer not null, checksum blob not null,
    unique(block, position));
create table if not exists logs(block integer not null, position integer not null,
    transaction_position integer not null, address blob not null,
    topic0 blob, topic1 blob, topic2 blob, topic3 blob, document text not null, checksum blob not null,
    primary key(block, position)) without rowid;
"""


class Store(CheckedReads):
    """The chain's SQLite file, its lock and its connections."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.path = directory / "chain.sqlite"
        self._lock_fd = _take_lock(directory)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._connections_guard = threading.Lock()
        self.mark = HeadMark(directory)
        try:
            self.mark.open()
            self._writer = self._connect()
            with self.damage_is_told():
                mode = self._writer.execute("pragma journal_mode=wal").fetchone()[0]
            if mode != "wal":
                raise ChainDirectoryError(
                    f"{self.path}: this file system offers no WAL mode (SQLite says {mode!r}); choose a local directory"
                )
            self._writer.execute("pragma synchronous=full")
            with self.damage_is_told():
                self._writer.executescript(SCHEMA)
        except (sqlite3.DatabaseError, OSError) as error:
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
        self.mark.close()
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
        """One durable SQLite transaction; an exception inside leaves nothing behind. Raises `ChainDamaged`."""
        if self.damage:
            raise ChainDamaged(self.damage)
        with self.damage_is_told():
            self._writer.execute("begin immediate")
            try:
                yield
                self._writer.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself, on a full disk
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
        write.execute("insert into blocks values(?,?,?,?,?,?,?,?,?)", block.values())
        write.executemany(
            "insert into transactions values(?,?,?,?,?,?,?,?)", [transaction.values() for transaction in transactions]
        )
        write.executemany("insert into logs values(?,?,?,?,?,?,?,?,?,?)", [log.values() for log in logs])

    def committed(self, block: BlockRow, transactions: Sequence[TransactionRow], nodes: dict[bytes, bytes]) -> None:
        """To be called once `transaction` has ended with this block in it: it can be read, and its loss is noticed."""
        self._known.add(block.hash)
        for transaction in transactions:
            self._known.add(transaction.hash)
        self.node_cache.update(nodes)
        self.mark.write(block.number, block.hash)

    def write_meta(self, values: dict[str, str]) -> None:
        """Write the facts fixed at creation; must be called inside `transaction`."""
        rows = [*values.items(), ("checksum", meta_checksum(values))]
        self._writer.executemany("insert into meta values(?,?)", rows)


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
        return key in self.written or self._store.has_node(key)

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
    with contextlib.suppress(OSError):  # on a full disk the lock holds without a name on it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
