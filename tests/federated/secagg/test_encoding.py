"""Fixed point: nothing wraps, nothing is clipped, counts are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import EncodingRefused
from belmont.federated.secagg.encoding import TOTAL_BOUND, Layout, decode, encode

ARRAYS = {"weights": np.zeros((2, 3)), "bias": np.zeros(1, np.float32)}
LAYOUT = Layout.of(ARRAYS, sums=("loss",), counts=("rows",))


def filled(value):
    return {name: np.full_like(array, value) for name, array in ARRAYS.items()}


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6),
            st.floats(-1e6, 1e6, width=32),
            st.floats(-1e6, 1e6),
            st.integers(0, 2**50),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_a_decoded_sum_is_the_true_one_up_to_half_a_unit_each_and_counts_are_exact(rows):
    total = np.zeros(LAYOUT.size, np.int64)
    for weights, bias, loss, count in rows:
        arrays = {"weights": np.array(weights).reshape(2, 3), "bias": np.array([bias], np.float32)}
        total += encode(LAYOUT, arrays, len(rows), {"loss": loss}, {"rows": count})
    found = decode(LAYOUT, total)
    tolerance = len(rows) * (2.0**-33 + 1e6 * 2**-52)
    assert found.counts == {"rows": sum(row[3] for row in rows)}
    assert found.sums["loss"] == pytest.approx(sum(row[2] for row in rows), abs=tolerance)
    assert found.arrays["bias"] == pytest.approx(sum(row[1] for row in rows), abs=tolerance)
    expected = np.sum([np.array(row[0]).reshape(2, 3) for row in rows], axis=0)
    assert found.arrays["weights"].shape == (2, 3)
    assert np.allclose(found.arrays["weights"], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("hospitals", [1, 2, 3, 5, 7, 16])
def test_at_the_bound_the_sum_is_still_right_and_one_above_it_is_refused(hospitals):
    bound = (TOTAL_BOUND - 1) // hospitals
    layout = Layout.of({}, counts=("rows",))
    total = sum(encode(layout, {}, hospitals, counts={"rows": bound}) for _ in range(hospitals))
    assert decode(layout, total).counts == {"rows": hospitals * bound}
    with pytest.raises(EncodingRefused, match="not an integer from 0"):
        encode(layout, {}, hospitals, counts={"rows": bound + 1})


@given(st.integers(1, 16), st.floats(allow_nan=True, allow_infinity=True), st.booleans())
def test_a_float_is_encoded_within_the_bound_or_refused(hospitals, value, negative):
    layout = Layout.of({"x": np.zeros(1)})
    value = -value if negative else value
    try:
        vector = encode(layout, {"x": np.array([value])}, hospitals)
    except EncodingRefused:
        assert not np.isfinite(value) or abs(value) * 2**32 * hospitals > TOTAL_BOUND - 2**10
    else:
        assert hospitals * abs(int(vector[0])) < TOTAL_BOUND
        assert abs(int(vector[0]) - value * 2**32) <= 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 2.0**30, -(2.0**30)])
def test_one_number_that_is_not_finite_or_too_large_refuses_all(bad):
    arrays = filled(1.0)
    arrays["weights"][1, 2] = bad
    with pytest.raises(EncodingRefused):
        encode(LAYOUT, arrays, 3, {"loss": 0.0}, {"rows": 1})
    with pytest.raises(EncodingRefused):
        encode(LAYOUT, filled(1.0), 3, {"loss": bad}, {"rows": 1})


def test_what_fits_one_hospital_may_be_too_large_for_the_sum_of_ten():
    arrays = filled(2.0**28)
    assert encode(LAYOUT, arrays, 3, {"loss": 0.0}, {"rows": 1})[0] == 2**60
    with pytest.raises(EncodingRefused, match="over these hospitals"):
        encode(LAYOUT, arrays, 10, {"loss": 0.0}, {"rows": 1})


@pytest.mark.parametrize("count", [-1, 1.0, True, np.int64(3), 2**62])
def test_a_count_is_an_integer_from_0(count):
    with pytest.raises(EncodingRefused, match="count"):
        encode(LAYOUT, filled(0.0), 3, {"loss": 0.0}, {"rows": count})


@pytest.mark.parametrize(
    "arrays",
    [
        {"bias": ARRAYS["bias"], "weights": ARRAYS["weights"]},
        {"weights": np.zeros((3, 2)), "bias": ARRAYS["bias"]},
        {"weights": np.zeros(6), "bias": ARRAYS["bias"]},
        {"weights": ARRAYS["weights"], "bios": ARRAYS["bias"]},
        {"weights": ARRAYS["weights"]},
    ],
    ids=["order", "shape", "flat", "name", "missing"],
)
def test_arrays_of_another_layout_are_refused_and_their_layout_has_another_hash(arrays):
    with pytest.raises(EncodingRefused, match="not the layout's"):
        encode(LAYOUT, arrays, 3, {"loss": 0.0}, {"rows": 1})
    assert Layout.of(arrays, ("loss",), ("rows",)).hash != LAYOUT.hash


@pytest.mark.parametrize(
    "other",
    [
        Layout.of(ARRAYS, ("loss",), ("rows",), 31),
        Layout.of(ARRAYS, ("rows",), ("loss",)),
        Layout.of(ARRAYS, ("loss", "rows")),
        Layout.of(ARRAYS, (), ("loss", "rows")),
    ],
)
def test_sums_counts_and_fraction_bits_are_part_of_the_layout(other):
    assert other.hash != LAYOUT.hash


@pytest.mark.parametrize(
    ("sums", "counts"), [({}, {"rows": 1}), ({"loss": 0.0}, {}), ({"loss": 0.0, "x": 1.0}, {"rows": 1})]
)
def test_missing_or_further_scalars_are_refused(sums, counts):
    with pytest.raises(EncodingRefused, match="names"):
        encode(LAYOUT, filled(0.0), 3, sums, counts)


def test_integers_in_an_array_are_refused():
    with pytest.raises(EncodingRefused, match="only float64"):
        encode(Layout.of({"x": np.zeros(2)}), {"x": np.zeros(2, np.int64)}, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Layout((("x", (2,)), ("x", (2,)))),
        lambda: Layout((), ("a", "a")),
        lambda: Layout((), (), ("a", "a")),
        lambda: Layout(()),
        lambda: Layout((("x", (0,)),)),
        lambda: Layout((("x", (1,)),), fraction_bits=53),
        lambda: Layout((("x", (1,)),), fraction_bits=-1),
    ],
)
def test_a_layout_that_says_nothing_clear_is_refused(make):
    with pytest.raises(EncodingRefused):
        make()


@pytest.mark.parametrize("total", [np.zeros(3, np.int64), np.zeros(LAYOUT.size), np.zeros((LAYOUT.size, 1), np.int64)])
def test_a_sum_of_another_size_is_refused(total):
    with pytest.raises(EncodingRefused, match="as the layout says"):
        decode(LAYOUT, total)


@pytest.mark.parametrize(
    ("at", "value"), [(0, TOTAL_BOUND), (0, -TOTAL_BOUND), (0, -(2**63)), (-1, -1), (-1, TOTAL_BOUND)]
)
def test_a_total_that_honest_hospitals_cannot_have_is_refused(at, value):
    total = np.zeros(LAYOUT.size, np.int64)
    total[at] = value
    with pytest.raises(EncodingRefused, match="was not encoded here"):
        decode(LAYOUT, total)
