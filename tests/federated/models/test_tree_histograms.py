"""No sum of a hospital's over a node and bins rests on a few patients, and none is lost."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.errors import FederatedError
from belmont.federated.node.histograms import Level, groups, guarded_histograms


@st.composite
def grown(draw, rows=st.integers(1, 60), features=st.integers(1, 3), depth=st.integers(0, 3)):
    """Bins of rows, and any tree that a researcher may send."""
    draws = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = tuple(int(each) for each in draws.integers(2, 7, draw(features)))
    count = draw(rows)
    bins = np.column_stack([draws.integers(0, size, count) for size in sizes])
    levels = [
        Level(draws.integers(-1 if d else 0, len(sizes), 2**d), draws.random((2**d, max(sizes))) < 0.5)
        for d in range(draw(depth))
    ]
    return bins, sizes, levels


def brute(bins, sizes, levels, statistics):
    """Row by row, each at its own bin."""
    found = np.zeros((2 ** len(levels), sum(sizes), 1 + statistics.shape[1]))
    for row, values in zip(bins, statistics, strict=True):
        node = 0
        for level in levels:
            feature = level.feature[node]
            if feature < 0:
                break
            node = 2 * node + (0 if level.left[node, row[feature]] else 1)
        else:
            for feature, b in enumerate(row):
                found[node, sum(sizes[:feature]) + b] += [1, *values]
    return found


@settings(max_examples=100, deadline=None)
@given(grown())
def test_without_a_smallest_cell_the_sums_are_those_of_every_row_at_its_bin(tree):
    bins, sizes, levels = tree
    statistics = np.random.default_rng(1).normal(size=(len(bins), 2))
    found = guarded_histograms(bins, sizes, levels, statistics, 1)
    assert np.allclose(found, brute(bins, sizes, levels, statistics), atol=1e-12)


def starts_of(sizes):
    return list(zip(np.cumsum((0, *sizes)), sizes, strict=False))


@settings(max_examples=200, deadline=None)
@given(grown(), st.integers(2, 9))
def test_every_sum_is_over_no_row_or_enough_and_a_nodes_total_is_the_same_for_each_feature(tree, k):
    bins, sizes, levels = tree
    statistics = np.random.default_rng(1).normal(size=(len(bins), 1))
    found = guarded_histograms(bins, sizes, levels, statistics, k)
    counts = found[..., 0]
    assert ((counts == 0) | (counts >= k)).all()
    totals = np.array([found[:, start : start + size].sum(axis=1) for start, size in starts_of(sizes)])
    assert np.allclose(totals, totals[0], atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(grown(), st.integers(2, 9))
def test_siblings_add_up_to_their_parent(tree, k):
    bins, sizes, levels = tree
    if not levels or len(bins) < k:
        return
    statistics = np.random.default_rng(1).normal(size=(len(bins), 1))
    parents = guarded_histograms(bins, sizes, levels[:-1], statistics, k)
    children = guarded_histograms(bins, sizes, levels, statistics, k)
    width = sizes[0]
    for node, feature in enumerate(levels[-1].feature):
        both = children[2 * node : 2 * node + 2, :width].sum(axis=(0, 1))
        expected = parents[node, :width].sum(axis=0) if feature >= 0 else np.zeros(2)
        assert np.allclose(both, expected, atol=1e-9)


@given(st.lists(st.lists(st.integers(0, 12), min_size=5, max_size=5), min_size=1, max_size=2), st.integers(2, 9))
def test_groups_are_of_neighbours_and_count_at_a_bin_of_their_own(counts, k):
    table = np.array(counts)
    where = groups(table, k)
    order = np.unique(where, return_index=True)[1]
    runs = [b for b in range(len(where)) if b == 0 or where[b] != where[b - 1]]
    assert sorted(order) == runs, "a group is a run of neighbours"
    assert all(where[where[b]] == where[b] for b in range(len(where)))


def reported(bins, sizes, levels, k):
    """For each sum over a feature's bins that is reported of any level: which rows are in it, (sums, rows)."""
    identity = np.eye(len(bins))
    sums = []
    for depth in range(len(levels) + 1):
        found = guarded_histograms(bins, sizes, levels[:depth], identity, k)
        sums.append(found[:, : sizes[0], 1:].reshape(-1, len(bins)))
    return np.concatenate(sums)


