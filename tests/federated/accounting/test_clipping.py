"""The integers that noise is added to have a bounded norm, whatever a study's code answered."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from belmont.federated.accounting.clipping import Clipped, clip_client, clip_examples, largest_scaled_norm, norms_fit
from belmont.federated.errors import PrivacyError

ANY_FLOAT = st.one_of(
    st.floats(-10, 10), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -0.0, 5e-324, 1.7e308])
)
BOUNDS = st.integers(64, 2**31 - 1)


def norm_sq(values):
    return sum(int(v) ** 2 for v in values)


@given(hnp.arrays(np.float64, st.integers(1, 64), elements=ANY_FLOAT), BOUNDS, st.integers(0, 30))
def test_a_clipped_update_never_has_a_larger_norm_than_the_bound(update, bound, bits):
    values = clip_client({"w": update}, bound, bits).values
    assert values.dtype == np.int64
    assert norm_sq(values) <= bound**2


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 16)), elements=ANY_FLOAT),
    st.integers(64, 2**24),
    st.integers(0, 30),
    st.data(),
)
def test_adding_or_removing_one_row_moves_the_sum_by_at_most_the_bound(rows, bound, bits, data):
    which = data.draw(st.integers(0, len(rows) - 1))
    with_row = clip_examples({"w": rows}, bound, bits).values
    without = clip_examples({"w": np.delete(rows, which, axis=0)}, bound, bits).values
    assert norm_sq(with_row - without) <= bound**2


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 8)), elements=ANY_FLOAT), st.integers(64, 2**24)
)
def test_a_sum_over_rows_is_the_sum_of_the_rows_clipped_alone(rows, bound):
    together = clip_examples({"w": rows}, bound, 12).values
    assert np.array_equal(together, sum(clip_client({"w": row}, bound, 12).values for row in rows))


def test_the_order_of_rows_and_the_size_of_blocks_change_nothing(monkeypatch):
    rows = {"w": np.random.default_rng(1).normal(size=(300, 20))}
    whole = clip_examples(rows, 2**20, 18).values
    assert np.array_equal(clip_examples({"w": rows["w"][::-1]}, 2**20, 18).values, whole)
    monkeypatch.setattr("belmont.federated.accounting.clipping._BLOCK_CELLS", 140)
    assert np.array_equal(clip_examples(rows, 2**20, 18).values, whole)


def test_what_fits_is_only_rounded():
    clipped = clip_client({"w": np.array([0.5, -0.25, 3 / 65536, 0.4 / 65536])}, 2**16, 16)
    assert clipped.values.tolist() == [32_768, -16_384, 3, 0]
    assert (clipped.contributions, clipped.cut, clipped.not_finite) == (1, 0, 0)


@given(hnp.arrays(np.float64, 40, elements=st.floats(-1e3, 1e3)))
def test_what_does_not_fit_keeps_its_direction(update):
    bound = 2**24
    clipped = clip_client({"w": update}, bound, 20)
    length = np.linalg.norm(update)
    expected = update * min(2.0**20, largest_scaled_norm(bound, 40) / length if length else 0.0)
    assert np.abs(clipped.values - expected).max() <= 0.51


def test_a_norm_is_taken_over_all_arrays_in_their_order():
    arrays = {"b": np.array([3.0]), "a": np.array([[0.0, 4.0]])}
    values = clip_client(arrays, 2**20, 20).values
    assert values.shape == (3,)
    assert math.isqrt(norm_sq(values)) in (2**20 - 2, 2**20 - 1, 2**20)
    assert np.allclose(values / 2**20, [0.6, 0.0, 0.8], atol=1e-5)


def test_by_row_all_arrays_of_a_row_are_cut_together():
    arrays = {"a": np.array([[3.0], [0.3]]), "b": np.array([4.0, 0.4]).astype(np.float32)}
    values = clip_examples(arrays, 2**20, 20).values / 2**20
    assert np.allclose(values, [0.6 + 0.3, 0.8 + 0.4], atol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_that_is_not_finite_counts_as_zeros_and_stops_nothing(bad):
    good = np.array([[0.5, 0.5], [0.25, 0.0]])
    spoilt = clip_examples({"w": np.vstack([good, [[bad, 0.1]]])}, 2**16, 16)
    assert np.array_equal(spoilt.values, clip_examples({"w": good}, 2**16, 16).values)
    assert (spoilt.contributions, spoilt.not_finite) == (3, 1)
    assert clip_client({"w": np.array([bad, 0.1])}, 2**16, 16).values.tolist() == [0, 0]


def test_no_rows_give_zeros():
    assert clip_examples({"w": np.zeros((0, 3))}, 2**16, 16).values.tolist() == [0, 0, 0]


def test_rounding_at_the_full_norm_breaks_the_bound_and_ours_does_not():
    bound, update = 14, np.full(16, 3.5)
    assert np.linalg.norm(update) == bound
    assert norm_sq(np.rint(update)) == 16**2  # the noise was made for 14
    assert norm_sq(clip_client({"w": update}, bound, 0).values) <= bound**2


@pytest.mark.parametrize(
    ("arrays", "bound", "bits"),
    [
        ({}, 2**16, 16),
        ({"w": np.zeros(3, np.int64)}, 2**16, 16),
        ({"w": np.zeros(3, ">f8")}, 2**16, 16),
        ({"w": np.zeros(0)}, 2**16, 16),
        ({"w": np.zeros(3)}, 0, 16),
        ({"w": np.zeros(3)}, 2**31, 16),
        ({"w": np.zeros(3)}, 2**16, 31),
        ({"w": np.zeros(3)}, 3, 16),
        ({"w": np.zeros(1_000_000)}, 1_999, 16),
    ],
)
def test_what_is_no_update_or_too_coarse_a_bound_is_refused(arrays, bound, bits):
    with pytest.raises(PrivacyError):
        clip_client(arrays, bound, bits)


@pytest.mark.parametrize(
    "arrays",
    [{"a": np.zeros((2, 3)), "b": np.zeros((3, 3))}, {"a": np.array(1.0)}, {"a": np.zeros((2, 3)), "b": np.array(1.0)}],
)
def test_arrays_without_the_same_rows_are_refused(arrays):
    with pytest.raises(PrivacyError):
        clip_examples(arrays, 2**16, 16)


def test_so_many_rows_that_totals_could_overflow_are_refused():
    rows = np.broadcast_to(np.zeros(1), (2**22, 1))
    with pytest.raises(PrivacyError, match="fewer fraction bits"):
        clip_examples({"w": rows}, 2**31 - 1, 16)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**31), 2**31) | st.integers(-3, 3), min_size=1),
    st.integers(1, 2**31 - 1),
)
@settings(max_examples=300, deadline=None)
def test_the_norm_of_integers_is_compared_exactly(values, bound):
    assert norms_fit(np.array([values]), bound).tolist() == [norm_sq(values) <= bound**2]


def test_a_norm_one_above_the_bound_does_not_fit():
    exact = np.array([[3 * 2**28, 4 * 2**28], [3 * 2**28, 4 * 2**28 + 1]])
    assert norms_fit(exact, 5 * 2**28).tolist() == [True, False]
    assert norms_fit(exact, 5 * 2**28 - 1).tolist() == [False, False]


def test_a_norm_so_large_that_it_passes_64_bits_does_not_fit():
    bound = 2**31 - 1
    assert 5 * bound**2 - 2**64 <= bound**2  # what 64 bits would say
    assert norms_fit(np.array([[bound] * 5, [bound, 0, 0, 0, 0]]), bound).tolist() == [False, True]


def test_integers_longer_than_the_bound_go_no_further(monkeypatch):
    """Should rounding ever err more than was proved, nothing leaves."""
    monkeypatch.setattr("belmont.federated.accounting.clipping.largest_scaled_norm", lambda bound, cells: bound + 8.0)
    with pytest.raises(PrivacyError, match="longer than the bound"):
        clip_client({"w": np.full(16, 1e9)}, 2**16, 16)


def test_what_has_no_noise_yet_is_not_shown():
    shown = repr(clip_client({"w": np.array([0.75])}, 2**16, 16))
    assert shown == "Clipped()"
    assert isinstance(clip_client({"w": np.array([0.75])}, 2**16, 16), Clipped)
