"""Preparation without seeing rows: scale, imputation and levels of a study's columns, from queries under its permit.

    prepared = permit.prepare(["age", "hba1c", "smoking"])     one query a column, each checked by every hospital
    model.fit(permit, preparation=prepared)

1. A number or bit costs one query for count, mean and variance together; a category one for how many have each level.
   Medians cost one more (``median=True``): a histogram.
2. Answers are what the hospitals' disclosure rules let out: a level of too few patients at a hospital counts as nobody
   there. Whether an answer is proved is kept beside it.
3. What was learned goes into the model's own array ``references`` (fill, center and scale of each feature), which every
   round sends, whose hash every round opens on chain, and which no board has to approve anew: the code that reads it,
   and the features, are the permit's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import CategoryBook
from belmont.ehr.dictionary import Column
from belmont.federated.node.design import LEVEL_MARK, column_of
from belmont.lab import cards
from belmont.lab.errors import LabError
from belmont.lab.hopeless import newest_version
from belmont.lab.progress import progress_bar
from belmont.lab.questions import coding_of, histogram, variance

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.permit import Permit

MEDIAN_CELLS = 50


@dataclass(frozen=True)
class Prepared:
    """One column, over all hospitals. ``levels`` are patients by level, of a category alone."""

    name: str
    observed: int
    fill: float
    center: float
    scale: float
    levels: dict[str, int]
    is_proved: bool


@dataclass(frozen=True)
class Preparation:
    """What was learned, by column; ``rows`` are the patients of all covered versions, by the chain."""

    columns: tuple[Prepared, ...]
    rows: int
    queries: tuple[int, ...]
    """Their numbers under the permit."""

    def features(self, columns: Sequence[str] | None = None) -> tuple[str, ...]:
        """Features of these columns: categories as an indicator of each level but the most frequent one."""
        found: list[str] = []
        for name in columns or [each.name for each in self.columns]:
            column = self._of(name)
            if not column.levels:
                found.append(name)
                continue
            known = {level: count for level, count in column.levels.items() if count}
            if not known:
                raise LabError(f"no level of {name} could be shown: leave the column out")
            most = max(known, key=lambda level: known[level])
            found += [f"{name}{LEVEL_MARK}{level}" for level in known if level != most]
        return tuple(found)

    def references(self, features: Sequence[str]) -> NDArray[np.float64]:
        """Fill, center and scale of each feature, shape (features, 3); an indicator stays as it is."""
        rows = []
        for feature in features:
            column = self._of(column_of(feature))
            is_level = LEVEL_MARK in feature
            rows.append((0.0, 0.0, 1.0) if is_level else (column.fill, column.center, column.scale))
        return np.array(rows, np.float64).reshape(len(rows), 3)

    def to_frame(self) -> "pd.DataFrame":
        """One row a column."""
        import pandas as pd

        records = [
            {
                "column": each.name,
                "observed": each.observed,
                "missing": 1 - each.observed / self.rows if self.rows else float("nan"),
                "fill": each.fill,
                "center": each.center,
                "scale": each.scale,
                "levels": ", ".join(f"{level} {count:,}" for level, count in each.levels.items()),
                "proved": each.is_proved,
            }
            for each in self.columns
        ]
        return pd.DataFrame(records).set_index("column")

    def _of(self, name: str) -> Prepared:
        found = next((each for each in self.columns if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self.columns)
            raise LabError(f"column {name} was not prepared: prepare it too; these were {known}")
        return found

    def __repr__(self) -> str:
        return f"Preparation({len(self.columns)} columns by {len(self.queries)} queries)"

    def _repr_html_(self) -> str:
        frame = self.to_frame().reset_index()
        rows = [
            [name, f"{observed:,}", f"{missing:.1%}", f"{fill:.4g}", f"{center:.4g}", f"{scale:.4g}", levels,
             "yes" if proved else "no"]
            for name, observed, missing, fill, center, scale, levels, proved in frame.itertuples(index=False)
        ]  # fmt: skip
        facts = cards.facts({"patients": f"{self.rows:,}", "queries": ", ".join(map(str, self.queries))})
        return cards.card("Preparation", facts, cards.table(list(frame.columns), rows))


def prepare(permit: "Permit", columns: Sequence[str] | None, *, median: bool) -> Preparation:
    """See ``Permit.prepare``."""
    dictionary = permit.consortium.dictionary
    names = list(dictionary.features) if columns is None else [column_of(name) for name in columns]
    chosen = [dictionary.column(name) for name in dict.fromkeys(names)]
    if not chosen:
        raise LabError("there is no column to prepare: name some")
    record = permit.record
    needed = sum(1 + (median and _has_median(column)) for column in chosen)
    left = record.terms.queries - record.queries_opened
    if needed > left:
        raise LabError(
            f"{len(chosen)} columns take {needed} queries, and this permit has {left} of {record.terms.queries} left: "
            "nothing was used; name fewer columns, or apply with more queries"
        )
    first = record.queries_opened + 1
    prepared = []
    with progress_bar("Preparation", needed) as bar:
        for column in chosen:
            prepared.append(_categories(permit, column) if _is_category(column) else _numbers(permit, column))
            bar.advance(note=column.name)
            if median and _has_median(column):
                prepared[-1] = _with_median(permit, column, prepared[-1])
                bar.advance(note=f"median of {column.name}")
    registry = permit.consortium.registry
    rows = sum(version.rows for each in record.covered if (version := newest_version(registry, each)))
    return Preparation(tuple(prepared), rows, tuple(range(first, first + needed)))


def _numbers(permit: "Permit", column: Column) -> Prepared:
    answer = permit.query(variance(column.name))
    coding = coding_of(column)
    mean, spread = answer.encrypted.mean(coding), answer.encrypted.variance(coding) ** 0.5
    scale = spread if spread > 0 else 1.0
    return Prepared(column.name, answer.patients, mean, mean, scale, {}, answer.proof is not None)


def _with_median(permit: "Permit", column: Column, prepared: Prepared) -> Prepared:
    answer = permit.query(histogram(column.name, MEDIAN_CELLS))
    frame = answer.to_frame().iloc[1:]
    counts = frame["patients"].to_numpy(np.float64)
    if counts.sum() == 0:
        return prepared
    cell = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    codes, book = answer.encrypted.query.codes_per_cell, column.codebook
    low, high = cell * codes + 1, min((cell + 1) * codes, column.width)
    middle = float(np.mean(book.decode_array(np.array([low, high], np.uint16)))) if book is not None else prepared.fill
    return Prepared(column.name, prepared.observed, middle, prepared.center, prepared.scale, {}, prepared.is_proved)


def _categories(permit: "Permit", column: Column) -> Prepared:
    answer = permit.query(histogram(column.name))
    counts = answer.to_frame()["patients"].iloc[1:]
    levels = {str(level): int(count) for level, count in counts.items()}
    book = column.codebook
    values = np.array([each.value for each in book.categories]) if isinstance(book, CategoryBook) else np.zeros(0)
    weights = counts.to_numpy(np.float64)
    total = float(weights.sum())
    if not total:
        raise LabError(f"no level of {column.name} could be shown: too few patients have each")
    mean = float(values @ weights / total)
    spread = float(((values - mean) ** 2 @ weights / total) ** 0.5)
    scale = spread if spread > 0 else 1.0
    most = float(values[int(weights.argmax())])
    return Prepared(column.name, int(total), most, mean, scale, levels, answer.proof is not None)


def _is_category(column: Column) -> bool:
    return isinstance(column.codebook, CategoryBook)


def _has_median(column: Column) -> bool:
    return column.kind == "range" and not _is_category(column)
