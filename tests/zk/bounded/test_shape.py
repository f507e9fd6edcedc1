"""Limbs in range say exactly that a number is; packed coordinates come back, and their sums never carry."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.zk.bounded.limbs import decompose, limbs_of
from belmont.zk.bounded.limits import (
    MOST_BOUND,
    MOST_COORDINATES,
    MOST_NORM_SQUARED,
    MOST_PARTICIPANTS,
)
from belmont.zk.bounded.shape import Shape
from belmont.zk.errors import UpdateError
from belmont.zk.field import ORDER, A
from belmont.zk.relation import Lookup, Product


@pytest.mark.parametrize("most", [*range(1, 40), 255, 256, 257, 300, 1_000, 4_001])
def test_limbs_in_range_give_every_number_and_no_other(most):
    limbs = limbs_of(most)
    values = {
        sum(limb.weight * digit for limb, digit in zip(limbs, digits, strict=True))
        for digits in product(*(range(limb.width) for limb in limbs))
    }
    assert values == set(range(most + 1))


@given(st.integers(1, 2 * MOST_BOUND), st.data())
@settings(max_examples=60, deadline=None)
def test_every_number_has_limbs_and_the_largest_limbs_give_the_most(most, data):
    limbs = limbs_of(most)
    assert sum(limb.weight * (limb.width - 1) for limb in limbs) == most
    numbers = np.array([0, most, *data.draw(st.lists(st.integers(0, most), max_size=20))])
    digits = decompose(numbers, limbs)
    for limb, each in zip(limbs, digits, strict=True):
        assert int(each.max()) < limb.width
    total = sum(limb.weight * each.astype(object) for limb, each in zip(limbs, digits, strict=True))
    assert total.tolist() == numbers.tolist()


@given(st.integers(1, 2 * MOST_BOUND))
@settings(max_examples=30, deadline=None)
def test_a_number_out_of_range_by_one_has_no_limbs(most):
    limbs = limbs_of(most)
    for outside in (-1, most + 1):
        lowest = decompose(np.array([outside]), limbs)[0]
        assert int(lowest[0]) >= limbs[0].width


def test_tables_stay_small():
    for most in (2, 1 << 17, 1 << 21, 1 << 31, 2 * MOST_BOUND):
        assert sum({limb.width for limb in limbs_of(most)}) <= A


shapes = st.builds(
    Shape,
    st.one_of(st.integers(1, 50), st.integers(A - 1, A + 1), st.integers(1, 9 * A)),
    st.one_of(st.integers(1, 300), st.sampled_from([1 << 20, MOST_BOUND])),
    st.integers(1, MOST_PARTICIPANTS),
    st.one_of(st.none(), st.integers(1, MOST_NORM_SQUARED)),
)


@given(shapes, st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_packed_sums_come_back_whatever_their_signs(shape, seed):
    most = shape.participants * shape.bound
    sums = np.random.default_rng(seed).integers(-most, most, shape.dimension, endpoint=True)
    sums[0], sums[-1] = -most, most
    packed = shape.pack(sums)
    assert [len(rows) for rows in packed] == [A] * shape.chunks
    assert np.array_equal(shape.unpack(packed)[: shape.dimension], sums)
    assert not shape.unpack(packed)[shape.dimension :].any()
    assert all(0 <= x < ORDER for rows in packed for x in rows)


@given(shapes)
@settings(max_examples=40, deadline=None)
def test_a_shape_holds_every_block_and_wraps_around_nothing(shape):
    assert shape.chunks * shape.slots >= shape.blocks > (shape.chunks - 1) * shape.slots
    most = shape.participants * shape.bound
    assert 2 ** (8 * shape.slot_bytes - 1) > most
    assert 2 * most * sum(shape.slot_weights) < ORDER
    looked_up = [each for each in shape.relation.identities if isinstance(each, Lookup)]
    assert len(looked_up) == shape.square + len(shape.slack)
    if shape.norm_squared is not None:
        assert len([each for each in shape.relation.identities if isinstance(each, Product)]) == shape.slots
        reach = sum(limb.weight * (limb.width - 1) * A * shape.chunks for limb in shape.slack)
        assert reach >= shape.norm_squared
        squares = shape.chunks * A * shape.slots * shape.bound**2
        assert squares + reach < ORDER  # the total of e is an integer, not a residue


@pytest.mark.parametrize(
    "change",
    [
        {"dimension": 0},
        {"dimension": MOST_COORDINATES + 1},
        {"bound": 0},
        {"bound": MOST_BOUND + 1},
        {"participants": 0},
        {"participants": MOST_PARTICIPANTS + 1},
        {"norm_squared": 0},
        {"norm_squared": MOST_NORM_SQUARED + 1},
    ],
)
def test_impossible_numbers_are_no_shape(change):
    with pytest.raises(UpdateError):
        replace(Shape(10, 5, 3, 7), **change)


def test_elements_that_no_coordinates_pack_to_are_refused():
    shape = Shape(A + 3, 5, 3)
    rows = shape.pack(np.zeros(A + 3, np.int64))
    for value in (ORDER // 2, 1 << (8 * shape.slot_bytes * shape.slots)):
        with pytest.raises(UpdateError, match="not packed"):
            shape.unpack([[value, *rows[0][1:]]])
    with pytest.raises(UpdateError, match="chunks of"):
        shape.unpack([rows[0][1:]])
