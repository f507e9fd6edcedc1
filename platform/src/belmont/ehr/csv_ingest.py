"""A hospital's own CSV table in, coded table out.

The dictionary names the header of each column and, where a file holds several units, the header of the column that says
which. Text is taken as it stands, without surrounding blanks: a number is a number in the dictionary's decimal sign, a
category one of its listed words, a bit one of 0/1, no/yes, false/true. One row a patient: where there are more, the
newest by the `date` column counts, or the first where the dictionary names none.

Where the dictionary names a consent column, a row is also a statement about consent, and they rank as Consents do
(`consent`): the newest decides, of two on one day the one that denies, and without a date column any row that denies.
Anything but one of `consent_yes` denies. A row that denies counts even if its date cannot be read; if its identifier
cannot, or if fields are missing or too many, so that no field is sure to be what its header says, the file is refused.
A column says no more than yes: who consents permits the dictionary's purpose, without limits and without an end.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.consent import Statement, dated
from belmont.ehr.consent_terms import BROAD_PURPOSE, TermsBook, without_limits
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import (
    ConsentUnreadable,
    DenialUnplaced,
    DictionaryError,
    HeaderRefused,
    InputMissing,
    InputTruncated,
    WrongDictionary,
)
from belmont.ehr.fhir_ingest import Ingested
from belmont.ehr.fhir_values import BadValue, moment, shown
from belmont.ehr.lines import numbered_lines
from belmont.ehr.quality import QualityCounts
from belmont.ehr.rows import Place, Rows, refuse_file

Progress = Callable[[int, int], None]

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_BITS = {"0": 0, "no": 0, "false": 0, "1": 1, "yes": 1, "true": 1}


@dataclass(frozen=True, slots=True)
class _Record:
    """The newest row of a patient so far."""

    when: float
    cells: list[str]
    place: Place


def read_csv(
    path: Path | str,
    dictionary: Dictionary,
    pseudonym_key: bytes,
    *,
    as_of: date | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Code one CSV file (or .csv.gz). A consent dated after `as_of` (today in UTC by default) does not count yet.

    Raises an InputRefused that names file and line, WrongDictionary, DictionaryError or PseudonymCollision.
    """
    path = Path(path)
    if dictionary.consent is not None and dictionary.consent.required and dictionary.csv.consent is None:
        raise DictionaryError(f"{dictionary.name} requires consent; name the CSV's consent column under csv.consent")
    if not path.is_file():
        raise InputMissing(path, None, "no such file")
    counts = QualityCounts(path.name)
    size, done = path.stat().st_size, 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, size)

    records = _records(path, dictionary, counts, told)
    header, where = next(records, (None, None))
    if header is None or where is None:
        raise InputMissing(path, None, "the file is empty")
    places = _header(header, dictionary, where)
    stated = _Consents(dictionary, places, as_of or datetime.now(UTC).date()) if _asks(dictionary) else None
    patients = _patients(records, places, dictionary, counts, stated)
    table_rows = Rows(dictionary, counts)
    for identifier, record in patients.items():
        if stated is not None and not stated.allow(identifier):
            counts.consent_denied += 1
            continue
        row = table_rows.begin(identifier, record.place)
        for column in dictionary:
            _cell(table_rows, row, column, record, places)
    table = table_rows.finish(pseudonym_key)
    book = TermsBook()
    purpose = BROAD_PURPOSE if dictionary.consent is None else dictionary.consent.purpose
    yes = (book.number(without_limits(purpose)),)
    consents = book.terms(pseudonym_key, ((each, yes) for each in table_rows.identifiers))
    return Ingested(table, counts.report(table, len(patients)), consents)


def _records(
    path: Path, dictionary: Dictionary, counts: QualityCounts, progress: Callable[[int], None]
) -> Iterator[tuple[list[str], Place]]:
    """Cells and place of each record; a record the CSV rules refuse follows the dictionary's policy for lines."""
    last_line, ended = 0, True

    def lines() -> Iterator[str]:
        nonlocal last_line, ended
        for number, text, complete in numbered_lines(path, progress):
            last_line, ended = number, complete
            yield text + "\n"

    reader = csv.reader(lines(), delimiter=dictionary.csv.delimiter, strict=True)
    width = None
    while True:
        begin = last_line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise InputTruncated(path, begin, "a quoted field never ends; export the file again") from error
            _unreadable(Place(path, last_line), dictionary, counts, f"not CSV: {error}")
            continue
        counts.lines_read += 1
        place = Place(path, last_line)
        if width is None:
            width = len(cells)
        elif len(cells) != width:
            if len(cells) < width and not ended:
                raise InputTruncated(path, last_line, "the last line is cut off; export the file again")
            _unreadable(place, dictionary, counts, f"{len(cells)} fields where the header has {width}")
            continue
        yield cells, place


def _asks(dictionary: Dictionary) -> bool:
    """Whether rows state consent."""
    return dictionary.consent is not None and dictionary.csv.consent is not None


def _unreadable(place: Place, dictionary: Dictionary, counts: QualityCounts, reason: str) -> None:
    """A row whose fields cannot be told apart. Raises ConsentUnreadable where one of them is consent."""
    if _asks(dictionary):
        raise ConsentUnreadable(place.path, place.line, f"{reason}; the row may deny consent, so correct it first")
    _bad_line(place, dictionary, counts, reason)


