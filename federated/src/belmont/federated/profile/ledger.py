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

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from belmont.federated.accounting.budget import MICRO
from belmont.federated.errors import ProfileError, PublicationsSpent
from belmont.registry.types import DatasetId, MicroRho
from belmont.zk.durable import DurableFile

CAP: Final = MicroRho(MICRO // 5)
"""Epsilon 3.2 at delta 10^-6."""
_NEVER: Final = (1 << 63) - 1
_APPLICATION_ID: Final = 0x424C4D50  # "BLMP" in SQLite's header
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS about (consortium TEXT NOT NULL, dataset BLOB NOT NULL, cap INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS publications (n INTEGER PRIMARY KEY, version INTEGER NOT NULL, choices BLOB NOT NULL, "
    "rho INTEGER NOT NULL, consented_until INTEGER NOT NULL, document BLOB NOT NULL, UNIQUE (version, choices))",
)
_SPENT: Final = "SELECT coalesce(sum(rho), 0) FROM publications"
_CAP: Final = "SELECT cap FROM about"


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
        if cap is not None and (type(cap) is not int or not 0 <= cap <= _NEVER):
            raise ProfileError(f"cap is {cap!r}: give micro-rho, a whole number")
        self._path = path
        self._file = DurableFile(path, _APPLICATION_ID, "a record of publications", _SCHEMA, ProfileError)  # 6
        try:
            self._claim(consortium, dataset_id, cap)
        except BaseException:
            self.close()
            raise

    def publish(
        self, version: int, choices_hash: bytes, charge: MicroRho, until: int, draw: Callable[[MicroRho], bytes]
    ) -> Publication:
        """The document of a version under these choices, drawn now or earlier (1 to 3).

        ``draw`` gets what is then spent on all publications, and makes the document; it is called once at most, and
        not where the cap would be passed. ``until`` is kept with what is drawn. Raises PublicationsSpent.
        """
        if charge < 1:
            raise ProfileError("a publication costs at least one micro-rho")
        with self._file.writing():
            rows = self._file.execute(
                "SELECT version, rho, consented_until, document FROM publications WHERE version=? AND choices=?",
                *(version, choices_hash),
            )
            if rows:
                return Publication(*rows[0])
            ((spent,),), ((cap,),) = self._file.execute(_SPENT), self._file.execute(_CAP)
            if spent + charge > cap:  # 2
                raise PublicationsSpent(
                    f"this would cost {charge:,} micro-rho, and {max(0, cap - spent):,} of {cap:,} are left for all "
                    "publications of this dataset: ask for a smaller epsilon, or publish again what was published"
                )
            found = Publication(version, charge, min(until, _NEVER), draw(MicroRho(spent + charge)))
            self._file.execute(
                "INSERT INTO publications (version, choices, rho, consented_until, document) VALUES (?,?,?,?,?)",
                *(version, choices_hash, charge, found.consented_until, found.document),
            )
            return found

    def all(self) -> list[Publication]:
        """Everything that was drawn, in order."""
        rows = self._file.read("SELECT version, rho, consented_until, document FROM publications ORDER BY n")
        return [Publication(*row) for row in rows]

    @property
    def spent(self) -> MicroRho:
        """Micro-rho of everything that was drawn."""
        return MicroRho(self._file.read(_SPENT)[0][0])

    @property
    def cap(self) -> MicroRho:
        """Micro-rho that all publications together may cost."""
        return MicroRho(self._file.read(_CAP)[0][0])

    def close(self) -> None:
        """Close the file; it cannot be used afterwards."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _claim(self, consortium: str, dataset_id: DatasetId, cap: MicroRho | None) -> None:
        with self._file.writing():
            about = self._file.execute("SELECT consortium, dataset, cap FROM about")
            if not about:
                new = consortium, dataset_id, CAP if cap is None else cap
                self._file.execute("INSERT INTO about VALUES (?,?,?)", *new)
                return
            *whose, kept = about[0]
            if whose != [consortium, dataset_id]:  # 6
                raise ProfileError(f"{self._path} belongs to another dataset or consortium")
            if cap is not None and cap > kept:  # 4
                raise ProfileError(f"the cap is {kept:,} micro-rho, and can be lowered, never raised")
            if cap is not None:
                self._file.execute("UPDATE about SET cap=?", cap)
