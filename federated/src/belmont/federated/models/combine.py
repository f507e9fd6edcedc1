"""How a researcher turns the hospitals' updates into the next model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays

ROWS_METRIC = "num-examples"
"""Flower's usual name for the number of rows that an update rests on."""


@dataclass(frozen=True)
class Update:
    """What one hospital answered in a round."""

    arrays: Arrays
    metrics: dict[str, float]

    @property
    def rows(self) -> float:
        """Rows the update rests on, as the hospital says; raises FederatedError if it does not."""
        rows = self.metrics.get(ROWS_METRIC, 0)
        if rows <= 0:
            raise FederatedError(f"an update does not say its {ROWS_METRIC}: the study's code has to report it")
        return rows


Combine: TypeAlias = Callable[[Arrays, Sequence[Update]], Arrays]
"""From the current model and all updates to the next model."""


def federated_averaging(model: Arrays, updates: Sequence[Update]) -> Arrays:
    """The mean of the hospitals' models, weighted by rows (McMahan et al., AISTATS 2017)."""
    total = sum(update.rows for update in updates)
    averaged: Arrays = {}
    for name, array in model.items():
        for update in updates:
            if name not in update.arrays or update.arrays[name].shape != array.shape:
                raise FederatedError(f"an update has no array {name!r} of the model's shape")
        mean = np.zeros(array.shape)
        for update in updates:
            mean += update.arrays[name] * (update.rows / total)
        averaged[name] = mean.astype(np.float32) if array.dtype == np.float32 else mean
    return averaged


def weighted_metrics(updates: Sequence[Update]) -> dict[str, float]:
    """Each metric's mean over hospitals, weighted by rows, where all report it; the rows themselves are summed."""
    total = sum(update.rows for update in updates)
    shared = set.intersection(*(set(update.metrics) for update in updates)) - {ROWS_METRIC}
    metrics = {name: sum(u.metrics[name] * u.rows for u in updates) / total for name in sorted(shared)}
    return {ROWS_METRIC: total, **metrics}
