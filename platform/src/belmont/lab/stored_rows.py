"""A version as the vault keeps it: the coded table, and the secret seed of its commitments' blinding.

Stored form: magic, format version u16, seed of 32 bytes, then the table's own stored form. Rows and seed give the
commitments again, so whoever opens a version finds out whether it is the one that was registered; who has the seed can
test guesses of rows, so it is as secret as they are, and one shredding destroys both.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.lab.errors import HomeError
from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.layout import Layout
from belmont.zk.witness import SEED_BYTES, new_seed

MAGIC: Final = b"BELMONT ROWS\n"
VERSION: Final = 1
_HEADER: Final = struct.Struct(f"<{len(MAGIC)}sH{SEED_BYTES}s")


@dataclass(frozen=True)
class StoredRows:
    """Rows with the seed that they were, or will be, committed to with."""

    table: CodedTable
    seed: bytes

    @classmethod
    def fresh(cls, table: CodedTable) -> "StoredRows":
        """With a new seed, for a registration."""
        return cls(table, new_seed())

    @classmethod
    def from_bytes(cls, dictionary: Dictionary, data: bytes) -> "StoredRows":
        """Read the stored form. Raises HomeError, or TableCorrupted for the table in it."""
        if len(data) < _HEADER.size:
            raise HomeError("the vault holds no version: the data end too early")
        magic, version, seed = _HEADER.unpack_from(data)
        if (magic, version) != (MAGIC, VERSION):
            raise HomeError("the vault holds no version of this release's format: register the dataset again")
        return cls(CodedTable.from_bytes(dictionary, data[_HEADER.size :]), seed)

    def to_bytes(self) -> bytes:
        """The stored form."""
        return _HEADER.pack(MAGIC, VERSION, self.seed) + self.table.to_bytes()

    @cached_property
    def layout(self) -> Layout:
        """What a proof knows of the dictionary."""
        return Layout.from_bytes(self.table.dictionary.layout)

    def commit(self, processes: int = 1, tell: Callable[[int, int], None] = lambda done, of: None) -> CommittedTable:
        """The commitments, the same at every call."""
        codes = [self.table.codes(column.name) for column in self.table.dictionary]
        return commit_table(self.layout, codes, self.table.pseudonyms, self.seed, tell, processes)

    def __repr__(self) -> str:
        return f"StoredRows({self.table.rows} rows, seed not shown)"
