"""Kaplan-Meier curves from one round: what is configured and summed.

1. The grid of times is public and in the configuration. Where its cut points are all times that occur, curves are the
   pooled rows' own; where they are fewer, times are grouped, and a curve is exact at the cut points for those who are
   withdrawn at them, and a life table's with late withdrawals otherwise.
2. A hospital refuses cells of few patients (`belmont.federated.node.survival`), or merges them at home where
   ``small_cells`` says so: it then counts patients at a later cut point than they left by, so the curve is late by at
   most what it had to merge. It moves no patient out of a group and drops none.
3. With noise, each hospital adds it to every cell, and no rule on small cells applies: a patient is in one cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Update
from belmont.federated.models.survival_curves import refuse_no_grid
from belmont.federated.secagg.settings import SecureSum

LEAVING = "leaving"
"""(groups, cells, 2): who leaves without an event, and with one."""


@dataclass(frozen=True)
class CurveModel:
    """What a study counts. ``by`` are levels, column=level, of one column. Raises FederatedError."""

    duration: str
    cuts: tuple[float, ...]
    by: tuple[str, ...] = ()
    small_cells: Literal["refuse", "merge"] = "refuse"

    def __post_init__(self) -> None:
        refuse_no_grid(self.cuts)
        if len({name.partition("=")[0] for name in self.by}) > 1 or any("=" not in name for name in self.by):
            raise FederatedError("groups are levels of one column, each as column=level")
        if len(set(self.by)) != len(self.by) or any("," in name for name in self.by):
            raise FederatedError("groups are different levels, and none holds a comma, which separates them")
        if self.small_cells not in ("refuse", "merge"):
            raise FederatedError('small_cells is "refuse" or "merge"')

    @property
    def shape(self) -> tuple[int, int, int]:
        """Groups, cells, and leaving without an event or with one."""
        return max(1, len(self.by)), len(self.cuts), 2

    def settings(self) -> dict[str, str | int | float | bool]:
        """The app's own keys of the run configuration."""
        cuts = ",".join(repr(float(cut)) for cut in self.cuts)
        return {"duration": self.duration, "cuts": cuts, "by": ",".join(self.by), "small-cells": self.small_cells}

    def sums(self, fraction_bits: int = 0, *, private: bool = False) -> SecureSum:
        """What the round's sum is made of. Counts are whole numbers: without noise they need no fraction."""
        return SecureSum(((LEAVING, self.shape),), fraction_bits=fraction_bits, private=private)

    def initial(self) -> Arrays:
        """No counts yet."""
        return {LEAVING: np.zeros(self.shape)}


def count(model: Arrays, updates: Sequence[Update]) -> Arrays:
    """The combination rule: the hospitals' counts, added up."""
    shape = model[LEAVING].shape
    found = [update.arrays.get(LEAVING, np.zeros(0)) for update in updates]
    if any(array.shape != shape for array in found):
        raise FederatedError("an update has no counts by group and cell")
    return {LEAVING: np.asarray(np.sum(found, axis=0), np.float64)}