def _bad_line(place: Place, dictionary: Dictionary, counts: QualityCounts, reason: str) -> None:
    if dictionary.on_malformed_line == "refuse_file":
        refuse_file(place, reason)
    counts.refuse("line", str(place), None, "malformed line", reason)


def _header(header: list[str], dictionary: Dictionary, place: Place) -> dict[str, int]:
    """Where each header is. Raises HeaderRefused for one that is missing or there twice, WrongDictionary for most."""
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HeaderRefused(place.path, place.line, f"two columns are named {', '.join(map(repr, twice))}")
    wanted = [dictionary.csv.identifier, *(name for name in (dictionary.csv.date,) if name)]
    if dictionary.consent is not None and dictionary.csv.consent is not None:
        wanted.append(dictionary.csv.consent)
    for column in dictionary:
        wanted += [name for name in (column.csv.header, column.csv.unit_header) if name is not None]
    missing = [name for name in wanted if name not in names]
    if 2 * len(missing) > len(wanted):
        raise WrongDictionary(
            f"{place.path}:{place.line}: {len(missing)} of {len(wanted)} columns of dictionary {dictionary.name} "
            f"are not there (among them {missing[0]!r}); is this the dictionary of this file?"
        )
    if missing:
        raise HeaderRefused(place.path, place.line, f"the columns {', '.join(map(repr, missing))} are missing")
    return {name: number for number, name in enumerate(names)}


class _Consents:
    """What the rows of each patient state about consent."""

    def __init__(self, dictionary: Dictionary, places: dict[str, int], today: date) -> None:
        self._column = places[dictionary.csv.consent or ""]
        self._date = places[dictionary.csv.date] if dictionary.csv.date else None
        self._yes = frozenset(dictionary.csv.consent_yes)
        self._today = today
        self._said: dict[str, Statement] = {}

    def hear(self, identifier: str | None, cells: list[str], place: Place) -> None:
        """A row's statement. Raises DenialUnplaced where it denies and its patient is unknown."""
        denies = cells[self._column].strip() not in self._yes
        if identifier is None:
            if denies:
                reason = "the row denies consent, and its identifier cannot be read; correct it first"
                raise DenialUnplaced(place.path, place.line, reason)
            return
        try:
            said = dated(None if self._date is None else cells[self._date].strip(), denies, self._today)
        except BadValue:
            said = dated(None, True, self._today) if denies else None
        if said is not None:
            before = self._said.get(identifier)
            self._said[identifier] = said if before is None else max(before, said)

    def allow(self, identifier: str) -> bool:
        said = self._said.get(identifier)
        return said is not None and not said.denies


def _patients(
    records: Iterator[tuple[list[str], Place]],
    places: dict[str, int],
    dictionary: Dictionary,
    counts: QualityCounts,
    consents: _Consents | None,
) -> dict[str, _Record]:
    """The newest record of each patient, in the file's order."""
    patients: dict[str, _Record] = {}
    identifier_place = places[dictionary.csv.identifier]
    date_place = places[dictionary.csv.date] if dictionary.csv.date else None
    for cells, place in records:
        identifier = cells[identifier_place].strip()
        known = bool(identifier) and identifier.isprintable() and identifier not in dictionary.csv.missing
        if consents is not None:
            consents.hear(identifier if known else None, cells, place)
        try:
            if not known:
                what = f"{shown(identifier)}, which names nobody" if identifier else "empty"
                raise BadValue("no identifier", f"{dictionary.csv.identifier} is {what}")
            when = 0.0 if date_place is None else moment(cells[date_place].strip()).seconds
        except BadValue as error:
            _bad_line(place, dictionary, counts, error.reason)
            continue
        counts.resources["row"] += 1
        before = patients.get(identifier)
        if before is not None:
            counts.duplicate_patients += 1
            if when <= before.when:
                continue
        patients[identifier] = _Record(when, cells, place)
    return patients


def _cell(rows: Rows, row: int, column: Column, record: _Record, places: dict[str, int]) -> None:
    text = record.cells[places[column.csv.header]].strip()
    missing = text in rows.dictionary.csv.missing
    if missing and column.kind == "range":
        return
    try:
        if missing:
            raise BadValue("missing value", "a bit is empty; write 0 or 1")
        rows.set(row, column, _code(rows, column, text, record, places), record.place)
    except BadValue as error:
        rows.bad(row, column, record.place, error)


def _code(rows: Rows, column: Column, text: str, record: _Record, places: dict[str, int]) -> int:
    book = column.codebook
    if isinstance(book, NumericBook):
        unit = column.unit
        if column.csv.unit_header is not None:
            unit = record.cells[places[column.csv.unit_header]].strip() or None
        return rows.number_code(column, _number(text, rows.dictionary.csv.decimal), unit)
    if isinstance(book, CategoryBook):
        code = book.encode(text)
        if code == 0:
            raise BadValue("unknown code", f"{shown(text)} is no category")
        return code
    bit = _BITS.get(text.lower())
    if bit is None:
        raise BadValue("unknown code", f"{shown(text)} is neither 0 nor 1")
    return bit


def _number(text: str, decimal: str) -> float:
    plain = text if decimal == "." else text.replace(".", "?").replace(decimal, ".")
    if not _NUMBER.fullmatch(plain):
        raise BadValue("not a number", f"{shown(text)} is no number")
    return float(plain)
