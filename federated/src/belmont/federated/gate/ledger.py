"""A node's own record of what it served: durable before anything is computed.

1. A (permit, kind, n) is admitted once, and so is a message: both are keys of one table.
2. An entry is on disk (``synchronous=FULL``) before the node computes. After a crash the entry is still there. Only a
   ledger that is told to be as short-lived as its consortium leaves the writing to the operating system: it survives
   the process, not the machine.
3. A round that was admitted may be taken up again, by the same request to another process of this node, while no result
   was prepared: nothing has left then. ``MOST_ATTEMPTS`` times in all, since whether it ends is a bit of its own. A
   query is not: it leaves traces elsewhere before its answer is prepared.
4. A result is on disk, with what it was computed for, before the chain hears of it and it leaves. The same request
   gets the same bytes again, and nothing is computed or charged twice. The newest of a permit is kept, and overwritten
   when it goes (``secure_delete``); one that has not left stays until it has.
5. The highest block the node ever acted on is kept, so a chain that went backwards is noticed after a restart too.
6. The file holds results and secrets, and is closed to others.
7. A ledger belongs to one dataset of one consortium, and refuses to serve another, or a file of an earlier release.
8. Whether a round trains or evaluates is on disk with its admission, and it is taken up again as the same alone. A line
   of permits is admitted so many evaluations, counted where they are admitted, in one transaction. A round of which no
   kind is here counts as one: a release that did not keep it admitted it, or the chain has it from before this file.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belmont.federated.errors import LedgerError, Refusal
from belmont.federated.executor.protocol import Kind
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, PermitId, UseKind
from belmont.zk.durable import open_file, transaction

FORMAT = 3
LOCK_TIMEOUT_SECONDS = 10.0
MOST_ATTEMPTS = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (registry TEXT NOT NULL, dataset_id BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS highest_head (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS uses (
    permit_id INTEGER NOT NULL, kind INTEGER NOT NULL, n INTEGER NOT NULL,
    message_id TEXT NOT NULL UNIQUE, subject_hash BLOB NOT NULL, admitted_at REAL NOT NULL,
    result_hash BLOB, released_at REAL,
    request_hash BLOB NOT NULL, process TEXT NOT NULL, attempts INTEGER NOT NULL, prepared_for TEXT, reply BLOB,
    PRIMARY KEY (permit_id, kind, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roots (permit_id INTEGER PRIMARY KEY, root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS masked (
    permit_id INTEGER NOT NULL, n INTEGER NOT NULL, transcript BLOB NOT NULL, released_for TEXT,
    kind TEXT NOT NULL,
    PRIMARY KEY (permit_id, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS preparations (permit_id INTEGER PRIMARY KEY, hash BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mask_keys (
    permit_id INTEGER NOT NULL, n INTEGER NOT NULL, keys BLOB NOT NULL, PRIMARY KEY (permit_id, n)
) WITHOUT ROWID;
"""


_ROUNDS = (
    "SELECT u.permit_id, u.n, m.kind FROM uses AS u LEFT JOIN masked AS m ON m.permit_id=u.permit_id AND m.n=u.n "
    f"WHERE u.kind={int(UseKind.ROUND)} AND u.permit_id IN ({{}})"
)


@dataclass(frozen=True)
class EvaluationBound:
    """How many evaluations a line of permits has (8)."""

    permits: tuple[PermitId, ...]
    """All of the line, from the one that is asked under back to the first."""
    recorded: tuple[tuple[PermitId, int], ...]
    """Permit and number of each round of the line that the chain has of this dataset."""
    most: int


@dataclass(frozen=True)
class LedgerEntry:
    """One admitted round or query. ``result_hash`` is None until its result was released."""

    permit_id: PermitId
    kind: UseKind
    n: int
    message_id: str
    subject_hash: bytes
    admitted_at: float
    result_hash: bytes | None
    released_at: float | None


@dataclass(frozen=True)
class Prepared:
    """A result on disk: the hash that the chain has or gets, what it was computed for, and the bytes that may leave."""

    result_hash: bytes
    computed_for: str
    reply: bytes
    is_released: bool


