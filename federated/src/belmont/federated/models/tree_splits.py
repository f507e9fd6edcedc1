"""The best split of each node, from sums over its bins.

1. Gain is that of Chen and Guestrin (KDD 2016), equation 7, without their gamma:
   GL^2 / (HL + l2) + GR^2 / (HR + l2) - G^2 / (H + l2), halved.
2. An ordered feature is cut between two bins; bin 0, the missing values, is tried on either side (their algorithm 3).
   Where nobody in the node lacks the value, the larger side is the default. A column of two values that is never
   missing has bins 0 and 1, and splits between them.
3. A categorical feature's bins are sorted by G / (H + l2) and cut once: of all subsets, the best is among these
   (Fisher, J Am Stat Assoc 53:789, 1958, for squared loss and l2 = 0). Missing is a category; one that does not occur
   in the node goes to the larger side.
4. Among candidates whose gains differ by less than a ten-millionth, the first counts: the lowest feature, then the
   lowest cut. So what a secure sum rounds away decides nothing between columns that say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_GAIN = 1e-6
"""Below it, a gain of a total loss may be what fixed-point sums rounded."""
CLOSE = 1e-7


@dataclass(frozen=True)
class Bins:
    """The bins of all features, which lie behind each other. Bin 0 of each feature is code 0."""

    sizes: tuple[int, ...]
    categorical: tuple[bool, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        return tuple(int(each) for each in np.concatenate([[0], np.cumsum(self.sizes)])[:-1])

    @property
    def total(self) -> int:
        return sum(self.sizes)

    @property
    def widest(self) -> int:
        return max(self.sizes)


@dataclass(frozen=True)
class Rules:
    """What a split has to be worth."""

    l2: float = 1.0
    min_child_weight: float = 1.0
    """Least sum of Hessians on a side."""
    min_rows_leaf: int = 20
    """Least rows on a side, over all hospitals."""
    min_gain: float = 0.0


@dataclass(frozen=True)
class Split:
    """Of one node. Sums are in the histogram's order: rows, gradient, Hessian."""

    feature: int
    left: NDArray[np.bool_]
    """(size of the feature,): which bins go left."""
    gain: float
    sums: tuple[Floats, Floats]
    """Left and right, (3,) each."""


@dataclass(frozen=True)
class _Candidates:
    """Of one feature in one node, in the order of rule 4."""

    left: NDArray[np.bool_]
    """(candidates, bins)."""
    sums: Floats
    """Of the left side, (candidates, 3)."""


def best_split(histogram: Floats, bins: Bins, features: Sequence[int], rules: Rules) -> Split | None:
    """Of a node whose sums are ``histogram`` (total bins, 3), by one of ``features``; None where nothing is gained."""
    found: list[tuple[int, _Candidates]] = []
    for feature in features:
        start = bins.starts[feature]
        cells = histogram[start : start + bins.sizes[feature]]
        candidates = _by_category(cells, rules.l2) if bins.categorical[feature] else _ordered(cells)
        found.append((feature, candidates))
    if not found:
        return None
    left = np.concatenate([candidates.sums for _, candidates in found])
    first = features[0]
    total = histogram[bins.starts[first] : bins.starts[first] + bins.sizes[first]].sum(axis=0)
    gains = _gains(left, total, rules)
    best = float(gains.max(initial=-np.inf))
    if not best > max(rules.min_gain, LEAST_GAIN):
        return None
    at = int(np.argmax(gains >= best * (1 - CLOSE)))  # 4
    gain, sums = float(gains[at]), left[at]
    ends = np.cumsum([len(candidates.sums) for _, candidates in found])
    place = int(np.searchsorted(ends, at, side="right"))
    feature, candidates = found[place]
    goes_left = candidates.left[at - int(ends[place])].copy()
    start = bins.starts[feature]
    empty = histogram[start : start + bins.sizes[feature], 0] < 0.5
    larger_is_left = bool(2 * sums[0] >= total[0])
    if bins.categorical[feature]:
        goes_left[empty] = larger_is_left  # 3
    elif empty[0]:
        goes_left[0] = larger_is_left  # 2
    return Split(feature, goes_left, gain, (sums, total - sums))


def leaf_value(sums: Floats, l2: float) -> float:
    """The Newton step of a leaf, -G / (H + l2) (equation 5); 0 for no rows."""
    weight = float(sums[2]) + l2
    return -float(sums[1]) / weight if weight > 0 else 0.0


def _ordered(cells: Floats) -> _Candidates:
    """Rule 2: at each cut the missing values right, then left; all values against the missing ones last."""
    size = len(cells)
    below = np.tril(np.ones((size - 1, size), bool), 1)
    below[:, 0] = False
    with_missing = below[:-1].copy()
    with_missing[:, 0] = True
    left = np.empty((2 * size - 3, size), bool)
    left[0::2], left[1::2] = below, with_missing
    values = np.cumsum(cells[1:], axis=0)
    sums = np.empty((2 * size - 3, 3))
    sums[0::2], sums[1::2] = values, values[:-1] + cells[0]
    return _Candidates(left, sums)


def _by_category(cells: Floats, l2: float) -> _Candidates:
    """Rule 3."""
    present = np.flatnonzero(cells[:, 0] >= 0.5)
    ratio = cells[present, 1] / np.maximum(cells[present, 2] + l2, 1e-12)
    order = present[np.argsort(np.round(ratio, 9), kind="stable")]
    cuts = max(len(order) - 1, 0)
    left = np.zeros((cuts, len(cells)), bool)
    for i in range(cuts):
        left[i, order[: i + 1]] = True
    return _Candidates(left, np.cumsum(cells[order], axis=0)[:cuts])


def _gains(left: Floats, total: Floats, rules: Rules) -> Floats:
    """Rule 1; minus infinity where a side is too small."""
    right = total - left
    gains = 0.5 * (_score(left, rules.l2) + _score(right, rules.l2) - _score(total[None], rules.l2))
    least = max(rules.min_rows_leaf, 1) - 0.5
    fits = (left[:, 0] > least) & (right[:, 0] > least)
    fits &= (left[:, 2] >= rules.min_child_weight) & (right[:, 2] >= rules.min_child_weight)
    return np.where(fits, gains, -np.inf)


def _score(sums: Floats, l2: float) -> Floats:
    return np.asarray(sums[:, 1] ** 2 / np.maximum(sums[:, 2] + l2, 1e-12))
