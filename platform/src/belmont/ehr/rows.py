"""Rows in the making: what the readers of FHIR and of CSV share from the first value to the finished table.

Rules, in order:

1. A bad value follows its column's policy: the value is dropped, the row is dropped, or the file is refused.
2. Of several valid values the newest counts; of two of one moment the one whose tie-break is greater. The same value of
   one moment again is a duplicate, another value a conflict.
3. Checks between columns run on the values chosen.
4. A row without a value that its column requires is dropped, or the file refused.
5. Rows of patients without consent were never begun.
"""

from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import Codes, NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.coding import failed_checks
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import RecordRefused
from belmont.ehr.fhir_values import BadValue, shown
from belmont.ehr.pseudonyms import pseudonyms
from belmont.ehr.quality import QualityCounts


class Place(NamedTuple):
    """A line of a file."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


class _Chosen(NamedTuple):
    when: float
    tie_break: tuple[str, str]
    code: int
    place: Place


class Rows:
    """Values of patients by row number and column name, until `finish` makes the table."""

    def __init__(self, dictionary: Dictionary, counts: QualityCounts) -> None:
        self.dictionary = dictionary
        self.counts = counts
        self.identifiers: list[str] = []
        self._places: list[Place] = []
        self._dropped: dict[int, bool] = {}
        self._chosen: dict[str, dict[int, _Chosen]] = {column.name: {} for column in dictionary}

    def begin(self, identifier: str, place: Place) -> int:
        """A new row for a patient; its number."""
        self.identifiers.append(identifier)
        self._places.append(place)
        return len(self.identifiers) - 1

    def drop(self, row: int, place: Place, column: str | None, category: str, reason: str) -> None:
        """Leave a row out; its first reason is counted."""
        if row not in self._dropped:
            self._dropped[row] = True
            self.counts.refuse("row", str(place), column, category, reason)

    def bad(self, row: int, column: Column, place: Place, error: BadValue) -> None:
        """A bad value, by the column's policy. Raises RecordRefused where that is to refuse the file."""
        if column.on_bad == "refuse_file":
            refuse_file(place, f"{column.name}: {error.reason}")
        if column.on_bad == "drop_row":
            self.drop(row, place, column.name, error.category, error.reason)
        else:
            self.counts.refuse("value", str(place), column.name, error.category, error.reason)

    def number_code(self, column: Column, value: float, unit: str | None) -> int:
        """The code of a number with a unit. Raises BadValue for a unit not listed or a value out of range."""
        book = column.codebook
        if not isinstance(book, NumericBook):
            raise BadValue("not a category", f"{shown(value)} is a number, and {column.name} has categories")
        converted = column.convert(value, unit)
        if converted is None:
            raise BadValue("unknown unit", f"unit {shown(unit)} is not listed (value {value:g})")
        code = book.encode(converted)
        if code == 0:
            given = f"{value:g}" if unit == column.unit else f"{value:g} {unit} = {converted:g}"
            raise BadValue(
                "out of range", f"{given} {column.unit or ''} is outside {book.minimum:g} to {book.maximum:g}"
            )
        if unit != column.unit:
            self.counts.unit_conversions[column.name] += 1
        return code

    def put(self, row: int, column: Column, code: int, when: float, tie_break: tuple[str, str], place: Place) -> None:
        """A valid value; the newest stays."""
        chosen = self._chosen[column.name]
        before = chosen.get(row)
        if before is not None:
            if when == before.when:
                counter = self.counts.duplicates if code == before.code else self.counts.conflicts
                counter[column.name] += 1
            if (when, tie_break) <= (before.when, before.tie_break):
                return
        chosen[row] = _Chosen(when, tie_break, code, place)

    def set(self, row: int, column: Column, code: int, place: Place) -> None:
        """A value that no other can replace."""
        self._chosen[column.name][row] = _Chosen(float("inf"), ("", ""), code, place)

    def finish(self, key: bytes) -> CodedTable:
        """The table of all rows that are left. Raises RecordRefused, PseudonymCollision."""
        codes = {column.name: self._codes(column) for column in self.dictionary}
        self._run_checks(codes)
        for column in self.dictionary:
            if column.kind == "range" and not column.allows_missing:
                for row in np.flatnonzero(codes[column.name] == 0).tolist():
                    self._missing(row, column)
        keep = np.ones(len(self.identifiers), bool)
        keep[list(self._dropped)] = False
        kept = [identifier for identifier, kept in zip(self.identifiers, keep.tolist(), strict=True) if kept]
        return CodedTable(self.dictionary, {name: each[keep] for name, each in codes.items()}, pseudonyms(key, kept))

    def _codes(self, column: Column) -> Codes:
        codes = np.zeros(len(self.identifiers), np.uint16)
        chosen = self._chosen[column.name]
        if chosen:
            codes[np.fromiter(chosen, np.intp, len(chosen))] = [each.code for each in chosen.values()]
        return codes

    def _missing(self, row: int, column: Column) -> None:
        if row in self._dropped:
            return
        reason = f"{column.name} has no value, and the dictionary requires one"
        if column.on_bad == "refuse_file":
            refuse_file(self._places[row], reason)
        self.drop(row, self._places[row], column.name, "missing value", reason)

    def _run_checks(self, codes: dict[str, Codes]) -> None:
        for check, fails in failed_checks(self.dictionary, codes):
            left, right = self.dictionary.column(check.left), self.dictionary.column(check.right)
            error = BadValue("failed check", f"{left.name} is not greater than {right.name}")
            for row in np.flatnonzero(fails).tolist():
                for column in (left, right):
                    self.bad(row, column, self._chosen[column.name][row].place, error)
            _clear(codes[left.name], fails)
            _clear(codes[right.name], fails)


def refuse_file(place: Place, reason: str) -> NoReturn:
    """Refuse the whole file for one record, as the dictionary says."""
    raise RecordRefused(place.path, place.line, f"{reason}; the dictionary refuses the file for this")


def _clear(codes: Codes, where: NDArray[np.bool_]) -> None:
    codes[where] = 0
