"""Which committed columns an answer's cells are the totals of.

A layout numbers columns and a query names them; `Columns` is both. Counts, sums and means of all rows are totals of
registered columns; over what a filter selects they are totals of columns that a cohort proof derives from those.
"""

import hashlib
from dataclasses import dataclass

from belmont.federated.errors import QueryError
from belmont.federated.query.question import Aggregate, Query
from belmont.zk.cohort import Cohort, Condition
from belmont.zk.cohort_plan import Target
from belmont.zk.errors import ZkError
from belmont.zk.layout import Layout

PRESENT = 0
"""The committed column that is 1 in every row."""


@dataclass(frozen=True)
class Columns:
    """A dictionary's columns in its order, with the layout that their commitments follow."""

    names: tuple[str, ...]
    layout: Layout
    text_hash: bytes = b""
    """The rest of the dictionary's hash: with it `check_dictionary` can tell that the layout is a dataset's."""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.layout.columns) or len(set(self.names)) != len(self.names):
            raise QueryError("a layout has one column for each name, and every name once")

    def check_dictionary(self, dictionary_hash: bytes) -> None:
        """Raise QueryError unless a dataset with this dictionary hash was proved under this layout."""
        if hashlib.sha256(self.layout.hash + self.text_hash).digest() != dictionary_hash:
            raise QueryError("the layout given is not that of the dataset's dictionary")

    def value(self, name: str) -> int:
        """Place of a column among the committed ones. Raises QueryError if there is none."""
        return self.layout.places[self.at(name)].value

    def observed(self, name: str) -> int:
        """Place of the column that says which rows have a value."""
        place = self.layout.places[self.at(name)].observed
        return PRESENT if place is None else place

    def width(self, name: str) -> int:
        """The largest code of a column."""
        return self.layout.columns[self.at(name)].width

    def name_of(self, place: int) -> str:
        """What a committed column holds, in words; only its number for pseudonyms and what does not exist."""
        found = {PRESENT: "patients"}
        for name, where in zip(self.names, self.layout.places, strict=True):
            found[where.value] = name
            if where.observed is not None:
                found[where.observed] = f"patients with {name}"
        return found.get(place, f"column {place}")

    def at(self, name: str) -> int:
        """Place of a column in the dictionary. Raises QueryError if there is none."""
        try:
            return self.names.index(name)
        except ValueError as error:
            raise QueryError(f"the dictionary has no column {name!r}") from error


def cells_of(query: Query, columns: Columns) -> tuple[int, ...]:
    """For each cell of a query over all rows the committed column whose total it is."""
    if query.column is None:
        return (PRESENT,)
    return (columns.observed(query.column), columns.value(query.column))


def cohort_of(query: Query, columns: Columns) -> Cohort:
    """The question as a cohort proof has it: the filter's conditions in the layout's order, and one total a cell.

    Codes above a column's width are left out of its condition, since no row has them. Raises QueryError where none is
    left: no row is selected.
    """
    conditions = []
    for condition in query.where:
        width = columns.width(condition.column)
        inside = tuple((low, min(high, width)) for low, high in condition.intervals if low <= width)
        if not inside:
            raise QueryError(f"no row has such a code of {condition.column!r}")
        conditions.append(Condition(columns.at(condition.column), inside))
    rows: Target = ()
    targets: tuple[Target, ...] = (rows,)
    if query.column is not None:
        observed = columns.observed(query.column)
        value = columns.value(query.column)
        targets = (rows if observed == PRESENT else (observed,), (value,))
        if query.aggregate is Aggregate.VARIANCE:
            targets = (*targets, (value, value))
    try:
        return Cohort(tuple(sorted(conditions, key=lambda each: each.column)), targets)
    except ZkError as error:
        raise QueryError(f"no proof covers this question: {error}") from error
