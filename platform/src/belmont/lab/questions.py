"""Questions in the dictionary's own units and category names, and their answers read back the same way.

mean("hba1c")
count(age=(40, 65), smoking=["current"])
histogram("bmi", cells=12, cvd_event=[True])
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.dictionary import Column, Dictionary
from belmont.federated.query import question
from belmont.federated.query.columns import Columns
from belmont.federated.query.units import BIT, LinearCoding
from belmont.lab.errors import LabError
from belmont.zk.layout import Layout

Allowed = tuple[float, float] | Iterable[str | bool]
"""A range in the column's unit, both ends included, or the categories (or truth values) to keep."""


@dataclass(frozen=True)
class Question:
    """What to ask of all hospitals together: ``count``, ``total``, ``mean``, ``variance`` or ``histogram`` make one."""

    aggregate: question.Aggregate
    column: str | None
    where: tuple[tuple[str, Allowed], ...] = ()
    cells: int = 0
    """Histogram of a numeric column: about how many cells; 0 for one cell a code."""

    def query(self, dictionary: Dictionary) -> question.Query:
        """The question in the dictionary's codes. Raises ``LabError`` or ``DictionaryError`` naming the column."""
        conditions = tuple(_condition(dictionary.column(name), allowed) for name, allowed in self.where)
        if self.column is None:
            return question.count(*conditions)
        column = dictionary.column(self.column)
        if self.aggregate is question.Aggregate.HISTOGRAM:
            per_cell = -(-column.width // self.cells) if self.cells else 1
            return question.histogram(column.name, *conditions, codes_per_cell=per_cell)
        if isinstance(column.codebook, CategoryBook):
            raise LabError(f"{column.name} has categories, which do not add up: ask for histogram({column.name!r})")
        return question.Query(self.aggregate, column.name, conditions)

    def __str__(self) -> str:
        asked = f"{self.aggregate}({self.column})" if self.column else "count()"
        return asked + (" where " + " and ".join(_spoken(*item) for item in self.where) if self.where else "")


def count(**where: Allowed) -> Question:
    """How many patients."""
    return Question(question.Aggregate.COUNT, None, tuple(where.items()))


def total(column: str, **where: Allowed) -> Question:
    """The sum of a column over the patients who have a value."""
    return Question(question.Aggregate.SUM, column, tuple(where.items()))


def mean(column: str, **where: Allowed) -> Question:
    """The mean of a column over the patients who have a value."""
    return Question(question.Aggregate.MEAN, column, tuple(where.items()))


def variance(column: str, **where: Allowed) -> Question:
    """The sample variance of a column over the patients who have a value."""
    return Question(question.Aggregate.VARIANCE, column, tuple(where.items()))


def histogram(column: str, cells: int = 0, **where: Allowed) -> Question:
    """How many patients in each category, or in about ``cells`` equal ranges of a numeric column."""
    return Question(question.Aggregate.HISTOGRAM, column, tuple(where.items()), cells)


def columns_of(dictionary: Dictionary) -> Columns:
    """What a proof of an answer needs of a dictionary."""
    names = tuple(column.name for column in dictionary)
    return Columns(names, Layout.from_bytes(dictionary.layout), dictionary.text_hash)


def coding_of(column: Column) -> LinearCoding:
    """How a column's codes stand for values, so that a total of codes becomes a total in its unit."""
    book = column.codebook
    return LinearCoding(book.minimum, book.step) if isinstance(book, NumericBook) else BIT


def cell_labels(column: Column, codes_per_cell: int) -> list[str]:
    """What each cell of a histogram stands for; the first is the patients without a value."""
    book = column.codebook
    if isinstance(book, CategoryBook):
        names = [category.name for category in book.categories]
    elif isinstance(book, NumericBook):
        codes = np.arange(1, book.width + 1, dtype=np.uint16)
        names = [f"{value:g}" for value in book.decode_array(codes)]
    else:
        return ["no", "yes"]
    groups = [names[start : start + codes_per_cell] for start in range(0, len(names), codes_per_cell)]
    return ["missing", *(group[0] if len(group) == 1 else f"{group[0]} to {group[-1]}" for group in groups)]


def shown_unit(column: Column) -> str:
    """A column's unit as people write it: UCUM's years are `a`, its pressures `mm[Hg]`."""
    return _SHOWN_UNITS.get(column.unit or "", column.unit or "")


_SHOWN_UNITS = {"a": "years", "mm[Hg]": "mmHg", "mL/min/{1.73_m2}": "mL/min/1.73 m²", "kg/m2": "kg/m²"}


def _condition(column: Column, allowed: Allowed) -> question.Condition:
    book = column.codebook
    if isinstance(book, NumericBook):
        return _range(column, book, allowed)
    if isinstance(allowed, str) or not isinstance(allowed, Iterable):
        raise LabError(f"{column.name}: give the values to keep as a list, for example {column.name}=[...]")
    values = list(allowed)
    if isinstance(book, CategoryBook):
        codes = [book.encode(value) if isinstance(value, str) else 0 for value in values]
    else:
        codes = [int(value) if isinstance(value, bool) else -1 for value in values]
    unknown = [value for value, code in zip(values, codes, strict=True) if code < (0 if book is None else 1)]
    if unknown or not values:
        names = [c.name for c in book.categories] if isinstance(book, CategoryBook) else [True, False]
        raise LabError(f"{column.name}: {unknown or 'nothing'} cannot be kept; the values are {names}")
    return question.one_of(column.name, codes)


def _range(column: Column, book: NumericBook, allowed: Allowed) -> question.Condition:
    unit = shown_unit(column)
    if not isinstance(allowed, tuple) or len(allowed) != 2:
        raise LabError(f"{column.name}: give a range as (lowest, highest) {unit}".rstrip())
    low, high = (float(end) for end in allowed)
    if not book.minimum <= low <= high <= book.maximum:
        raise LabError(f"{column.name}: the range goes from {book.minimum:g} to {book.maximum:g} {unit}")
    return question.between(column.name, book.encode(low), book.encode(high))


def _spoken(name: str, allowed: Allowed) -> str:
    if isinstance(allowed, tuple):
        return f"{name} from {allowed[0]:g} to {allowed[1]:g}"
    return f"{name} in {list(allowed)}"