def each_alone(bins, sizes, levels, k):
    """The same where each node's bins are joined by themselves: the form that does not stand subtraction."""
    identity = np.eye(len(bins))
    sums = []
    for depth in range(len(levels) + 1):
        for node in brute(bins, sizes, levels[:depth], identity):
            cells = node[: sizes[0], :]
            where = groups(cells[None, :, 0].astype(int), k)
            joined = np.zeros((sizes[0], len(bins)))
            np.add.at(joined, where, cells[:, 1:])
            if cells[:, 0].sum() >= k:
                sums.append(joined)
    return np.concatenate(sums)


def smallest_found(sums, k):
    """The fewest rows, below k, whose sum follows from the reported sums by adding and subtracting; k if none."""
    basis = np.linalg.svd(sums)[2][: np.linalg.matrix_rank(sums)]
    for size in range(1, k):
        for rows in itertools.combinations(range(sums.shape[1]), size):
            target = np.zeros(sums.shape[1])
            target[list(rows)] = 1
            if np.allclose(basis.T @ (basis @ target), target, atol=1e-8):
                return size
    return k


def test_subtracting_levels_shows_one_patient_where_each_node_joins_its_bins_alone_and_not_here():
    k, sizes = 3, (3, 2)
    # By the first feature's bins: 3, 3, 4 rows; of those 2, 3, 3 on the left of a split by the second feature.
    bins = np.array([[0, 0]] * 2 + [[0, 1]] + [[1, 0]] * 3 + [[2, 0]] * 3 + [[2, 1]] * 4)
    levels = [Level(np.array([1]), np.array([[True, False, False]]))]
    assert smallest_found(each_alone(bins, sizes, levels, k), k) == 1
    assert smallest_found(reported(bins, sizes, levels, k), k) == k


@settings(max_examples=60, deadline=None)
@given(grown(rows=st.integers(6, 14), features=st.integers(1, 2), depth=st.integers(1, 2)))
def test_nothing_about_fewer_rows_follows_from_one_features_sums_in_a_tree(tree):
    bins, sizes, levels = tree
    assert smallest_found(reported(bins, sizes, levels, 3), 3) == 3


def test_a_tree_made_to_single_out_a_patient_sends_nobody_to_a_node_of_one():
    bins = np.column_stack([np.arange(20) % 5, np.full(20, 1)])
    bins[7, 1] = 0
    levels = [Level(np.array([1]), np.array([[True] + [False] * 4]))]
    statistics = np.ones((20, 1))
    assert guarded_histograms(bins, (5, 2), levels, statistics, 1)[0, 5:, 0].sum() == 1
    found = guarded_histograms(bins, (5, 2), levels, statistics, 8)[:, 5:, 0].sum(axis=1)
    assert sorted(found) == [0, 20]


def test_fewer_rows_than_a_cell_contribute_nothing():
    assert not guarded_histograms(np.zeros((7, 1), int), (2,), [], np.ones((7, 1)), 8).any()


@pytest.mark.parametrize(
    ("bins", "level"),
    [
        ([[2]], None),
        ([[-1]], None),
        ([[0]], Level(np.array([1]), np.ones((1, 2), bool))),
        ([[0]], Level(np.array([-2]), np.ones((1, 2), bool))),
        ([[0]], Level(np.array([0]), np.ones((1, 1), bool))),
        ([[0]], Level(np.array([0, 0]), np.ones((2, 2), bool))),
    ],
)
def test_bins_and_splits_that_do_not_fit_are_refused(bins, level):
    with pytest.raises(FederatedError):
        guarded_histograms(np.array(bins), (2,), [] if level is None else [level], np.ones((1, 1)), 1)
