"""A node's disclosures, durable before an answer leaves, so that a restart before a dispute loses nothing.

One SQLite file beside the ledger, mode 0600 from the first byte, ``synchronous=FULL``. It holds this hospital's totals
and masks in the clear: as secret as the table. Nothing stays longer than `DISPUTE_DAYS`: what is older goes when
the next answer is kept. `forget` removes what is settled before, and overwrites it (``secure_delete``);
copies that a disk or a backup keeps are outside its reach.
"""

import sqlite3
import threading
from pathlib import Path

from belmont.federated.errors import LedgerError
from belmont.federated.gate.ledger import LOCK_TIMEOUT_SECONDS
from belmont.federated.query.disclosure import Disclosure
from belmont.registry.types import PermitId
from belmont.zk.durable import open_file

DISPUTE_DAYS = 30
"""For so long after its answer a hospital can be asked what went into it."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS disclosures (
    permit_id INTEGER NOT NULL, n INTEGER NOT NULL, kept_at REAL NOT NULL, disclosure BLOB NOT NULL,
    PRIMARY KEY (permit_id, n)
) WITHOUT ROWID;
"""


class Disclosures:
    """What this node has to show if a total is refuted. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = open_file(path, LOCK_TIMEOUT_SECONDS)
            self._db.execute("PRAGMA journal_mode=TRUNCATE")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA secure_delete=ON")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{path} cannot be used for disclosures: {error}") from error

    def keep(self, permit_id: PermitId, n: int, disclosure: Disclosure, now: float) -> None:
        """Keep a disclosure durably. Raises LedgerError if there is one for this query already: it is answered once."""
        try:
            with self._lock:
                self._db.execute("DELETE FROM disclosures WHERE kept_at < ?", (now - DISPUTE_DAYS * 86400,))
                self._db.execute("INSERT INTO disclosures VALUES (?,?,?,?)", (permit_id, n, now, disclosure.to_bytes()))
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"a disclosure cannot be kept: {error}") from error

    def of(self, permit_id: PermitId, n: int) -> Disclosure | None:
        """What was kept for a query; None if nothing was, or it is forgotten."""
        try:
            with self._lock:
                row = self._db.execute(
                    "SELECT disclosure FROM disclosures WHERE permit_id=? AND n=?", (permit_id, n)
                ).fetchone()
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"the disclosures cannot be read: {error}") from error
        return None if row is None else Disclosure.from_bytes(bytes(row[0]))

    def forget(self, permit_id: PermitId, n: int) -> None:
        """Remove what a settled query no longer needs."""
        try:
            with self._lock:
                self._db.execute("DELETE FROM disclosures WHERE permit_id=? AND n=?", (permit_id, n))
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"a disclosure cannot be removed: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
