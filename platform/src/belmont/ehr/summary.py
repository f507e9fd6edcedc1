"""A coded table as numbers about each column, for whoever holds it. Never a row.

1. A count of 1 to 4 is shown as "<5"; 0 says nothing about anybody and is shown.
2. What would give such a count away by subtraction is not shown exactly either: the first count of 20 or more beside it
   becomes ">N", a bound that is true whatever the hidden counts are. Where there is none, no count is shown ("-").
3. A column with fewer than 5 observed values has no minimum, median or maximum; a table with fewer than 5 rows has no
   summary of its columns.

Minimum and maximum are each the value of a patient: the summary is for the hospital that holds the table.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Column

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_COUNT = 5
BOUNDED_COUNT = 20
HIDDEN = "-"

Shown = int | str
"""A count, or what is shown in its place: "<5", ">N", "<N" or "-"."""


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column. Numbers are in `unit`; `counts` is by category, "no" and "yes" for a bit, None for a number."""

    name: str
    label: str
    unit: str | None
    observed: Shown
    missing: Shown
    minimum: float | None
    median: float | None
    maximum: float | None
    counts: dict[str, Shown] | None


@dataclass(frozen=True)
class TableSummary:
    """A whole table; `columns` is empty where it has too few rows."""

    dictionary: str
    dictionary_hash: str
    rows: Shown
    columns: tuple[ColumnSummary, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def to_frame(self) -> "pd.DataFrame":
        """One row for each column of the table."""
        import pandas as pd

        frame = pd.DataFrame([asdict(each) for each in self.columns], columns=list(ColumnSummary.__slots__))
        return frame.set_index("name")

    def to_text(self) -> str:
        """The summary as lines."""
        lines = [f"{self.rows} rows, coded by {self.dictionary} ({self.dictionary_hash[:16]}...)"]
        if not self.columns:
            return "\n".join([*lines, f"no summary of the columns: fewer than {SMALLEST_COUNT} rows"])
        wide = max(len(each.name) for each in self.columns)
        lines.append(f"{'column':<{wide}} {'observed':>9} {'missing':>9}  values")
        lines += [f"{each.name:<{wide}} {each.observed:>9} {each.missing:>9}  {_values(each)}" for each in self.columns]
        return "\n".join(lines)


def summarise(table: CodedTable) -> TableSummary:
    """The summary of a table."""
    dictionary = table.dictionary
    enough = table.rows >= SMALLEST_COUNT
    return TableSummary(
        dictionary=f"{dictionary.name} version {dictionary.version}",
        dictionary_hash=dictionary.hash.hex(),
        rows=table.rows if enough or not table.rows else f"<{SMALLEST_COUNT}",
        columns=tuple(_column(table, column) for column in dictionary) if enough else (),
    )


def shown(counts: Sequence[int]) -> list[Shown]:
    """The parts of a total that the reader knows, by rules 1 and 2.

    Which count gets a bound, and which, is the same for all values the hidden ones can have.
    """
    hidden = [0 < count < SMALLEST_COUNT for count in counts]
    if not any(hidden):
        return list(counts)
    bounded = next((place for place, count in enumerate(counts) if count >= BOUNDED_COUNT), None)
    if bounded is None:
        return [HIDDEN] * len(counts)
    small = sum(count for count, is_hidden in zip(counts, hidden, strict=True) if is_hidden)
    at_least = counts[bounded] + small - (SMALLEST_COUNT - 1) * sum(hidden)
    if at_least < BOUNDED_COUNT:
        return [HIDDEN] * len(counts)
    parts: list[Shown] = [
        f"<{SMALLEST_COUNT}" if is_hidden else count for count, is_hidden in zip(counts, hidden, strict=True)
    ]
    parts[bounded] = f">{at_least - 1}"
    return parts


def _column(table: CodedTable, column: Column) -> ColumnSummary:
    codes = table.codes(column.name)
    book = column.codebook
    observed = int(np.count_nonzero(table.observed(column.name)))
    missing = table.rows - observed
    minimum = median = maximum = None
    counts: dict[str, Shown] | None = None
    if isinstance(book, NumericBook):
        missing_shown = shown([observed, missing])[-1]
        if observed >= SMALLEST_COUNT:
            values = table.values(column.name)
            values = values[~np.isnan(values)]
            minimum, maximum = float(values.min()), float(values.max())
            median = round(float(np.median(values)), book.decimals + 1)
    else:
        names = [each.name for each in book.categories] if isinstance(book, CategoryBook) else ["no", "yes"]
        found = np.bincount(codes, minlength=column.width + 1)[-len(names) :].tolist()
        *parts, missing_shown = shown([*found, missing])
        counts = dict(zip(names, parts, strict=True))
    return ColumnSummary(
        name=column.name,
        label=column.label,
        unit=column.unit,
        observed=_rest(table.rows, missing_shown),
        missing=missing_shown,
        minimum=minimum,
        median=median,
        maximum=maximum,
        counts=counts,
    )


def _rest(total: int, part: Shown) -> Shown:
    """What is shown for `total` less a part, knowing no more than what is shown of the part."""
    if isinstance(part, int):
        return total - part
    if part == HIDDEN:
        return HIDDEN
    return f"{'<' if part[0] == '>' else '>'}{total - int(part[1:])}"


def _values(column: ColumnSummary) -> str:
    if column.counts is not None:
        return ", ".join(f"{name} {count}" for name, count in column.counts.items())
    if column.minimum is None or column.median is None or column.maximum is None:
        return f"fewer than {SMALLEST_COUNT} values"
    unit = f" {column.unit}" if column.unit else ""
    return f"min {column.minimum:.10g}, median {column.median:.10g}, max {column.maximum:.10g}{unit}"
