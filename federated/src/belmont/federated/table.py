"""What a node needs of a hospital's table, and nothing more. The coded table of `belmont.ehr` satisfies it."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class NodeTable(Protocol):
    """Coded rows of patients with an active consent. Arrays have one element for each row.

    Every method raises an error of its own for a column that does not exist; ask ``columns`` first.
    """

    @property
    def rows(self) -> int: ...

    @property
    def pseudonyms(self) -> NDArray[np.uint64]:
        """Of each row's patient."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def select(self, rows: NDArray[np.bool_]) -> "NodeTable":
        """The table of these rows only."""

    def codes(self, column: str) -> NDArray[Any]:
        """Integer codes from 0 to ``width(column)``; where a value can be missing, 0 says that it is."""

    def observed(self, column: str) -> NDArray[np.bool_]:
        """Whether the row has a value (always, where 0 is a value of its own)."""

    def values(self, column: str) -> NDArray[np.float64]:
        """Decoded values in the dictionary's unit, NaN where missing."""

    def center(self, column: str) -> float:
        """Reference value, the same at every hospital, that models subtract."""

    def scale(self, column: str) -> float:
        """Reference value, the same at every hospital, that models divide by."""

    def width(self, column: str) -> int:
        """Largest code."""

    def levels(self, column: str) -> tuple[str, ...]:
        """Names of a category's levels, of code 1 first; empty where the column is a number or a bit."""


class Selection:
    """The newest selection of rows is kept, since it seldom changes between rounds. Safe for several threads."""

    def __init__(self) -> None:
        self._newest: tuple[NodeTable, NDArray[np.bool_], NodeTable] | None = None

    def of(self, table: NodeTable, mask: NDArray[np.bool_]) -> NodeTable:
        """The rows of a table where the mask is true: the very same table, where it was asked for last."""
        if mask.all():
            return table
        newest = self._newest
        if newest is None or newest[0] is not table or not np.array_equal(newest[1], mask):
            newest = self._newest = table, mask, table.select(mask)
        return newest[2]
