"""Sums over the nodes and bins of a growing tree, so that no sum of this hospital's rests on a few patients.

A study's code that grows trees asks for them here (`tree_histograms`); ``k`` is the node's smallest cell. The rules are
of what is asked for here: approved code that adds up by itself is not held to them.

1. In a node, and for each feature, neighbouring bins are joined into groups of at least ``k`` rows, from the lowest bin
   on; what is left over at the end joins the group before it. A row counts at its group's fullest bin. So every sum is
   over no row, or over at least ``k``, and a node's sums are the same for each feature: nothing is left out
   (microaggregation: Domingo-Ferrer and Mateo-Sanz, IEEE TKDE 14:189, 2002).
2. A split sends a whole group to one side, that of the bin where it counts. So each node has no row of this hospital,
   or at least ``k``, whatever the split.
3. Two siblings have the same groups, each of at least ``k`` rows or none in either, and each is made of whole groups of
   their parent. So along a feature a tree's sums may be added and subtracted, level from level: what follows is again
   of no row or at least ``k``, for who knows no more than these sums. Groups made for each node alone do not stand
   that (tests/federated/models/test_tree_histograms.py).
4. With ``k`` = 1 a row counts at its own bin, and the sums are exact.
5. A loss is of scores in groups of ``k`` neighbours (`grouped_scores`): a model with one large score, in a leaf that
   one patient is alone in, would show that patient's outcome in the mean loss.

What is not held back: a sum over ``k`` rows that all have one outcome; differences between features or trees, whose
nodes differ by a few patients; what follows for who knows otherwise that nobody is in some part of a node; and sums
weighted by a model that was made to single somebody out, since the Hessian of a row whose prediction is certain is 0.
Only totals over hospitals are read, so a reader has to know the other hospitals' part as well. Against the rest stands
noise, of which these sums have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from flwr.app import Context
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.microaggregation import microaggregated
from belmont.federated.node.data import smallest_cell

Bins = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """How the 2^d nodes of one level of a tree are split."""

    feature: NDArray[np.int64]
    """(2^d,): which feature, -1 where the node is not split."""
    left: NDArray[np.bool_]
    """(2^d, at least the largest size): whether a bin goes left."""


def tree_histograms(
    context: Context, bins: Bins, sizes: Sequence[int], levels: Sequence[Level], statistics: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Number of rows and sums of each statistic, of shape (2^len(levels), sum(sizes), 1 + statistics).

    ``bins`` has a row's bin of each feature, from 0 to below the feature's size; ``statistics`` has one row for each of
    them; the bins of all features lie behind each other. Rows of nodes that were not split count nowhere.
    Raises FederatedError outside a node's run, and for bins or splits that do not fit.
    """
    return guarded_histograms(bins, sizes, levels, statistics, smallest_cell(context))


def grouped_scores(context: Context, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of all rows, (rows, classes), each as its group's (5). Raises FederatedError outside a node's run."""
    k = smallest_cell(context)
    if len(scores) < k:
        return np.zeros_like(scores)
    return np.column_stack([microaggregated(column, k, column) for column in scores.T])


def guarded_histograms(
    bins: Bins, sizes: Sequence[int], levels: Sequence[Level], statistics: NDArray[np.float64], k: int
) -> NDArray[np.float64]:
    """`tree_histograms` for a smallest cell of ``k`` rows."""
    rows, features = bins.shape
    starts = np.concatenate([[0], np.cumsum(sizes)])
    if features != len(sizes) or len(statistics) != rows or np.any(bins < 0) or np.any(bins >= np.asarray(sizes)):
        raise FederatedError("the bins do not fit their sizes, or the statistics have other rows")
    inside = np.arange(rows) if rows >= k else np.zeros(0, np.int64)
    node = np.zeros(len(inside), np.int64)
    coded = bins[inside] + starts[:-1]
    if k > 1:
        coded = _grouped(coded, node, np.zeros_like(node), 1, starts, k)
    for depth, level in enumerate(levels):
        _check(level, 2**depth, sizes)
        feature = level.feature[node]
        stays = feature >= 0
        inside, node, coded, feature = inside[stays], node[stays], coded[stays], feature[stays]
        at = coded[np.arange(len(node)), feature] - starts[feature]
        right = (~level.left[node, at]).astype(np.int64)  # 2
        if k > 1:
            coded = _grouped(coded, node, right, 2**depth, starts, k)
        node = 2 * node + right
    cells = 2 ** len(levels) * starts[-1]
    places = (node[:, None] * starts[-1] + coded).ravel()
    columns = [None, *statistics[inside].T]
    sums = [np.bincount(places, None if column is None else np.repeat(column, features), cells) for column in columns]
    return np.stack(sums, axis=1).astype(np.float64).reshape(2 ** len(levels), int(starts[-1]), len(columns))


def groups(counts: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Where each bin counts (1, 3): ``counts`` has the rows of (siblings, bins), the answer is of shape (bins,)."""
    ends: list[int] = []
    parts: list[NDArray[np.int64]] = []
    part = np.zeros(len(counts), np.int64)
    for b in range(counts.shape[1]):
        part = part + counts[:, b]
        if _is_enough(part, k):
            ends.append(b + 1)
            parts.append(part)
            part = np.zeros(len(counts), np.int64)
    while part.any() and not _is_enough(part, k) and parts:
        part = part + parts.pop()
        ends.pop()
    if part.any():
        ends.append(counts.shape[1])
    where = np.arange(counts.shape[1])
    start = 0
    for end in ends:
        where[start:end] = start + int(np.argmax(counts[:, start:end].sum(axis=0)))
        start = end
    return where


def _is_enough(part: NDArray[np.int64], k: int) -> bool:
    return bool(part.any() and ((part == 0) | (part >= k)).all())


def _grouped(coded: Bins, node: Bins, side: Bins, nodes: int, starts: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Each row's bins (already behind each other) as they count in the children of its node."""
    total = int(starts[-1])
    places = ((2 * node + side)[:, None] * total + coded).ravel()
    counts = np.bincount(places, minlength=2 * nodes * total).reshape(nodes, 2, total)
    where = np.tile(np.arange(total), (nodes, 1))
    for parent in np.flatnonzero(counts.any(axis=(1, 2))):
        for start, end in pairwise(starts):
            where[parent, start:end] = start + groups(counts[parent, :, start:end], k)
    return np.asarray(where[node[:, None], coded], np.int64)


def _check(level: Level, nodes: int, sizes: Sequence[int]) -> None:
    fits = level.feature.shape == (nodes,) and level.left.ndim == 2 and len(level.left) == nodes
    if not fits or level.left.shape[1] < max(sizes) or level.feature.max() >= len(sizes) or level.feature.min() < -1:
        raise FederatedError("a split of the tree does not fit its level or the features")
