"""How a researcher turns the hospitals' updates into the next model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

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
    mean = mean_update(updates, [(name, array.shape) for name, array in model.items()])
    return {name: like(array, mean[name]) for name, array in model.items()}


def mean_update(
    updates: Sequence[Update], expected: Sequence[tuple[str, tuple[int, ...]]]
) -> dict[str, NDArray[np.float64]]:
    """The mean over all rows of the named arrays; of one update, its own arrays. Raises FederatedError."""
    if not updates:
        raise FederatedError("there is no update to combine")
    total = sum(update.rows for update in updates)
    mean: dict[str, NDArray[np.float64]] = {}
    for name, shape in expected:
        if any(name not in each.arrays or each.arrays[name].shape != shape for each in updates):
            raise FederatedError(f"an update has no array {name!r} of shape {shape}")
        parts = [np.asarray(each.arrays[name], np.float64) * (each.rows / total) for each in updates]
        mean[name] = np.sum(parts, axis=0)
    return mean


def like(array: NDArray[np.floating], values: NDArray[np.float64]) -> "NDArray[np.float64] | NDArray[np.float32]":
    """The values in the array's own kind."""
    return values.astype(np.float32) if array.dtype == np.float32 else values


def weighted_metrics(updates: Sequence[Update]) -> dict[str, float]:
    """Each metric's mean over hospitals, weighted by rows, where all report it; the rows themselves are summed."""
    total = sum(update.rows for update in updates)
    shared = set.intersection(*(set(update.metrics) for update in updates)) - {ROWS_METRIC}
    metrics = {name: sum(u.metrics[name] * u.rows for u in updates) / total for name in sorted(shared)}
    return {ROWS_METRIC: total, **metrics}
