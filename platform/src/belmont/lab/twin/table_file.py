"""A coded table as the CSV file that its dictionary describes: ``belmont data code`` reads it back to the same codes.

Identifier, day and consent are in the dictionary's own words; a twin's patients are called ``twin-1``, and nobody is.
"""

import csv
from pathlib import Path

import numpy as np

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Column
from belmont.lab.errors import LabError

DAY = "2000-01-01"


def write_csv(table: CodedTable, path: Path | str) -> Path:
    """Writes the table in the dictionary's units and format, and returns the path. Raises LabError."""
    target = Path(path).expanduser()
    about = table.dictionary.csv
    if not about.missing and any((table.codes(each.name) == 0).any() for each in table.dictionary if _may_miss(each)):
        raise LabError(f"dictionary {table.dictionary.name} has no word for a missing value under csv.missing")
    columns: dict[str, list[str]] = {about.identifier: [f"twin-{each}" for each in table.pseudonyms]}
    if about.date is not None:
        columns[about.date] = [DAY] * table.rows
    if about.consent is not None:
        columns[about.consent] = [about.consent_yes[0] if about.consent_yes else "yes"] * table.rows
    for column in table.dictionary:
        columns[column.csv.header] = _texts(table, column)
        if column.csv.unit_header is not None:
            columns[column.csv.unit_header] = [column.unit or ""] * table.rows
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=about.delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return target


def _may_miss(column: Column) -> bool:
    return column.kind != "bit" and column.allows_missing


def _texts(table: CodedTable, column: Column) -> list[str]:
    about, book = table.dictionary.csv, column.codebook
    missing = about.missing[0] if about.missing else ""
    if isinstance(book, NumericBook):
        values = book.decode_array(np.arange(column.width + 1, dtype=np.uint16))
        words = [f"{value:.{book.decimals}f}".replace(".", about.decimal) for value in values]
    elif isinstance(book, CategoryBook):
        words = ["", *(category.name for category in book.categories)]
    else:
        return [str(code) for code in table.codes(column.name)]
    words[0] = missing
    return [words[code] for code in table.codes(column.name)]