class Ledger:
    """The ledger of one node. Safe for several threads, and for a second process on the same file.

    ``is_lasting`` is False where the registry itself is in this process' memory, and for nothing else (2).
    """

    def __init__(self, path: Path, registry_name: str, dataset_id: DatasetId, *, is_lasting: bool = True) -> None:
        self._lock = threading.Lock()
        self._process = secrets.token_hex(16)
        try:
            self._db = open_file(path, LOCK_TIMEOUT_SECONDS)  # 6
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if is_lasting else 'OFF'}")
            self._db.execute("PRAGMA secure_delete=ON")
            self._open(path)
            self._claim(path, registry_name, dataset_id)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{path} cannot be used as a ledger: {error}") from error

    def admit(
        self,
        permit_id: PermitId,
        kind: UseKind,
        n: int,
        message_id: str,
        subject_hash: bytes,
        head: int,
        now: float,
        request_hash: bytes,
        round_kind: Kind = "train",
        bound: EvaluationBound | None = None,
    ) -> bool:
        """Record an admission durably. False, and nothing recorded, if this use or this message was admitted before.

        Raises Refusal (EVALUATIONS_EXHAUSTED), and records nothing, for an evaluation above its ``bound``.
        """
        use = permit_id, int(kind), n
        try:
            with self._transaction():
                if bound is not None and round_kind != "train":
                    self._refuse_too_many(bound, permit_id, n)
                again = self._db.execute(
                    "UPDATE uses SET message_id=?, process=?, attempts=attempts+1 "
                    "WHERE permit_id=? AND kind=? AND n=? AND request_hash=? AND process<>? AND attempts<? "
                    "AND prepared_for IS NULL "
                    "AND NOT EXISTS "
                    "(SELECT 1 FROM masked WHERE permit_id=uses.permit_id AND n=uses.n AND masked.kind<>?)",
                    (message_id, self._process, *use, request_hash, self._process, _attempts(kind), round_kind),
                ).rowcount
                if not again:
                    self._db.execute(
                        "INSERT INTO uses VALUES (?,?,?,?,?,?,NULL,NULL,?,?,1,NULL,NULL)",
                        (*use, message_id, subject_hash, now, request_hash, self._process),
                    )
                if kind is UseKind.ROUND:
                    self._db.execute(
                        "INSERT OR IGNORE INTO masked VALUES (?,?,?,NULL,?)", (permit_id, n, b"", round_kind)
                    )
                self._raise_head(head)
        except sqlite3.IntegrityError:
            return False
        return True

    def prepare(
        self, permit_id: PermitId, kind: UseKind, n: int, result_hash: bytes, computed_for: str, reply: bytes
    ) -> None:
        """Keep a result durably (4). Raises LedgerError if this process did not admit it, or one is kept already."""
        with self._transaction():
            changed = self._db.execute(
                "UPDATE uses SET result_hash=?, prepared_for=?, reply=? "
                "WHERE permit_id=? AND kind=? AND n=? AND process=? AND reply IS NULL AND released_at IS NULL",
                (result_hash, computed_for, reply, permit_id, int(kind), n, self._process),
            ).rowcount
            if changed != 1:
                raise LedgerError(f"{kind.name.lower()} {n} of permit {permit_id} is not waiting for its result")
            self._db.execute(
                "UPDATE uses SET reply=NULL WHERE permit_id=? AND kind=? AND n<>? AND released_at IS NOT NULL",
                (permit_id, int(kind), n),
            )

    def prepared(self, permit_id: PermitId, kind: UseKind, n: int, request_hash: bytes) -> Prepared | None:
        """The result that is kept for this very request; None if there is none."""
        rows = self._rows(
            "SELECT result_hash, prepared_for, reply, released_at FROM uses "
            "WHERE permit_id=? AND kind=? AND n=? AND request_hash=? AND reply IS NOT NULL",
            permit_id,
            int(kind),
            n,
            request_hash,
        )
        if not rows:
            return None
        result_hash, computed_for, reply, released_at = rows[0]
        return Prepared(bytes(result_hash), str(computed_for), bytes(reply), released_at is not None)

    def release(self, permit_id: PermitId, kind: UseKind, n: int, result_hash: bytes, head: int, now: float) -> None:
        """Record durably that the result is about to leave. Raises LedgerError if it was not prepared, or has left."""
        with self._transaction():
            changed = self._db.execute(
                "UPDATE uses SET released_at=? "
                "WHERE permit_id=? AND kind=? AND n=? AND result_hash=? AND released_at IS NULL",
                (now, permit_id, int(kind), n, result_hash),
            ).rowcount
            if changed != 1:
                raise LedgerError(f"{kind.name.lower()} {n} of permit {permit_id} is not waiting for its release")
            self._raise_head(head)

    def served(self, permit_id: PermitId, kind: UseKind) -> int:
        """How many rounds or queries of a permit were admitted."""
        return int(self._rows("SELECT count(*) FROM uses WHERE permit_id=? AND kind=?", permit_id, int(kind))[0][0])

    def refuses(self, permit_id: PermitId, kind: UseKind, n: int, message_id: str, request_hash: bytes) -> bool:
        """Whether ``admit`` would refuse, as far as can be known before."""
        sql = (
            "SELECT 1 FROM uses WHERE (permit_id=? AND kind=? AND n=? AND NOT (request_hash=? AND process<>? "
            "AND attempts<? AND prepared_for IS NULL)) "
            "OR (message_id=? AND NOT (permit_id=? AND kind=? AND n=?))"
        )
        use = permit_id, int(kind), n
        return bool(self._rows(sql, *use, request_hash, self._process, _attempts(kind), message_id, *use))

    def has(self, permit_id: PermitId, kind: UseKind, n: int) -> bool:
        """Whether this use has an entry."""
        return bool(self._rows("SELECT 1 FROM uses WHERE permit_id=? AND kind=? AND n=?", permit_id, int(kind), n))

    @property
    def highest_head(self) -> int:
        """The highest block number this node ever acted on."""
        rows = self._rows("SELECT number FROM highest_head")
        return int(rows[0][0]) if rows else 0

    def entries(self) -> list[LedgerEntry]:
        """Everything admitted, in order of admission."""
        rows = self._rows(
            "SELECT permit_id, kind, n, message_id, subject_hash, admitted_at, result_hash, released_at "
            "FROM uses ORDER BY admitted_at"
        )
        return [LedgerEntry(PermitId(row[0]), UseKind(row[1]), *row[2:]) for row in rows]

    # --- secure sums ---

    def root(self, permit_id: PermitId) -> bytes:
        """The secret of this node that everything dealt under a permit is derived from; drawn when first asked for."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO roots VALUES (?,?)", (permit_id, secrets.token_bytes(32)))
        return bytes(self._rows("SELECT root FROM roots WHERE permit_id=?", permit_id)[0][0])

    def preparation(self, permit_id: PermitId, hashed: bytes) -> bytes:
        """How a permit's first round prepared the rows, and whom it kept apart: this hash, if no round came before."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO preparations VALUES (?,?)", (permit_id, hashed))
        return bytes(self._rows("SELECT hash FROM preparations WHERE permit_id=?", permit_id)[0][0])

    def keep_transcript(
        self, permit_id: PermitId, n: int, transcript: bytes, keys: Sequence[bytes], kind: str = "train"
    ) -> None:
        """Keep what a round's vector was masked by, by which keys of the participants its packages opened, and of which
        kind the round is; the newest, where a round was taken up again."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO mask_keys SELECT ?1,?2,?3 WHERE NOT EXISTS "
                "(SELECT 1 FROM masked WHERE permit_id=?1 AND n=?2 AND released_for IS NOT NULL)",
                (permit_id, n, b"".join(keys)),
            )
            self._db.execute(
                "INSERT INTO masked VALUES (?,?,?,NULL,?) ON CONFLICT (permit_id, n) "
                "DO UPDATE SET transcript=excluded.transcript, kind=excluded.kind WHERE released_for IS NULL",
                (permit_id, n, transcript, kind),
            )

    def transcript(self, permit_id: PermitId, n: int) -> bytes | None:
        """What a round's vector was masked by; None if none was."""
        rows = self._rows("SELECT transcript FROM masked WHERE permit_id=? AND n=?", permit_id, n)
        return bytes(rows[0][0]) if rows and rows[0][0] else None

    def round_kind(self, permit_id: PermitId, n: int) -> str:
        """Of which kind a round is: ``train`` where none is known."""
        rows = self._rows("SELECT kind FROM masked WHERE permit_id=? AND n=?", permit_id, n)
        return str(rows[0][0]) if rows else "train"

    def mask_keys(self, permit_id: PermitId, n: int) -> list[bytes] | None:
        """The keys by which a round's packages opened, one for each participant; None if none are kept."""
        rows = self._rows("SELECT keys FROM mask_keys WHERE permit_id=? AND n=?", permit_id, n)
        return [bytes(rows[0][0][at : at + 32]) for at in range(0, len(rows[0][0]), 32)] if rows else None

    def released_for(self, permit_id: PermitId, n: int) -> list[str] | None:
        """The hospitals for which shares of a round were released, in hexadecimal; None if none were."""
        rows = self._rows("SELECT released_for FROM masked WHERE permit_id=? AND n=?", permit_id, n)
        return str(rows[0][0]).split(",") if rows and rows[0][0] is not None else None

    def keep_released_for(self, permit_id: PermitId, n: int, recorded: Sequence[str]) -> None:
        """Keep durably for which hospitals shares are about to leave. Raises LedgerError if they left for others."""
        text = ",".join(recorded)
        with self._transaction():
            changed = self._db.execute(
                "UPDATE masked SET released_for=? "
                "WHERE permit_id=? AND n=? AND (released_for IS NULL OR released_for=?)",
                (text, permit_id, n, text),
            ).rowcount
            if changed != 1:
                raise LedgerError(f"shares of round {n} of permit {permit_id} were released for other hospitals")

    def released(self, permit_id: PermitId, kind: UseKind, n: int) -> str | None:
        """What a result that left was computed for; None if none left."""
        rows = self._rows(
            "SELECT prepared_for FROM uses WHERE permit_id=? AND kind=? AND n=? AND released_at IS NOT NULL",
            permit_id,
            int(kind),
            n,
        )
        return str(rows[0][0]) if rows else None

    def close(self) -> None:
        """Close the file; the ledger cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def _open(self, path: Path) -> None:
        with self._transaction():
            is_new = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            found = FORMAT if is_new else self._db.execute("PRAGMA user_version").fetchone()[0]
            if found == FORMAT:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={FORMAT}")
        if found != FORMAT:
            raise LedgerError(f"{path} is a ledger of another release (format {found}; this one reads {FORMAT})")

    def _claim(self, path: Path, registry_name: str, dataset_id: DatasetId) -> None:
        with self._transaction():
            row = self._db.execute("SELECT registry, dataset_id FROM identity").fetchone()
            if row is None:
                self._db.execute("INSERT INTO identity VALUES (?,?)", (registry_name, dataset_id))
        if row is not None and (row[0], bytes(row[1])) != (registry_name, dataset_id):
            raise LedgerError(f"{path} is the ledger of another dataset or consortium: give each node its own file")

    def _refuse_too_many(self, bound: EvaluationBound, permit_id: PermitId, n: int) -> None:
        """Rule 8, for round ``n``, which may have been admitted before itself. Raises Refusal."""
        sql = _ROUNDS.format(",".join("?" * len(bound.permits)))
        kinds = {(permit, k): kind for permit, k, kind in self._db.execute(sql, bound.permits)}
        kinds = dict.fromkeys(bound.recorded) | kinds
        found = sum(kind != "train" for use, kind in kinds.items() if use != (permit_id, n))
        if found >= bound.most:
            detail = f"this node already admitted {found} evaluations, and this study has {bound.most}"
            raise Refusal(Reason.EVALUATIONS_EXHAUSTED, detail)

    def _raise_head(self, head: int) -> None:
        if self._db.execute("UPDATE highest_head SET number=max(number, ?)", (head,)).rowcount == 0:
            self._db.execute("INSERT INTO highest_head VALUES (?)", (head,))

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"the ledger cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with transaction(self._db, self._lock):
                yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.Error, OverflowError) as error:
            raise LedgerError(f"the ledger cannot be written: {error}") from error


def forget_results(path: Path) -> None:
    """Overwrite what a ledger keeps beside hashes and counts: the newest results, and the secrets that masked them.

    For a dataset that is destroyed; nothing happens where there is no ledger. Raises LedgerError.
    """
    if not path.exists():
        return
    try:
        db = sqlite3.connect(path, timeout=10, isolation_level=None)
        try:
            db.execute("PRAGMA secure_delete=ON")
            db.execute("UPDATE uses SET reply=NULL WHERE reply IS NOT NULL")
            db.execute("DELETE FROM roots")
            busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error as error:
        raise LedgerError(f"{path} cannot be cleared: {error}") from error
    if busy:
        raise LedgerError(f"{path} is in use: end this hospital's node first")


def _attempts(kind: UseKind) -> int:
    """How often a use may be admitted (3)."""
    return MOST_ATTEMPTS if kind is UseKind.ROUND else 0
