"""No sum of a hospital's over a node and bins rests on a few patients, and none is lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.errors import FederatedError
from belmont.federated.node.histograms import Level, groups, guarded_histograms


@st.composite
def grown(draw, most_rows=60, features=3, depth=3, most_size=6):
    """Bins of rows, and any tree that a researcher may send."""
    draws = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = tuple(int(each) for each in draws.integers(2, most_size + 1, draw(st.integers(1, features))))
    count = draw(st.integers(1, most_rows))
    bins = np.column_stack([draws.integers(0, size, count) for size in sizes])
    levels = [
        Level(draws.integers(-1 if d else 0, len(sizes), 2**d), draws.random((2**d, max(sizes))) < 0.5)
        for d in range(draw(st.integers(0, depth)))
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


def cells_of(bins, sizes, levels, k):
    """By level, the rows in each cell of the first feature: arrays of (nodes, bins, rows)."""
    identity = np.eye(len(bins))
    found = [guarded_histograms(bins, sizes, levels[:d], identity, k) for d in range(len(levels) + 1)]
    return [each[:, : sizes[0], 1:].astype(bool) for each in found]


def formal_sums(cells):
    """What a reader knows each reported sum to be of: (sums, parts), and the rows in each part.

    A part is what no reported sum divides further: a group of the root in a node of the last level, or in a node that
    was not split. A reader knows which groups each cell joins, and that cells of no row are empty; not which parts of
    other cells are.
    """
    nodes = [(d, n) for d, level in enumerate(cells) for n in range(len(level))]
    ends = [(d, n) for d, n in nodes if d + 1 == len(cells) or not cells[d + 1][2 * n : 2 * n + 2].any()]
    parts = [(d, n, b) for d, n in ends for b in np.flatnonzero(cells[0][0].any(axis=1))]
    rows = [cells[d][n].any(axis=0) & cells[0][0][b] for d, n, b in parts]
    present = np.flatnonzero(cells[0][0].any(axis=1))
    joined = {(0, 0): {b: {b} for b in present}}
    sums, is_known_empty = [], np.zeros(len(parts), bool)
    for d, n in nodes:
        if d:
            pair = cells[d][n - n % 2 : n - n % 2 + 2].any(axis=0)
            before = joined[d - 1, n // 2]
            own = {b: [g for g in before if (pair[b] & cells[d - 1][n // 2, g]).any()] for b in range(len(pair))}
            joined[d, n] = {b: set().union(*(before[g] for g in given)) for b, given in own.items() if given}
        not_here = set(present) - set().union(*(joined[d, n][b] for b in joined[d, n] if cells[d][n, b].any()))
        is_known_empty |= [e >= d and m >> (e - d) == n and g in not_here for e, m, g in parts]
        sums += [[e >= d and m >> (e - d) == n and g in joined[d, n][b] for e, m, g in parts] for b in joined[d, n]]
    return np.array(sums, float)[:, ~is_known_empty], np.array(rows)[~is_known_empty]


def fewest_found(sums, rows):
    """The fewest rows, above none, that follow from the reported sums by adding and subtracting."""
    parts = sums.shape[1]
    chosen = (np.arange(1, 2**parts)[:, None] >> np.arange(parts)) & 1
    rank = np.linalg.matrix_rank(sums)
    basis = np.linalg.svd(sums)[2][:rank]
    follows = np.abs(chosen - chosen @ basis.T @ basis).max(axis=1) < 1e-8
    counts = chosen[follows] @ rows.sum(axis=1)
    return int(counts[counts > 0].min())


EXAMPLE = np.array([[0, 0]] * 2 + [[0, 1]] + [[1, 0]] * 3 + [[2, 0]] * 3 + [[2, 1]] * 4)
"""By the first feature 3, 3 and 7 rows; of those 2, 3 and 3 go left by the second, so 1, 0 and 4 right."""
SPLIT = Level(np.array([1]), np.array([[True, False, False]]))


def test_subtracting_levels_shows_one_patient_where_each_node_joins_its_bins_alone():
    counts = brute(EXAMPLE, (3, 2), [], np.zeros((13, 0)))[0, :3, 0].astype(int)
    children = brute(EXAMPLE, (3, 2), [SPLIT], np.zeros((13, 0)))[:, :3, 0].astype(int)
    root, left, right = (np.bincount(groups(each[None], 3), each, 3) for each in (counts, *children))
    assert all(cell == 0 or cell >= 3 for cell in (*root, *left, *right)), "each alone is of nobody or of three"
    assert right.sum() - (root[2] - left[2]) == 1, "and together they show the one on the right in the first two bins"
    ours = guarded_histograms(EXAMPLE, (3, 2), [SPLIT], np.zeros((13, 0)), 3)[:, :3, 0]
    assert [np.count_nonzero(each) for each in ours] == [1, 1], "here siblings have the same groups: one group"
    assert fewest_found(*formal_sums(cells_of(EXAMPLE, (3, 2), [SPLIT], 3))) == 3


@settings(max_examples=150, deadline=None)
@given(grown(most_rows=30, features=2, depth=2, most_size=4))
def test_nothing_about_fewer_rows_follows_from_one_features_sums_in_a_tree(tree):
    bins, sizes, levels = tree
    if len(bins) >= 3:
        assert fewest_found(*formal_sums(cells_of(bins, sizes, levels, 3))) >= 3


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
