"""How a notebook's own rows become what a hospital's node would make of them.

A model that was fitted under a permit keeps the dictionary's references; one that was fitted to a DataFrame keeps those
of its columns: mean and standard deviation of numbers, levels of categories. New rows are read by the same ones.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.dictionary import Column, Dictionary
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.hashes import canonical_json
from belmont.federated.node.design import column_of
from belmont.federated.table import NodeTable
from belmont.lab.errors import LabError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Of one column. ``values`` are those that the codes 1, 2, ... stand for, ascending unless they are levels'."""

    center: float
    scale: float
    values: Floats
    levels: tuple[str, ...] = ()
    is_bit: bool = False

    @classmethod
    def of_column(cls, column: Column) -> "Reference":
        """The dictionary's."""
        book = column.codebook
        if isinstance(book, CategoryBook):
            values = np.array([each.value for each in book.categories])
            return cls(column.center, column.scale, values, tuple(each.name for each in book.categories))
        if isinstance(book, NumericBook):
            values = book.decode_array(np.arange(1, book.width + 1, dtype=np.uint16))
            return cls(column.center, column.scale, values)
        return cls(column.center, column.scale, np.array([0.0, 1.0]), is_bit=True)

    @classmethod
    def of_series(cls, series: "pd.Series[Any]") -> "Reference":
        """Those of a column of a DataFrame."""
        if is_words(series):
            levels = tuple(str(each) for each in series.astype("category").cat.categories)
            return cls(0.0, 1.0, np.arange(1.0, len(levels) + 1), levels)
        numbers = np.asarray(series, np.float64)
        known = numbers[np.isfinite(numbers)]
        values = np.unique(known)
        if not len(values):
            raise LabError(f"column {series.name!r} has no value at all")
        if np.isin(values, (0.0, 1.0)).all() and len(known) == len(numbers):
            return cls(0.0, 1.0, np.array([0.0, 1.0]), is_bit=True)
        scale = float(known.std())
        return cls(float(known.mean()), scale if scale > 0 else 1.0, values)

    @classmethod
    def of_table(cls, table: NodeTable, name: str) -> "Reference":
        """Those of a column of a table; its codes stand for the values that occur."""
        levels = table.levels(name)
        values = np.arange(1.0, len(levels) + 1) if levels else np.unique(np.asarray(table.values(name), np.float64))
        is_bit = not levels and table.width(name) == 1
        known = values[np.isfinite(values)]
        return cls(table.center(name), table.scale(name), np.array([0.0, 1.0]) if is_bit else known, levels, is_bit)

    @property
    def width(self) -> int:
        """The largest code."""
        return 1 if self.is_bit else len(self.values)

    def coded(self, series: "pd.Series[Any]") -> tuple[NDArray[np.uint16], NDArray[np.bool_], Floats]:
        """Codes, whether there is a value, and values in the column's unit. Raises LabError for unknown levels."""
        if self.levels:
            words = series.astype("object")
            known = {level: code for code, level in enumerate(self.levels, start=1)}
            missing = np.asarray(series.isna(), bool)
            unknown = sorted({str(each) for each in words[~missing]} - set(known))
            if unknown:
                raise LabError(f"column {series.name!r} has no level {unknown[0]!r}; it has {', '.join(self.levels)}")
            codes = np.array(
                [0 if lost else known[str(each)] for each, lost in zip(words, missing, strict=True)], np.intp
            )
            values = np.where(missing, np.nan, self.values[np.maximum(codes, 1) - 1])
            return codes.astype(np.uint16), ~missing, values
        if is_words(series):
            raise LabError(f"column {series.name!r} has words, and this model knows it as a number")
        numbers = np.asarray(series, np.float64)
        observed = np.isfinite(numbers)
        if self.is_bit:
            return np.where(observed, numbers > 0, 0).astype(np.uint16), observed, numbers
        middles = (self.values[1:] + self.values[:-1]) / 2
        codes = np.where(observed, np.searchsorted(middles, numbers, side="right") + 1, 0)
        return np.minimum(codes, 65_535).astype(np.uint16), observed, numbers


