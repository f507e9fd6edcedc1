"""What a hospital ever published of one dataset, and that it is no more than its cap.

1. The same version with the same choices is drawn once. Asked again it is the same bytes, and costs nothing: fresh
   noise would average out.
2. Everything else is charged, whatever its version: versions of a dataset share patients. Charges add up, and none that
   would pass the cap is drawn (PublicationsSpent).
3. Drawing and recording are one transaction, on disk (``synchronous=FULL``) when `publish` returns. Killed before,
   nothing was drawn that anybody has; killed after, it is charged although it may not have left.
4. The cap is set when the file is begun. It can be lowered, never raised.
5. A withdrawal gives nothing back: who has the document keeps it.
6. A file belongs to one dataset of one consortium, and is closed to others. Several processes may use it.

What this cannot know: a file restored from a backup has forgotten what left since.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from belmont.federated.accounting.budget import MICRO
from belmont.federated.errors import ProfileError, PublicationsSpent
from belmont.registry.types import DatasetId, MicroRho

CAP: Final = MicroRho(MICRO // 5)
"""Epsilon 3.2 at delta 10^-6."""
LOCK_TIMEOUT_SECONDS: Final = 30.0
_NEVER: Final = (1 << 63) - 1
_APPLICATION_ID: Final = 0x424C4D50  # "BLMP" in SQLite's header
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS about (consortium TEXT NOT NULL, dataset BLOB NOT NULL, cap INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS publications (n INTEGER PRIMARY KEY, version INTEGER NOT NULL, choices BLOB NOT NULL, "
    "rho INTEGER NOT NULL, consented_until INTEGER NOT NULL, document BLOB NOT NULL, UNIQUE (version, choices))",
)


@dataclass(frozen=True)
class Publication:
    """One drawing. ``consented_until``, Unix seconds, is when the first consent to its rows ends: it never leaves."""

    version: int
    rho: MicroRho
    consented_until: int
    document: bytes


class PublicationLedger:
    """One dataset's publications, in one SQLite file. Use it as a context manager, or call ``close``."""

    def __init__(self, path: Path, consortium: str, dataset_id: DatasetId, cap: MicroRho | None = None) -> None:
        """``cap``, micro-rho, is `CAP` for a new file unless given; of one that is there it lowers the cap (4)."""
        self._lock = threading.Lock()
        self._path = path
        if cap is not None and (type(cap) is not int or not 0 <= cap <= _NEVER):
            raise ProfileError(f"cap is {cap!r}: give micro-rho, a whole number")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            if path.stat().st_mode & 0o077:
                raise ProfileError(f"{path} can be read by others: chmod 600 it")  # 6
            self._db = sqlite3.connect(
                path, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._claim(consortium, dataset_id, cap)
        except (OSError, sqlite3.Error) as error:
            raise ProfileError(f"{path} cannot be used to count publications: {error}") from error

    def publish(
        self, version: int, choices_hash: bytes, charge: MicroRho, until: int, draw: Callable[[MicroRho], bytes]
    ) -> Publication:
        """The document of a version under these choices, drawn now or earlier (1 to 3).

        ``draw`` gets what is then spent on all publications, and makes the document; it is called once at most, and
        not where the cap would be passed. ``until`` is kept with what is drawn. Raises PublicationsSpent.
        """
        if charge < 1:
            raise ProfileError("a publication costs at least one micro-rho")
        with self._writing():
            row = self._db.execute(
                "SELECT version, rho, consented_until, document FROM publications WHERE version=? AND choices=?",
                (version, choices_hash),
            ).fetchone()
            if row is not None:
                return Publication(*row)
            spent, cap = self._spent(), self._cap()
            if spent + charge > cap:  # 2
                raise PublicationsSpent(
                    f"this would cost {charge:,} micro-rho, and {max(0, cap - spent):,} of {cap:,} are left for all "
                    "publications of this dataset: ask for a smaller epsilon, or publish again what was published"
                )
            found = Publication(version, charge, min(until, _NEVER), draw(MicroRho(spent + charge)))
            self._db.execute(
                "INSERT INTO publications (version, choices, rho, consented_until, document) VALUES (?,?,?,?,?)",
                (version, choices_hash, charge, found.consented_until, found.document),
            )
            return found

    def all(self) -> list[Publication]:
        """Everything that was drawn, in order."""
        with self._reading():
            rows = self._db.execute(
                "SELECT version, rho, consented_until, document FROM publications ORDER BY n"
            ).fetchall()
        return [Publication(*row) for row in rows]

    @property
    def spent(self) -> MicroRho:
        """Micro-rho of everything that was drawn."""
        with self._reading():
            return self._spent()

    @property
    def cap(self) -> MicroRho:
        """Micro-rho that all publications together may cost."""
        with self._reading():
            return self._cap()

    def close(self) -> None:
        """Close the file; it cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spent(self) -> MicroRho:
        return MicroRho(self._db.execute("SELECT coalesce(sum(rho), 0) FROM publications").fetchone()[0])

    def _cap(self) -> MicroRho:
        return MicroRho(self._db.execute("SELECT cap FROM about").fetchone()[0])

    def _claim(self, consortium: str, dataset_id: DatasetId, cap: MicroRho | None) -> None:
        self._db.execute("PRAGMA journal_mode=TRUNCATE")
        self._db.execute("PRAGMA synchronous=FULL")
        with self._writing():
            (found,) = self._db.execute("PRAGMA application_id").fetchone()
            if found != _APPLICATION_ID:
                if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise ProfileError(f"{self._path} is something else than a record of publications")
                self._db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            for table in _SCHEMA:
                self._db.execute(table)
            about = self._db.execute("SELECT consortium, dataset FROM about").fetchone()
            if about is None:
                new = (consortium, dataset_id, CAP if cap is None else cap)
                self._db.execute("INSERT INTO about VALUES (?,?,?)", new)
            elif about != (consortium, dataset_id):  # 6
                raise ProfileError(f"{self._path} belongs to another dataset or consortium")
            elif cap is not None:
                if cap > self._cap():  # 4
                    raise ProfileError(f"the cap is {self._cap():,} micro-rho, and can be lowered, never raised")
                self._db.execute("UPDATE about SET cap=?", (cap,))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise ProfileError(f"{self._path} cannot be read: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        except (sqlite3.Error, OverflowError) as error:
            raise ProfileError(f"{self._path} cannot be written: {error}") from error
