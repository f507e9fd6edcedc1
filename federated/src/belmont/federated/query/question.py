"""Questions that hospitals answer together: count, sum, mean, variance, histogram of a column, for a filter's rows.

Everything is in the dictionary's integer codes, so that totals are exact and two ways of asking the same have one
canonical form. A filter is a conjunction: for each named column, the codes that are allowed, as sorted disjoint
intervals. What one hospital's answer vector holds, cell by cell:

    COUNT      rows
    SUM, MEAN  rows with a value, sum of their codes
    VARIANCE   rows with a value, sum of their codes, sum of their codes' squares
    HISTOGRAM  for each cell its rows (missing first), then for each cell 1 if this hospital contributed to it
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import QueryError
from belmont.federated.hashes import canonical_json
from belmont.federated.table import NodeTable
from belmont.registry.strict_json import loads

MAX_CODE = 4_031
MAX_CONDITIONS = 64
MAX_INTERVALS = 256
MAX_CELLS = 8_192
"""Slots of one BFV ciphertext at ring dimension 8192."""
MAX_CANONICAL_BYTES = 65_536
_FORMAT = "belmont-query/1"


class Aggregate(StrEnum):
    """What is asked."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    VARIANCE = "variance"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Condition:
    """A column's code lies in one of these intervals (both ends included)."""

    column: str
    intervals: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Query:
    """A question in canonical form; build it with ``count``, ``total``, ``mean``, ``variance``, ``histogram``."""

    aggregate: Aggregate
    column: str | None
    where: tuple[Condition, ...] = ()
    codes_per_cell: int = 1
    """Histogram only: how many neighbouring codes share a cell; missing always has one of its own."""

    def __post_init__(self) -> None:
        if (self.column is None) != (self.aggregate is Aggregate.COUNT):
            raise QueryError("a count names no column, every other aggregate names one")
        if not (self.column is None or isinstance(self.column, str)) or type(self.codes_per_cell) is not int:
            raise QueryError("column is text and codes_per_cell a whole number")
        if self.codes_per_cell < 1 or (self.codes_per_cell > 1 and self.aggregate is not Aggregate.HISTOGRAM):
            raise QueryError("codes_per_cell is at least 1, and only a histogram has cells")
        object.__setattr__(self, "where", _conjunction(self.where))

    def canonical(self) -> bytes:
        """The one encoding of this question: what is hashed, opened on chain and sent."""
        return canonical_json(
            {
                "format": _FORMAT,
                "aggregate": str(self.aggregate),
                "column": self.column,
                "codes_per_cell": self.codes_per_cell,
                "where": [[c.column, [list(interval) for interval in c.intervals]] for c in self.where],
            }
        )

    @classmethod
    def from_canonical(cls, data: bytes) -> "Query":
        """Read a canonical encoding. Raises QueryError for any other bytes, also if they only mean the same."""
        if len(data) > MAX_CANONICAL_BYTES:
            raise QueryError("the query is too large")
        try:
            fields = loads(data)
            where = tuple(Condition(column, tuple((a, b) for a, b in pairs)) for column, pairs in fields["where"])
            query = cls(Aggregate(fields["aggregate"]), fields["column"], where, fields["codes_per_cell"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise QueryError("the query cannot be read") from error
        if query.canonical() != data:
            raise QueryError("the query is not in its canonical form")
        return query

    def cells(self, width: int) -> int:
        """Length of the answer vector; ``width`` is the largest code of the column (ignored for a count)."""
        if self.aggregate is Aggregate.COUNT:
            return 1
        if self.aggregate is not Aggregate.HISTOGRAM:
            return 3 if self.aggregate is Aggregate.VARIANCE else 2
        cells = 2 * (1 + -(-width // self.codes_per_cell))
        if cells > MAX_CELLS:
            raise QueryError(f"the histogram has {cells // 2} cells; raise codes_per_cell")
        return cells

    def cell_bounds(self, rows: int, width: int, hospitals: int = 1) -> tuple[int, ...]:
        """The most that each cell can be, over ``hospitals`` tables with ``rows`` rows together."""
        if self.aggregate is Aggregate.COUNT:
            return (rows,)
        if self.aggregate is not Aggregate.HISTOGRAM:
            return (rows, rows * max(width, 1), rows * max(width, 1) ** 2)[: self.cells(width)]
        half = self.cells(width) // 2
        return (rows,) * half + (hospitals,) * half

    def selected(self, table: NodeTable) -> NDArray[np.bool_]:
        """The rows that the filter selects."""
        keep = np.ones(table.rows, bool)
        for condition in self.where:
            codes = table.codes(condition.column)
            inside = np.zeros(table.rows, bool)
            for low, high in condition.intervals:
                inside |= (codes >= low) & (codes <= high)
            keep &= inside
        return keep

    def columns(self) -> tuple[str, ...]:
        """Every column that the question names."""
        asked = () if self.column is None else (self.column,)
        return tuple(dict.fromkeys((*asked, *(c.column for c in self.where))))


def between(column: str, low: int, high: int) -> Condition:
    """Codes from ``low`` to ``high``, both included."""
    return Condition(column, ((low, high),))


def one_of(column: str, codes: Iterable[int]) -> Condition:
    """Any of these codes."""
    return Condition(column, tuple((code, code) for code in codes))


def count(*where: Condition) -> Query:
    """How many rows."""
    return Query(Aggregate.COUNT, None, where)


def total(column: str, *where: Condition) -> Query:
    """The sum of a column."""
    return Query(Aggregate.SUM, column, where)


def mean(column: str, *where: Condition) -> Query:
    """The mean of a column over the rows that have a value."""
    return Query(Aggregate.MEAN, column, where)


def variance(column: str, *where: Condition) -> Query:
    """The variance of a column over the rows that have a value."""
    return Query(Aggregate.VARIANCE, column, where)


def histogram(column: str, *where: Condition, codes_per_cell: int = 1) -> Query:
    """How many rows have each code of a column, or fall into each group of neighbouring codes."""
    return Query(Aggregate.HISTOGRAM, column, where, codes_per_cell)


def _conjunction(where: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """One condition for each column, sorted by name."""
    allowed: dict[str, tuple[tuple[int, int], ...]] = {}
    for condition in where:
        if not isinstance(condition.column, str):
            raise QueryError("a condition names a column")
        merged = _merged(condition)
        earlier = allowed.get(condition.column)
        both = merged if earlier is None else _intersection(earlier, merged)
        if not both:
            raise QueryError(f"no code of {condition.column!r} satisfies the whole filter")
        allowed[condition.column] = both
    if len(allowed) > MAX_CONDITIONS:
        raise QueryError(f"a filter has at most {MAX_CONDITIONS} columns")
    return tuple(Condition(column, allowed[column]) for column in sorted(allowed))


def _merged(condition: Condition) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(condition.intervals):
        if not (_is_code(low) and _is_code(high)) or low > high:
            raise QueryError(f"{condition.column!r}: an interval goes from a code to one that is not smaller")
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    if not merged or len(merged) > MAX_INTERVALS:
        raise QueryError(f"{condition.column!r}: a condition has 1 to {MAX_INTERVALS} intervals")
    return tuple(merged)


def _intersection(a: tuple[tuple[int, int], ...], b: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (max(low_a, low_b), min(high_a, high_b))
        for low_a, high_a in a
        for low_b, high_b in b
        if max(low_a, low_b) <= min(high_a, high_b)
    )


def _is_code(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_CODE
