"""The coded table: one row for each patient, small integers only, ordered by pseudonym.

Stored form (all integers little-endian): magic, format version u16, dictionary hash 32 bytes, rows u64, columns u16;
pseudonyms u64 each; then each column in the dictionary's order, a bit column as packed bits (most significant first),
a range column as u16 codes; last the SHA-256 of everything before. The same table is always the same bytes. That hash
finds accidents; against tampering stand the vault's authenticated encryption and the commitments on chain.
"""

import hashlib
import html
import struct
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import CategoryBook, Codes, Values
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import TableCorrupted, WrongDictionary

if TYPE_CHECKING:
    import pandas as pd

MAGIC = b"BELMONT TABLE\n"
VERSION = 1
_HEADER = struct.Struct(f"<{len(MAGIC)}sH32sQH")
_DIGEST_BYTES = 32
_Scalar = TypeVar("_Scalar", bound=np.generic)


class CodedTable:
    """Coded rows under one dictionary. Arrays are read-only; `select` makes a smaller table.

    `codes` maps every column name of the dictionary to uint16 codes, `pseudonyms` are distinct and not 0. Rows are put
    in ascending order of pseudonym. Raises TableCorrupted where a code is not allowed.
    """

    def __init__(self, dictionary: Dictionary, codes: dict[str, Codes], pseudonyms: NDArray[np.uint64]) -> None:
        order = np.argsort(pseudonyms, kind="stable")
        self.dictionary = dictionary
        self.pseudonyms: NDArray[np.uint64] = _frozen(np.asarray(pseudonyms, np.uint64)[order])
        if self.rows and (self.pseudonyms[0] == 0 or bool(np.any(self.pseudonyms[1:] == self.pseudonyms[:-1]))):
            raise TableCorrupted("pseudonyms have to be distinct and not 0")
        if set(codes) != {column.name for column in dictionary}:
            raise TableCorrupted("the columns are not those of the dictionary")
        self._codes = {column.name: _checked(column, codes[column.name], self.rows, order) for column in dictionary}

    @property
    def rows(self) -> int:
        return int(self.pseudonyms.size)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._codes)

    def codes(self, column: str) -> Codes:
        """The codes of a column: 0 is missing in a range column."""
        return self._codes[self.dictionary.column(column).name]

    def observed(self, column: str) -> NDArray[np.bool_]:
        """Where a column has a value; always, for a bit."""
        codes = self.codes(column)
        return np.ones(self.rows, bool) if self.dictionary.column(column).kind == "bit" else codes > 0

    def values(self, column: str) -> Values:
        """The numbers a column stands for, in its unit; a category's number; NaN where missing."""
        book = self.dictionary.column(column).codebook
        codes = self.codes(column)
        return codes.astype(np.float64) if book is None else book.decode_array(codes)

    def center(self, column: str) -> float:
        """The fixed value that models subtract."""
        return self.dictionary.column(column).center

    def scale(self, column: str) -> float:
        """The fixed value that models divide by."""
        return self.dictionary.column(column).scale

    def width(self, column: str) -> int:
        """The highest code a column can have."""
        return self.dictionary.column(column).width

    def levels(self, column: str) -> tuple[str, ...]:
        """Names of a category's levels, of code 1 first; empty for a number or a bit."""
        book = self.dictionary.column(column).codebook
        return tuple(each.name for each in book.categories) if isinstance(book, CategoryBook) else ()

    def decode(self) -> "pd.DataFrame":
        """The table in the dictionary's units, categories by name, indexed by pseudonym."""
        import pandas as pd

        frame = {}
        for column in self.dictionary:
            book = column.codebook
            if isinstance(book, CategoryBook):
                names = [category.name for category in book.categories]
                frame[column.name] = pd.Categorical.from_codes(self.codes(column.name).astype(np.int32) - 1, names)
            elif column.kind == "bit":
                frame[column.name] = self.codes(column.name).astype(bool)
            else:
                frame[column.name] = self.values(column.name)
        return pd.DataFrame(frame, index=pd.Index(self.pseudonyms, name="pseudonym"))

    def select(self, keep: NDArray[np.bool_]) -> "CodedTable":
        """The table of the rows where `keep` is true, as after a consent was revoked."""
        return CodedTable(
            self.dictionary, {name: codes[keep] for name, codes in self._codes.items()}, self.pseudonyms[keep]
        )

    def to_bytes(self) -> bytes:
        """The stored form."""
        parts = [
            _HEADER.pack(MAGIC, VERSION, self.dictionary.hash, self.rows, len(self._codes)),
            self.pseudonyms.astype("<u8").tobytes(),
        ]
        for column in self.dictionary:
            codes = self._codes[column.name]
            packed = np.packbits(codes.astype(bool)) if column.kind == "bit" else codes.astype("<u2")
            parts.append(packed.tobytes())
        body = b"".join(parts)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, dictionary: Dictionary, data: bytes) -> "CodedTable":
        """Read the stored form. Raises TableCorrupted, or WrongDictionary if it was coded under another one."""
        if len(data) < _HEADER.size + _DIGEST_BYTES or not data.startswith(MAGIC):
            raise TableCorrupted("not a coded table, or its beginning is missing")
        body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            raise TableCorrupted("the checksum differs: the table was changed or cut off; take it from the vault again")
        _, version, dictionary_hash, rows, columns = _HEADER.unpack_from(body)
        if version != VERSION:
            raise TableCorrupted(f"format version {version} is not known; this program reads version {VERSION}")
        if dictionary_hash != dictionary.hash:
            raise WrongDictionary(
                f"the table was coded under dictionary {dictionary_hash.hex()[:16]}..., "
                f"not under {dictionary.name} ({dictionary.hash.hex()[:16]}...)"
            )
        sizes = [(rows + 7) // 8 if column.kind == "bit" else 2 * rows for column in dictionary]
        if columns != len(sizes) or len(body) != _HEADER.size + 8 * rows + sum(sizes):
            raise TableCorrupted("the length does not fit the number of rows and columns")
        offset = _HEADER.size + 8 * rows
        pseudonyms = np.frombuffer(body, "<u8", rows, _HEADER.size).astype(np.uint64)
        if bool(np.any(pseudonyms[1:] <= pseudonyms[:-1])):
            raise TableCorrupted("rows are not in ascending order of pseudonym")
        codes: dict[str, Codes] = {}
        for column, size in zip(dictionary, sizes, strict=True):
            raw = body[offset : offset + size]
            offset += size
            if column.kind == "bit":
                bits = np.unpackbits(np.frombuffer(raw, np.uint8))
                if bool(np.any(bits[rows:])):
                    raise TableCorrupted(f"column {column.name}: padding bits are set")
                codes[column.name] = bits[:rows].astype(np.uint16)
            else:
                codes[column.name] = np.frombuffer(raw, "<u2").astype(np.uint16)
        return cls(dictionary, codes, pseudonyms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CodedTable) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __repr__(self) -> str:
        return f"CodedTable({self.dictionary.name!r}, {self.rows} rows, {len(self._codes)} columns)"

    def _repr_html_(self) -> str:
        """Shape only: a notebook never shows a patient's row by accident."""
        name = html.escape(f"{self.dictionary.name} version {self.dictionary.version}")
        return f"<p><b>Coded table</b>: {self.rows:,} rows, {len(self._codes)} columns, dictionary {name}</p>"


def _checked(column: Column, codes: Codes, rows: int, order: NDArray[np.intp]) -> Codes:
    array = np.asarray(codes)
    if array.shape != (rows,) or array.dtype != np.uint16:
        raise TableCorrupted(f"column {column.name}: needs {rows} uint16 codes")
    if rows and int(array.max()) > column.width:
        raise TableCorrupted(f"column {column.name}: code {int(array.max())} passes its width {column.width}")
    if column.kind == "range" and not column.allows_missing and bool(np.any(array == 0)):
        raise TableCorrupted(f"column {column.name}: a value is missing, and the dictionary does not allow that")
    return _frozen(array[order])


def _frozen(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
