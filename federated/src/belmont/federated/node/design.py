"""From a hospital's table to the numbers that models compute with: the same rule at every hospital, and in a notebook.

1. A column is standardised by reference values that are the same everywhere: the dictionary's, or those that came with
   the model (fill, center, scale). A missing value becomes the fill, which is the center unless given.
2. A feature ``column=level`` is 1 where a category column has that level, 0 elsewhere, also where it is missing.
3. Where fewer than ``smallest_cell`` rows have a level, or lack it, the indicator is the value of the others
   throughout: sums would show those few. An indicator of missing values is 0 throughout where fewer rows lack the
   value.
4. Rows without an outcome, or without a value of a column that is required, are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.table import NodeTable

LEVEL_MARK = "="
REFERENCES = "references"
"""What a model calls the array of fill, center and scale of each feature that comes with it."""


@dataclass(frozen=True)
class TrainingData:
    """Standardised rows: ``design`` of shape (rows, columns), ``outcome`` of shape (rows,); read-only."""

    design: NDArray[np.float64]
    outcome: NDArray[np.float64]
    columns: tuple[str, ...]
    """One name for each column of the design: ``intercept``, the features, then ``<feature> missing``."""
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Of each required column, in its unit, of shape (rows,)."""


@dataclass(frozen=True)
class CodedData:
    """Codes of the same rows, for models that need no scale: ``codes`` of shape (rows, features), 0 where missing."""

    codes: NDArray[np.uint16]
    widths: tuple[int, ...]
    """The largest code of each feature."""
    is_missing: NDArray[np.bool_]
    """Of shape (rows, features): a bit's 0 is a value, a range's 0 is none."""
    outcome: NDArray[np.float64]


def column_of(feature: str) -> str:
    """The column that a feature is made of."""
    return feature.partition(LEVEL_MARK)[0]


def design(
    table: NodeTable,
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str] = (),
    smallest_cell: int = SMALLEST_CELL,
    *,
    required: Sequence[str] = (),
    references: NDArray[np.float64] | None = None,
    rows: NDArray[np.bool_] | None = None,
) -> TrainingData:
    """The rows of a table that can be used, standardised (1 to 4); of those only where ``rows`` is true.

    ``references`` are of shape (features, 3): fill, center and scale. Raises FederatedError for unknown columns or
    levels, and for references that are no such numbers.
    """
    refuse_unknown(table, (*features, *missing_indicators, outcome, *required))
    used = usable(table, outcome, required, rows)
    given = None if references is None else _checked(references, len(features))
    parts = [np.ones(int(used.sum()))]
    for k, name in enumerate(features):
        column, is_level, level = name.partition(LEVEL_MARK)
        if is_level:
            indicator = np.asarray(table.codes(column))[used] == code_of(table, column, level)
            values = _hidden(indicator, smallest_cell)
            parts.append(values if given is None else (values - given[k, 1]) / given[k, 2])
            continue
        center, scale = (table.center(name), table.scale(name)) if given is None else (given[k, 1], given[k, 2])
        values = (np.asarray(table.values(name), np.float64)[used] - center) / scale
        parts.append(np.nan_to_num(values, nan=0.0 if given is None else (given[k, 0] - center) / scale))
    for name in missing_indicators:
        missing = ~np.asarray(table.observed(name), bool)[used]
        parts.append(missing.astype(np.float64) if missing.sum() >= smallest_cell else np.zeros(len(missing)))
    names = ("intercept", *features, *(f"{name} missing" for name in missing_indicators))
    made = TrainingData(
        np.column_stack(parts),
        np.asarray(table.values(outcome), np.float64)[used],
        names,
        {name: np.asarray(table.values(name), np.float64)[used] for name in required},
    )
    for array in (made.design, made.outcome, *made.values.values()):
        array.setflags(write=False)
    return made


def coded(table: NodeTable, features: Sequence[str], outcome: str, rows: NDArray[np.bool_] | None = None) -> CodedData:
    """The codes of the rows that can be used. Raises FederatedError for unknown columns."""
    refuse_unknown(table, (*features, outcome))
    used = usable(table, outcome, (), rows)
    codes = np.column_stack([np.asarray(table.codes(name))[used] for name in features]).astype(np.uint16)
    missing = np.column_stack([~np.asarray(table.observed(name), bool)[used] for name in features])
    labels = np.asarray(table.values(outcome), np.float64)[used]
    for array in (codes, missing, labels):
        array.setflags(write=False)
    return CodedData(codes, tuple(table.width(name) for name in features), missing, labels)


def usable(
    table: NodeTable, outcome: str, required: Sequence[str] = (), rows: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Which rows have an outcome and the required values, and are among ``rows``."""
    used = np.asarray(table.observed(outcome), bool).copy()
    for name in required:
        used &= np.asarray(table.observed(name), bool)
    return used if rows is None else used & rows


def code_of(table: NodeTable, column: str, level: str) -> int:
    """The code of a category's level; codes start at 1. Raises FederatedError."""
    levels = table.levels(column)
    if level not in levels:
        known = ", ".join(levels) or "none, it is no category"
        raise FederatedError(f"column {column!r} has no level {level!r}; it has {known}")
    return levels.index(level) + 1


def refuse_unknown(table: NodeTable, features: Sequence[str]) -> None:
    """Raises FederatedError for a feature of no column here."""
    known = set(table.columns)
    unknown = [name for name in features if column_of(name) not in known]
    if unknown:
        raise FederatedError(f"the table has no column {column_of(unknown[0])!r}")


def _hidden(indicator: NDArray[np.bool_], smallest_cell: int) -> NDArray[np.float64]:
    """Rule 3."""
    having = int(indicator.sum())
    if having < smallest_cell:
        return np.zeros(len(indicator))
    if len(indicator) - having < smallest_cell:
        return np.ones(len(indicator))
    return indicator.astype(np.float64)


def _checked(references: NDArray[np.float64], features: int) -> NDArray[np.float64]:
    given = np.asarray(references, np.float64)
    if given.shape != (features, 3) or not np.isfinite(given).all() or not (given[:, 2] > 0).all():
        raise FederatedError("references are fill, center and scale of each feature: finite, and scales above 0")
    return given
