"""Verifies a whole vault, and lists everything that is wrong with it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from belmont.vault.block_store import BlockStore
from belmont.vault.catalogue import Catalogue, LabelRow
from belmont.vault.cid import Cid
from belmont.vault.database import Database
from belmont.vault.errors import DatasetShredded, VaultCorrupted
from belmont.vault.reader import ObjectReader


@dataclass(frozen=True, slots=True)
class Problem:
    message: str
    label: str | None = None
    object: str | None = None
    """Root of the object, as text; likewise ``block``."""
    block: str | None = None
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class CheckReport:
    labels: int
    """Datasets that live."""
    shredded: int
    objects: int
    """Objects of datasets that live."""
    blocks: int
    """Blocks in the store."""
    plaintext_bytes: int
    """Bytes that decrypted and verified."""
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


class Checker:
    """``read`` opens one object, inside a transaction that the checker begins for each of them."""

    def __init__(
        self, database: Database, catalogue: Catalogue, store: BlockStore, read: Callable[[Cid], ObjectReader]
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._store = store
        self._read = read
        self._problems: list[Problem] = []
        self._labels: list[LabelRow] = []
        self._objects = 0
        self._blocks = 0
        self._plaintext_bytes = 0

    def run(self) -> CheckReport:
        self._attempt(self._check_database)
        self._attempt(self._list_labels)
        for row in self._labels:
            self._attempt(partial(self._check_label, row), row.label)
        self._attempt(self._check_store)
        shredded = sum(row.shredded_at is not None for row in self._labels)
        return CheckReport(
            labels=len(self._labels) - shredded,
            shredded=shredded,
            objects=self._objects,
            blocks=self._blocks,
            plaintext_bytes=self._plaintext_bytes,
            problems=tuple(self._problems),
        )

    def _check_database(self) -> None:
        for message in self._catalogue.integrity_problems():
            self._note(f"{self._database.path}: {message}; restore the database from a backup")
        if self._catalogue.erase_pending:
            self._note("destroyed key bytes may still be in the log: end other readers, and open the vault again")

    def _list_labels(self) -> None:
        self._labels = self._catalogue.labels()

    def _check_label(self, row: LabelRow) -> None:
        """One snapshot for a dataset. What another process shreds meanwhile is no problem."""
        if row.shredded_at is not None:
            if self._catalogue.wrapped_key(row) is not None or self._catalogue.some_pieces(row, 1):
                self._note(f"dataset {row.label!r}: its shredding is unfinished; call shred again", row.label)
            return
        for cid in self._catalogue.objects(row):
            with suppress(DatasetShredded):
                self._objects += 1
                try:
                    self._check_object(cid, row)
                except VaultCorrupted as error:
                    self._note_error(error, row.label, cid)

    def _check_object(self, cid: Cid, row: LabelRow) -> None:
        reader, seen = self._read(cid), {cid}
        for item in reader.examine(seen.add):
            if isinstance(item, VaultCorrupted):
                self._note_error(item, row.label, cid)
            else:
                self._plaintext_bytes += len(item)
        if unlisted := len(seen - self._catalogue.pieces(cid)):
            self._note(f"object {cid}: {unlisted} blocks are not listed, so shredding would leave them", row.label)

    def _check_store(self) -> None:
        stored, listed = set(self._store.cids()), self._catalogue.all_pieces()
        self._blocks = len(stored)
        for cid in sorted(stored - listed):
            self._problems.append(Problem(f"block {cid} belongs to no object; delete it", block=str(cid)))

    def _attempt(self, step: Callable[[], None], label: str | None = None) -> None:
        try:
            with self._database.reading():
                step()
        except VaultCorrupted as error:
            self._note_error(error, label, None)

    def _note(self, message: str, label: str | None = None) -> None:
        self._problems.append(Problem(message, label))

    def _note_error(self, error: VaultCorrupted, label: str | None, cid: Cid | None) -> None:
        block: str | None = getattr(error, "block", None)
        chunk: int | None = getattr(error, "chunk", None)
        self._problems.append(Problem(str(error), label, str(cid) if cid else None, block, chunk))
