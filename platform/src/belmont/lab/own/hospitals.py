"""Hospitals that a study's code has to live with, made of rows that are here: small, one-sided, constant, marked."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.node.design import LEVEL_MARK, code_of, column_of
from belmont.federated.table import NodeTable

Column = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float64]]
TEN = 10


def copied(table: NodeTable, change: Callable[[str, Column], Column] | None = None) -> ArrayTable:
    """A table as plain arrays, each column changed by a function of its name."""
    columns = {}
    for name in table.columns:
        column = (
            np.array(table.codes(name)),
            np.array(table.observed(name), bool),
            np.array(table.values(name), np.float64),
        )
        columns[name] = column if change is None else change(name, column)
    numbers = {name: (table.center(name), table.scale(name), table.width(name)) for name in table.columns}
    levels = {name: table.levels(name) for name in table.columns}
    rows = len(next(iter(columns.values()))[0]) if columns else table.rows
    return ArrayTable(rows, columns, numbers, levels)


def repeated(table: NodeTable) -> ArrayTable:
    """Every row twice."""
    return copied(table, lambda _, column: tuple(np.concatenate([each, each]) for each in column))  # type: ignore[arg-type, return-value]


def with_row_of(table: NodeTable, features: Sequence[str], row: int, other: int) -> ArrayTable:
    """The same table, one row's features replaced by another row's."""
    named = set(map(column_of, features))

    def change(name: str, column: Column) -> Column:
        if name in named:
            for each in column:
                each[row] = each[other]
        return column

    return copied(table, change)


def without_row(table: NodeTable, row: int) -> ArrayTable:
    kept = np.arange(table.rows) != row
    return copied(table).select(kept)


def marked(table: NodeTable, columns: Sequence[str], rows: NDArray[np.bool_] | None = None) -> tuple[ArrayTable, Any]:
    """The same table with a number of its own in every row of these columns, and those numbers, raw and standardised.

    No sum or mean over rows comes out as one of them by chance.
    """
    chance = np.random.default_rng(20_240_101)
    named = set(map(column_of, columns))
    marks: list[NDArray[np.float64]] = []
    chosen = np.ones(table.rows, bool) if rows is None else rows

    def change(name: str, column: Column) -> Column:
        codes, observed, values = column
        if name not in named or table.levels(name) or table.width(name) <= 1:
            return column
        drawn = chance.uniform(-2.0, 2.0, table.rows)
        center, scale = table.center(name), table.scale(name)
        fresh = np.where(chosen & observed, center + scale * drawn, values)
        marks.extend((fresh[chosen & observed], (fresh[chosen & observed] - center) / scale))
        return codes, observed, fresh

    made = copied(table, change)
    return made, np.concatenate(marks) if marks else np.zeros(0)


def edges(table: NodeTable, features: Sequence[str], outcome: str) -> dict[str, ArrayTable]:
    """By what is odd about them."""
    columns = list(dict.fromkeys(map(column_of, features)))
    known = np.asarray(table.observed(outcome), bool)
    labels = np.asarray(table.values(outcome), np.float64)
    found: dict[str, ArrayTable] = {}
    classes = np.unique(labels[known])
    if len(classes) == 2:
        for value in classes:
            rows = known & (labels == value)
            if rows.any():
                found[f"a hospital with one class only, {outcome} = {value:g}"] = copied(table).select(rows)
        first = [np.flatnonzero(known & (labels == value))[: TEN // 2] for value in classes]
        ten = np.isin(np.arange(table.rows), np.concatenate(first))
    else:
        ten = np.isin(np.arange(table.rows), np.flatnonzero(known)[:TEN])
    found[f"a hospital of {int(ten.sum())} rows"] = copied(table).select(ten)
    one = np.arange(table.rows) == np.flatnonzero(known)[0]
    found["a hospital of one row"] = copied(table).select(one)
    if columns:
        found[f"a hospital where {columns[0]} is constant"] = copied(table, _constant({columns[0]}))
        found["a hospital where every column is constant"] = copied(table, _constant(set(columns)))
        found["a hospital where half of the values are missing"] = copied(table, _halved(set(columns), table))
    for feature in features:
        column, is_level, level = feature.partition(LEVEL_MARK)
        if is_level:
            rows = np.asarray(table.codes(column)) != code_of(table, column, level)
            if rows.any():
                found[f"a hospital where nobody has {feature}"] = copied(table).select(rows)
    return found


def _constant(names: set[str]) -> Callable[[str, Column], Column]:
    def change(name: str, column: Column) -> Column:
        codes, observed, values = column
        if name not in names or not observed.any():
            return column
        at = int(np.flatnonzero(observed)[0])
        return np.full_like(codes, codes[at]), np.ones_like(observed), np.full_like(values, values[at])

    return change


def _halved(names: set[str], table: NodeTable) -> Callable[[str, Column], Column]:
    def change(name: str, column: Column) -> Column:
        codes, observed, values = column
        if name not in names or table.width(name) <= 1:
            return column
        lost = np.arange(len(codes)) % 2 == 1
        return np.where(lost, 0, codes).astype(codes.dtype), observed & ~lost, np.where(lost, np.nan, values)

    return change