class References(Mapping[str, Reference]):
    """Of every column that a model may use."""

    def __init__(self, columns: Mapping[str, Reference]) -> None:
        self._columns = dict(columns)

    @classmethod
    def of_dictionary(cls, dictionary: Dictionary) -> "References":
        """The same at every hospital."""
        return cls({column.name: Reference.of_column(column) for column in dictionary})

    @classmethod
    def of_frame(cls, frame: "pd.DataFrame") -> "References":
        """Of rows that are here."""
        return cls({str(name): Reference.of_series(frame[name]) for name in frame.columns})

    @classmethod
    def of_table(cls, table: NodeTable) -> "References":
        """The dictionary's where a table has one, or else the table's own."""
        dictionary = getattr(table, "dictionary", None)
        if isinstance(dictionary, Dictionary):
            return cls.of_dictionary(dictionary)
        return cls({name: Reference.of_table(table, name) for name in table.columns})

    def table(self, frame: "pd.DataFrame", columns: tuple[str, ...] = ()) -> ArrayTable:
        """The rows of a DataFrame as a table; of ``columns`` only, where given. Raises LabError for missing ones."""
        wanted = dict.fromkeys(column_of(name) for name in columns) or dict.fromkeys(map(str, frame.columns))
        lacking = [name for name in wanted if name not in frame.columns]
        if lacking:
            raise LabError(
                f"the rows have no column {', '.join(lacking)}; they have {', '.join(map(str, frame.columns))}"
            )
        unknown = [name for name in wanted if name not in self]
        if unknown:
            raise LabError(f"this model was not fitted with a column {', '.join(unknown)}")
        coded = {name: self[name].coded(frame[name]) for name in wanted}
        numbers = {name: (self[name].center, self[name].scale, self[name].width) for name in wanted}
        return ArrayTable(len(frame), coded, numbers, {name: self[name].levels for name in wanted})

    def frame(self) -> "pd.DataFrame":
        """Center, scale and levels, one row a column."""
        import pandas as pd

        rows = [(name, each.center, each.scale, ", ".join(each.levels)) for name, each in self.items()]
        return pd.DataFrame(rows, columns=["column", "center", "scale", "levels"]).set_index("column")

    @property
    def hash(self) -> bytes:
        """SHA-256 of all of it: the same arrays mean another model where rows are read otherwise."""
        content = {
            name: {
                "center": repr(float(each.center)),
                "scale": repr(float(each.scale)),
                "values": hashlib.sha256(np.asarray(each.values, "<f8").tobytes()).hexdigest(),
                "levels": list(each.levels),
                "bit": bool(each.is_bit),
            }
            for name, each in self.items()
        }
        return hashlib.sha256(b"belmont/references/1\0" + canonical_json(content)).digest()

    def __getitem__(self, name: str) -> Reference:
        return self._columns[name]

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def merged(tables: Any) -> ArrayTable:
    """All rows of several tables of one dictionary in one, without pseudonyms."""
    first = tables[0]
    columns = {
        name: (
            np.concatenate([np.asarray(each.codes(name)) for each in tables]),
            np.concatenate([np.asarray(each.observed(name), bool) for each in tables]),
            np.concatenate([np.asarray(each.values(name), np.float64) for each in tables]),
        )
        for name in first.columns
    }
    numbers = {name: (first.center(name), first.scale(name), first.width(name)) for name in first.columns}
    levels = {name: first.levels(name) for name in first.columns}
    return ArrayTable(sum(each.rows for each in tables), columns, numbers, levels)


def is_words(series: "pd.Series[Any]") -> bool:
    """Whether a column of a DataFrame is neither numbers nor bits."""
    import pandas as pd

    return not pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
