"""One hospital's files, read for one patient at a time: the register of consents and the vault.

1. Who the patient is comes from the register alone: the account that the hospital noted. Everything else is looked up
   by the pseudonym that stands there, and nothing of another row leaves this module.
2. The vault is opened once for a request; of each version one row is looked at, and the rest is dropped before the next
   one is decrypted.
3. Nothing is written: a register or a vault that is not there is not made.
4. What goes wrong is told without what was read: errors of the files name lines and values, so they end here. The log
   has the kind of error and nothing else.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import EhrError
from belmont.identity.errors import IdentityError
from belmont.identity.secret_file import read_secret_file
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.hospital_files import PSEUDONYM_KEY_FILE, open_vault
from belmont.lab.stored_rows import StoredRows
from belmont.registry.consents.entry import Entry
from belmont.registry.consents.errors import ConsentError
from belmont.registry.consents.register import ConsentRegister
from belmont.registry.types import Address, Dataset, DatasetId, DatasetVersion
from belmont.service.patient.errors import FilesUnusable
from belmont.vault.cid import Cid
from belmont.vault.errors import DatasetShredded, ObjectUnknown, VaultError
from belmont.vault.vault import Vault

VERSIONS_MOST = 64
"""Versions that one request looks into, the newest first."""
_KEY_BYTES = 32
_log = logging.getLogger(__name__)


class Presence(Enum):
    """Whether a version has the patient's row."""

    HELD = "held"
    NOT_HELD = "not held"
    UNKNOWN = "unknown"
    """Its rows were destroyed, or it was not looked into."""


@dataclass(frozen=True)
class Value:
    """One column of the patient's row, decoded by the dictionary."""

    column: str
    label: str
    kind: str
    """``number``, ``category`` or ``yes or no``."""
    unit: str | None
    value: float | str | bool | None
    """None where nothing was observed."""
    decimals: int = 0

    @property
    def is_observed(self) -> bool:
        """A yes or no always is: no means that nothing of the kind was recorded."""
        return self.value is not None


@dataclass(frozen=True)
class HeldRow:
    """In which versions the row is, and what it says in the newest of them."""

    presence: dict[int, Presence]
    """By number of the version."""
    newest: int | None
    """The newest version that has the row; None where none has."""
    values: tuple[Value, ...]

    def of(self, version: int) -> Presence:
        """Of one version."""
        return self.presence.get(version, Presence.UNKNOWN)

    def __repr__(self) -> str:
        return "HeldRow(of one patient, not shown)"


class HospitalFiles:
    """What one hospital keeps of one dataset. Safe for several threads."""

    def __init__(self, home: Home, slug: str, dataset_id: DatasetId) -> None:
        self.home, self.slug, self.dataset_id = home, slug, dataset_id
        self._lock = threading.Lock()
        self._register: tuple[tuple[int, int], ConsentRegister] | None = None

    def entry(self, account: Address) -> Entry | None:
        """What the register has of the patient with this account; None where nobody has it. Raises FilesUnusable."""
        with told_without_content(), self._lock:
            return self._opened().entry(account)

    def row(self, entry: Entry, dataset: Dataset, versions: Sequence[DatasetVersion]) -> HeldRow:
        """The patient's row in these versions (2). Raises FilesUnusable."""
        presence = {each.number: Presence.UNKNOWN for each in versions}
        newest: int | None = None
        values: tuple[Value, ...] = ()
        looked_into = sorted(versions, key=lambda each: -each.number)[:VERSIONS_MOST]
        with told_without_content():
            dictionary = self.dictionary(dataset)
            if not looked_into or not self.home.vault(self.slug).is_file():
                return HeldRow(presence, None, ())
            with open_vault(self.home, self.slug) as vault:
                for version in looked_into:
                    table = _table(vault, dictionary, version)
                    if table is None:
                        continue
                    place = _place(table, entry.pseudonym)
                    presence[version.number] = Presence.NOT_HELD if place is None else Presence.HELD
                    if place is not None and newest is None:
                        newest, values = version.number, tuple(_value(table, each, place) for each in dictionary)
                    del table
        return HeldRow(presence, newest, values)

    def dictionary(self, dataset: Dataset) -> Dictionary:
        """What the columns mean: the dictionary that the dataset was registered under. Raises FilesUnusable."""
        with told_without_content():
            found = Dictionary.load(self.home.dictionary(self.slug))
        if found.hash != dataset.dictionary_hash:
            raise FilesUnusable("The hospital's data dictionary is not the one that its dataset was registered under.")
        return found

    def pseudonym_key(self) -> bytes | None:
        """What leads from the hospital's records to the row; None where it was destroyed. Raises FilesUnusable."""
        path = self.home.member(self.slug) / PSEUDONYM_KEY_FILE
        with told_without_content():
            return read_secret_file(path, _KEY_BYTES) if path.exists() else None

    def close(self) -> None:
        """Close the register."""
        with self._lock:
            if self._register is not None:
                self._register[1].close()
                self._register = None

    def _opened(self) -> ConsentRegister:
        """The register, opened once and again where another file took its place."""
        path = self.home.consents(self.slug)
        status = path.stat()  # 3
        identity = status.st_dev, status.st_ino
        if self._register is None or self._register[0] != identity:
            if self._register is not None:
                self._register[1].close()
            self._register = None
            self._register = identity, ConsentRegister(path, self.dataset_id)
        return self._register[1]


@contextmanager
def told_without_content() -> Iterator[None]:
    """Errors of the hospital's files become FilesUnusable, without what they say (4)."""
    try:
        yield
    except (ConsentError, EhrError, IdentityError, LabError, VaultError, OSError) as error:
        _log.error("the hospital's files cannot be read: %s", type(error).__name__)
        raise FilesUnusable(
            "The hospital's files cannot be read at the moment.", remedy="Try again later, or ask the hospital."
        ) from None


def _table(vault: Vault, dictionary: Dictionary, version: DatasetVersion) -> CodedTable | None:
    """The rows of one version; None where its key was destroyed or the vault never had it."""
    try:
        return StoredRows.from_bytes(dictionary, vault.get(Cid(version.cid))).table
    except (DatasetShredded, ObjectUnknown):
        return None


def _place(table: CodedTable, pseudonym: int) -> int | None:
    place = int(np.searchsorted(table.pseudonyms, np.uint64(pseudonym)))
    return place if place < table.rows and int(table.pseudonyms[place]) == pseudonym else None


def _value(table: CodedTable, column: Column, place: int) -> Value:
    code, book = int(table.codes(column.name)[place]), column.codebook
    about = (column.name, column.label)
    if isinstance(book, CategoryBook):
        return Value(*about, "category", None, book.categories[code - 1].name if code else None)
    if isinstance(book, NumericBook):
        number = float(book.decode_array(np.array([code], np.uint16))[0]) if code else None
        return Value(*about, "number", column.unit, number, book.decimals)
    return Value(*about, "yes or no", None, bool(code))
