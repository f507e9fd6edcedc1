"""Subgroups of patients, as a configuration names them: ``groups = "sex;age:40,60;smoking:never,current"``.

1. ``sex``: a part for each value of a bit, or each level of a category, in the dictionary's order. The configuration
   does not say how many there are, so there are ``MOST_LEVELS`` slots, and a category with more is refused.
2. ``age:40,60``: cut points in the column's unit, ascending: below 40, from 40 to below 60, 60 and above.
3. ``smoking:never,current``: these levels of a category.
4. Whose value is missing is in no part.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError

MOST_LEVELS = 6
MOST_PARTS = 40
"""Of all groups together."""


@dataclass(frozen=True)
class GroupColumn:
    """One column of the rows that are evaluated, (rows,) each; ``width`` is its largest code."""

    codes: NDArray[np.int64]
    observed: NDArray[np.bool_]
    values: NDArray[np.float64]
    levels: tuple[str, ...]
    width: int


@dataclass(frozen=True)
class Group:
    """A column, and how it is cut: by points (2), by levels (3), or by every level (1) where there is neither."""

    column: str
    cuts: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """One for each part; of every level only the number is known here (`labelled`)."""
        if self.cuts:
            points = [f"{cut:g}" for cut in self.cuts]
            inner = [f"{self.column} {low} to <{high}" for low, high in pairwise(points)]
            return (f"{self.column} <{points[0]}", *inner, f"{self.column} >={points[-1]}")
        if self.levels:
            return tuple(f"{self.column}={level}" for level in self.levels)
        return tuple(f"{self.column} #{k + 1}" for k in range(MOST_LEVELS))

    def labelled(self, levels: tuple[str, ...]) -> tuple[str, ...]:
        """The same where the column's levels are known; a bit has none."""
        if self.cuts or self.levels:
            return self.names
        known = [f"{self.column}={level}" for level in levels or ("0", "1")]
        return (*known, *self.names[len(known) :])

    def places(self, column: GroupColumn) -> NDArray[np.int64]:
        """Each row's part, -1 for none, (rows,). Raises FederatedError for a column that does not fit."""
        if self.cuts:
            if column.levels:
                raise FederatedError(f"group {self.column!r} is a category: name levels, not cut points")
            found = np.searchsorted(np.array(self.cuts), column.values, side="right")
        elif self.levels:
            unknown = [level for level in self.levels if level not in column.levels]
            if unknown:
                raise FederatedError(f"column {self.column!r} has no level {unknown[0]!r}")
            place = np.full(column.width + 1, -1)
            for k, level in enumerate(self.levels):
                place[column.levels.index(level) + 1] = k
            found = place[column.codes]
        else:
            if not column.levels and column.width != 1:
                raise FederatedError(f"group {self.column!r} is a number: give cut points, as in '{self.column}:40,60'")
            if len(column.levels) > MOST_LEVELS:
                raise FederatedError(
                    f"column {self.column!r} has more than {MOST_LEVELS} levels: name those that count"
                )
            found = column.codes - 1 if column.levels else column.codes
        return np.where(column.observed, found, -1).astype(np.int64)


def read_groups(text: object) -> tuple[Group, ...]:
    """The groups of a configuration. Raises FederatedError for what is none."""
    if not isinstance(text, str):
        raise FederatedError("groups is a text, such as 'sex;age:40,60'")
    found = tuple(_read(each) for each in text.split(";")) if text else ()
    columns = [group.column for group in found]
    if len(set(columns)) != len(columns):
        raise FederatedError("groups name a column twice")
    if sum(len(group.names) for group in found) > MOST_PARTS:
        raise FederatedError(f"groups have more than {MOST_PARTS} parts together")
    return found


def _read(text: str) -> Group:
    column, mark, rest = text.partition(":")
    parts = tuple(part.strip() for part in rest.split(",")) if mark else ()
    if not column or column != column.strip() or "" in parts or len(set(parts)) != len(parts):
        raise FederatedError(f"group {text!r} cannot be read: write 'sex', 'age:40,60' or 'smoking:never,current'")
    cuts = [_number(part) for part in parts]
    numbers = tuple(cut for cut in cuts if cut is not None)
    if not parts or not numbers:
        return Group(column, (), parts)
    if len(numbers) != len(parts) or not np.isfinite(numbers).all() or (np.diff(numbers) <= 0).any():
        raise FederatedError(f"group {text!r}: cut points are ascending numbers")
    return Group(column, numbers)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
