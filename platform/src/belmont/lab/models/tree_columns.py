"""A column as trees see it: codes, where they are cut into bins, and what a bin is called in the column's unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.dictionary import Column
from belmont.federated.models.trees import equal_cuts
from belmont.federated.table import NodeTable
from belmont.lab.models.references import Reference

Floats = NDArray[np.float64]
MISSING = "missing"


@dataclass(frozen=True)
class TreeColumn:
    """``reference`` says what codes stand for; None where only the codes are known."""

    width: int
    """The largest code."""
    center: float
    scale: float
    is_category: bool
    is_bit: bool
    reference: Reference | None = None

    @classmethod
    def of_dictionary(cls, column: Column) -> "TreeColumn":
        known = Reference.of_column(column)
        return cls(known.width, known.center, known.scale, bool(known.levels), known.is_bit, known)

    @classmethod
    def of_table(cls, table: NodeTable, name: str) -> "TreeColumn":
        """Of rows that are here; by their dictionary where they have one."""
        dictionary = getattr(table, "dictionary", None)
        if dictionary is not None:
            return cls.of_dictionary(dictionary.column(name))
        codes, observed = np.asarray(table.codes(name)), np.asarray(table.observed(name), bool)
        levels, width = table.levels(name), table.width(name)
        center, scale = table.center(name), table.scale(name)
        is_bit = bool(observed[codes == 0].any())
        if levels or is_bit:
            values = np.array([0.0, 1.0]) if is_bit else np.arange(1.0, width + 1)
            return cls(width, center, scale, bool(levels), is_bit, Reference(center, scale, values, levels, is_bit))
        found = np.full(width, np.nan)
        found[codes[observed].astype(np.int64) - 1] = np.asarray(table.values(name), np.float64)[observed]
        complete = Reference(center, scale, found) if not np.isnan(found).any() else None
        return cls(width, center, scale, False, False, complete)

    def equal_cuts(self, bins: int) -> tuple[int, ...]:
        """Equal ranges of codes; of a category every level."""
        return equal_cuts(self.width, self.width if self.is_category else bins)

    def reference_cuts(self, bins: int) -> tuple[int, ...]:
        """Where a normal distribution of the reference's center and scale has equal parts; for few bins."""
        if self.is_category or self.reference is None or self.width <= bins:
            return self.equal_cuts(bins)
        normal = NormalDist(self.center, self.scale)
        places = [normal.inv_cdf(i / bins) for i in range(1, bins)]
        cuts = {int(each) for each in np.searchsorted(self.reference.values, places, side="right")}
        return tuple(sorted(cut for cut in cuts if 0 < cut < self.width)) or self.equal_cuts(bins)

    def codes_of(self, standardised: Floats) -> NDArray[np.int64]:
        """The codes of values that were standardised, each the nearest; where only codes are known, they are values."""
        values = standardised * self.scale + self.center
        if self.is_bit:
            return (values > 0.5).astype(np.int64)
        known = np.arange(1.0, self.width + 1) if self.reference is None else self.reference.values
        order = np.argsort(known, kind="stable")
        middles = (known[order][1:] + known[order][:-1]) / 2
        return np.asarray(order[np.searchsorted(middles, values)] + 1, np.int64)

    def bin_texts(self, cuts: Sequence[int]) -> tuple[str, ...]:
        """What each bin is called, bin 0 first: a level, a value, or a range of values."""
        if self.is_bit:
            return "0", "1"
        ends = [*cuts, self.width]
        texts = [MISSING]
        for low, high in zip([0, *cuts], ends, strict=True):
            texts.append(self._text(low + 1) if high == low + 1 else f"{self._text(low + 1)} to {self._text(high)}")
        return tuple(texts)

    def _text(self, code: int) -> str:
        if self.reference is None:
            return f"code {code}"
        if self.reference.levels:
            return self.reference.levels[code - 1]
        return f"{self.reference.values[code - 1]:g}"
