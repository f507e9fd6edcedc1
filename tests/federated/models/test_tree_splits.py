"""The vectorised search for a split, held against one that tries every split by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.models.tree_splits import CLOSE, LEAST_GAIN, Bins, Rules, best_split, leaf_value


def brute_gain(cells, left, rules):
    """Half of GL^2 / (HL + l2) + GR^2 / (HR + l2) - G^2 / (H + l2), None where a side is too small."""
    sides = []
    for side in (left, set(range(len(cells))) - left):
        sides.append([sum(cells[b][i] for b in side) for i in range(3)])
    for rows, _, hessian in sides:
        if rows < rules.min_rows_leaf or hessian < rules.min_child_weight:
            return None
    total = [sides[0][i] + sides[1][i] for i in range(3)]
    score = [g * g / (h + rules.l2) for _, g, h in (*sides, total)]
    return (score[0] + score[1] - score[2]) / 2


def ordered_sides(size):
    for cut in range(1, size):
        yield set(range(1, cut + 1))
        if cut < size - 1:
            yield {0, *range(1, cut + 1)}


def all_sides(cells):
    present = [b for b in range(len(cells)) if cells[b][0] > 0]
    for count in range(1, len(present)):
        for chosen in itertools.combinations(present, count):
            yield set(chosen)


def brute_best(histogram, sizes, rules):
    """The gain of the best split of ordered features."""
    best, start = 0.0, 0
    for size in sizes:
        cells = histogram[start : start + size].tolist()
        gains = [brute_gain(cells, left, rules) for left in ordered_sides(size)]
        best = max([best, *(gain for gain in gains if gain is not None)])
        start += size
    return best


cell = st.tuples(st.integers(0, 30), st.floats(-1, 1), st.floats(0.01, 0.25))


@st.composite
def nodes(draw):
    """Rows of a node, put into the bins of each feature: all features have the same total."""
    sizes = tuple(draw(st.lists(st.integers(2, 7), min_size=1, max_size=3)))
    rows = draw(st.integers(1, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    draws = np.random.default_rng(seed)
    statistics = np.column_stack([np.ones(rows), draws.normal(size=rows), draws.uniform(0.01, 0.25, rows)])
    histogram = np.zeros((sum(sizes), 3))
    start = 0
    for size in sizes:
        np.add.at(histogram, start + draws.integers(0, size, rows), statistics)
        start += size
    return sizes, histogram


rules = st.builds(
    Rules,
    l2=st.sampled_from([0.1, 1.0, 10.0]),
    min_child_weight=st.sampled_from([0.0, 0.5]),
    min_rows_leaf=st.integers(1, 5),
)


@settings(max_examples=200, deadline=None)
@given(nodes(), rules)
def test_the_best_split_is_the_one_found_by_trying_all(node, rules):
    sizes, histogram = node
    bins = Bins(sizes, (False,) * len(sizes))
    found = best_split(histogram, bins, range(len(sizes)), rules)
    best = brute_best(histogram, sizes, rules)
    if found is None:
        assert best <= LEAST_GAIN * (1 + 1e-6)
        return
    assert found.gain == pytest.approx(best, rel=2 * CLOSE, abs=1e-9)
    start = bins.starts[found.feature]
    cells = histogram[start : start + sizes[found.feature]]
    assert np.allclose(found.sums[0], cells[found.left].sum(axis=0))
    assert np.allclose(found.sums[1], cells[~found.left].sum(axis=0))
    chosen = {int(b) for b in np.flatnonzero(found.left)}
    assert brute_gain(cells.tolist(), chosen, rules) == pytest.approx(found.gain, rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(cell, min_size=2, max_size=6))
def test_for_squared_loss_no_subset_of_categories_beats_the_sorted_ones(cells):
    """Fisher (1958): with Hessian 1 for each row, and no penalty."""
    histogram = np.array([[n, n * g, n] for n, g, _ in cells], float)
    rules = Rules(l2=0.0, min_child_weight=0.0, min_rows_leaf=1)
    gains = [brute_gain(histogram.tolist(), left, rules) for left in all_sides(histogram.tolist())]
    best = max([0.0, *(gain for gain in gains if gain is not None)])
    found = best_split(histogram, Bins((len(cells),), (True,)), (0,), rules)
    assert (0.0 if found is None else found.gain) == pytest.approx(best, rel=1e-6, abs=2 * LEAST_GAIN)


def histogram_of(*cells):
    return np.array([[n, g, n / 4] for n, g in cells], float)


def test_missing_values_go_where_they_gain_more():
    bins, rules = Bins((3,), (False,)), Rules(min_rows_leaf=1)
    like_low = best_split(histogram_of((10, -5), (10, -5), (10, 5)), bins, (0,), rules)
    like_high = best_split(histogram_of((10, 5), (10, -5), (10, 5)), bins, (0,), rules)
    assert like_low.left.tolist() == [True, True, False]
    assert like_high.left.tolist() == [False, True, False]


def test_where_nobody_lacks_a_value_the_larger_side_is_the_default():
    bins, rules = Bins((3,), (False,)), Rules(min_rows_leaf=1)
    assert best_split(histogram_of((0, 0), (30, -9), (10, 5)), bins, (0,), rules).left[0]
    assert not best_split(histogram_of((0, 0), (10, -9), (30, 5)), bins, (0,), rules).left[0]


def test_that_a_value_is_missing_can_be_all_that_matters():
    found = best_split(histogram_of((20, 9), (20, -4), (20, -4)), Bins((3,), (False,)), (0,), Rules(min_rows_leaf=1))
    assert found.left.tolist() == [False, True, True]


def test_a_column_of_two_values_is_split_between_them():
    found = best_split(histogram_of((30, 9), (30, -9)), Bins((2,), (False,)), (0,), Rules())
    assert found.left.tolist() == [False, True]


def test_a_constant_column_is_never_split_on():
    constant, other = histogram_of((0, 0), (60, 0)), histogram_of((30, 9), (30, -9))
    bins = Bins((2, 2), (False, False))
    assert best_split(np.vstack([constant, other]), bins, (0, 1), Rules()).feature == 1
    assert best_split(np.vstack([constant, other]), bins, (0,), Rules()) is None


def test_of_two_columns_that_say_the_same_the_first_is_taken_whatever_a_secure_sum_rounds():
    one = histogram_of((30, 9), (30, -9))
    bins = Bins((2, 2), (False, False))
    for wobble in (-1e-9, 0.0, 1e-9):
        assert best_split(np.vstack([one, one * (1 + wobble)]), bins, (0, 1), Rules()).feature == 0


def test_a_side_of_too_few_rows_is_not_made():
    cells = histogram_of((0, 0), (19, -9), (40, 9))
    assert best_split(cells, Bins((3,), (False,)), (0,), Rules(min_rows_leaf=20)) is None
    assert best_split(cells, Bins((3,), (False,)), (0,), Rules(min_rows_leaf=19)) is not None


def test_what_rounding_may_have_made_is_no_gain():
    cells = histogram_of((0, 0), (30, 1e-9), (30, -1e-9))
    assert best_split(cells, Bins((3,), (False,)), (0,), Rules(min_rows_leaf=1)) is None


def test_a_category_that_does_not_occur_goes_to_the_larger_side():
    found = best_split(histogram_of((0, 0), (40, 9), (20, -9), (0, 0)), Bins((4,), (True,)), (0,), Rules())
    larger = found.left[1]
    assert found.left[0] == found.left[3] == larger and found.left[2] != larger


def test_a_leaf_moves_by_a_newton_step_and_an_empty_one_not_at_all():
    assert leaf_value(np.array([4.0, -2.0, 1.0]), 1.0) == 1.0
    assert leaf_value(np.zeros(3), 0.0) == 0.0
