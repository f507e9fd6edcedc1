"""Reads a chain's directory without writing to it, whether its server runs or not.

1. A stopped chain (no WAL) is opened as immutable, which leaves no file behind. If a server starts meanwhile, its WAL
   appears, and the audit ends (`unchanged`): pages could have been read half written.
2. Otherwise SQLite's read-only mode: a running server is not disturbed, since no transaction is held open. Blocks are
   never changed, so each can be read when its turn comes.
3. Rows come as they are, and `checksum_holds` says whether their checksum fits. An audit has to name what is wrong in a
   row, which the chain's own reader (`belmont.chain.reading`) would not hand out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from belmont.chain.errors import ChainDirectoryError
from belmont.chain.reading import FORMAT_VERSION
from belmont.chain.rows import (
    BLOCK_COLUMNS,
    LOG_COLUMNS,
    TRANSACTION_COLUMNS,
    BlockRow,
    LogRow,
    TransactionRow,
    checksum,
)
from belmont.chain.witness import FILE_NAME, read_mark

BUSY_SECONDS: Final = 30


@dataclass(frozen=True)
class StoredBlock:
    """One block's rows, and the names of those whose checksum does not fit."""

    row: BlockRow
    transactions: list[TransactionRow]
    logs: list[LogRow]
    broken: list[str]


class ChainDirectory:
    """The database of a directory, read-only. Raises `ChainDirectoryError`; `sqlite3.DatabaseError` on broken pages."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "chain.sqlite"
        self._wal = directory / "chain.sqlite-wal"
        if not self.path.is_file():
            raise ChainDirectoryError(f"{directory} holds no chain: there is no file chain.sqlite")
        self.mark = read_mark(directory / FILE_NAME)
        self._immutable = not self._wal.exists()
        mode = "immutable=1" if self._immutable else "mode=ro"
        self._connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=BUSY_SECONDS
        )
        self._connection.text_factory = lambda raw: raw.decode(errors="replace")
        try:
            meta = dict(self._connection.execute("select key, value from meta").fetchall())
            if meta.get("format") != FORMAT_VERSION:
                raise ChainDirectoryError(
                    f"{directory} holds a chain of format {meta.get('format')!r}; this audits {FORMAT_VERSION!r}"
                )
            self.chain_id = int(meta["chain_id"])
            self.last = int(self._connection.execute("select max(number) from blocks").fetchone()[0])
        except (sqlite3.DatabaseError, TypeError, ValueError, KeyError) as error:
            self.close()
            raise ChainDirectoryError(f"{self.path} cannot be read as a chain: {error}") from error
        except ChainDirectoryError:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @property
    def unchanged(self) -> bool:
        """Rule 1: whether what was read can be relied on."""
        return not (self._immutable and self._wal.exists())

    def block(self, number: int) -> StoredBlock | None:
        """A block with everything in it; None when it is missing."""
        found = self._connection.execute(f"select {BLOCK_COLUMNS} from blocks where number=?", (number,)).fetchone()
        if found is None:
            return None
        broken = [] if _checksum_holds(found) else ["block"]
        transactions = self._rows(TRANSACTION_COLUMNS, "transactions", number)
        logs = self._rows(LOG_COLUMNS, "logs", number)
        broken += [f"transaction {place}" for place, row in enumerate(transactions) if not _checksum_holds(row)]
        broken += [f"log {place}" for place, row in enumerate(logs) if not _checksum_holds(row)]
        return StoredBlock(
            BlockRow(*found[:-1]),
            [TransactionRow(*row[:-1]) for row in transactions],
            [_log(row) for row in logs],
            broken,
        )

    def node(self, key: bytes) -> bytes | None:
        """A node of the state, or code, as stored under its hash."""
        found = self._connection.execute("select value from nodes where hash=?", (key,)).fetchone()
        return None if found is None else found[0]

    def node_keys(self) -> Iterator[bytes]:
        """The hashes of all nodes."""
        for (key,) in self._connection.execute("select hash from nodes"):
            yield key

    def stray(self) -> tuple[str, int] | None:
        """A transaction or log of a block that does not exist: what it is, and the block's number."""
        for table in ("transactions", "logs"):
            query = f"select block from {table} where block not in (select number from blocks) limit 1"
            found = self._connection.execute(query).fetchone()
            if found is not None:
                return table[:-1], int(found[0])
        return None

    def _rows(self, columns: str, table: str, block: int) -> list[Any]:
        query = f"select {columns} from {table} where block=? order by position"
        return self._connection.execute(query, (block,)).fetchall()


def _log(row: Any) -> LogRow:
    block, position, transaction, address, *topics, document, _ = row
    return LogRow(
        block, position, transaction, address, tuple(topic for topic in topics if topic is not None), document
    )


def _checksum_holds(row: Any) -> bool:
    return bool(checksum(row[:-1]) == row[-1])
