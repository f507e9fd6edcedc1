"""One hospital's answer vector, in the clear and at home.

Small cells of a histogram contribute nothing: a cell of fewer than ``smallest_cell`` rows is 0 here, and the second
half of the vector says so. An empty cell is small too, so that absence is not told apart from a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from belmont.federated.errors import QueryError
from belmont.federated.query.question import Aggregate, Query
from belmont.federated.table import NodeTable

SMALLEST_CELL = 8
"""Fewer rows than this in a histogram's cell contribute nothing."""


@dataclass(frozen=True)
class LocalAnswer:
    """What one hospital would add to the total; ``cohort_rows`` are the rows it rests on."""

    cells: list[int]
    cohort_rows: int


def aggregate(table: NodeTable, query: Query, smallest_cell: int = SMALLEST_CELL) -> LocalAnswer:
    """Answer a query over one table. Raises QueryError for a column that the table does not have."""
    check_columns(table, query)
    keep = query.selected(table)
    if query.aggregate is Aggregate.COUNT or query.column is None:
        rows = int(keep.sum())
        return LocalAnswer([rows], rows)
    codes = np.asarray(table.codes(query.column), np.int64)
    if query.aggregate is not Aggregate.HISTOGRAM:
        keep = keep & np.asarray(table.observed(query.column), bool)
        rows, kept = int(keep.sum()), codes[keep]
        cells = [rows, int(kept.sum())]
        if query.aggregate is Aggregate.VARIANCE:
            cells.append(int((kept * kept).sum()))
        return LocalAnswer(cells, rows)
    half = query.cells(table.width(query.column)) // 2
    cell_of_code = np.where(codes == 0, 0, 1 + (codes - 1) // query.codes_per_cell)
    counts = np.bincount(cell_of_code[keep], minlength=half)
    contributes = counts >= smallest_cell
    return LocalAnswer([*np.where(contributes, counts, 0).tolist(), *contributes.astype(int).tolist()], int(keep.sum()))


def check_columns(table: NodeTable, query: Query) -> None:
    """Raise QueryError unless the table has every column that the query names."""
    known = set(table.columns)
    for column in query.columns():
        if column not in known:
            raise QueryError(f"the table has no column {column!r}")


def clear_totals(tables: Sequence[NodeTable], query: Query, smallest_cell: int = SMALLEST_CELL) -> tuple[int, ...]:
    """The same totals without encryption: the yardstick for synthetic data, where one may see all tables."""
    answers = [aggregate(table, query, smallest_cell).cells for table in tables]
    return tuple(sum(column) for column in zip(*answers, strict=True))
