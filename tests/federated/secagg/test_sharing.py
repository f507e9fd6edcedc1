"""Shamir's scheme by itself."""

import itertools

import flint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.secagg.sharing import ELEMENT_BYTES, P, element, join, split

elements = st.integers(0, P - 1).map(lambda value: value.to_bytes(ELEMENT_BYTES))


def test_the_modulus_is_the_largest_prime_below_2_256():
    assert flint.fmpz(P).is_prime()
    assert not any(flint.fmpz(each).is_prime() for each in range(P + 1, 2**256))


@given(st.lists(elements, min_size=2, max_size=7), st.integers(0, 4), st.randoms())
def test_any_threshold_of_shares_gives_the_secret_and_more_agree(coefficients, extra, random):
    threshold = len(coefficients)
    shares = dict(enumerate(split(coefficients, threshold + extra)))
    chosen = random.sample(sorted(shares), threshold)
    assert join({each: shares[each] for each in chosen}, threshold) == coefficients[0]
    assert join(shares, threshold) == coefficients[0]


@given(st.lists(elements, min_size=2, max_size=6), st.integers(1, P - 1), st.data())
def test_one_wrong_share_among_more_than_the_threshold_is_found(coefficients, change, data):
    threshold = len(coefficients)
    shares = dict(enumerate(split(coefficients, threshold + 1)))
    at = data.draw(st.sampled_from(sorted(shares)))
    shares[at] = ((int.from_bytes(shares[at]) + change) % P).to_bytes(32)
    assert join(shares, threshold) is None


@given(st.lists(elements, min_size=2, max_size=6), elements)
def test_one_share_short_of_the_threshold_fits_every_secret(coefficients, other):
    """For each secret a polynomial exists that gives the same shares: interpolate through them and the secret."""
    threshold = len(coefficients)
    shares = list(split(coefficients, threshold - 1))
    points = [(0, int.from_bytes(other)), *((x, int.from_bytes(y)) for x, y in enumerate(shares, 1))]
    ring = flint.fmpz_mod_poly_ctx(flint.fmpz_mod_ctx(P))
    total = ring([0])
    for x, y in points:
        term = ring([y])
        for z, _ in points:
            if z != x:
                term *= ring([-z, 1]) * ring([pow(x - z, -1, P)])
        total += term
    found = [int(each).to_bytes(32) for each in total.coeffs()]
    found += [bytes(32)] * (threshold - len(found))
    assert found[0] == other and list(split(found, threshold - 1)) == shares


def test_too_few_shares_give_nothing():
    shares = dict(enumerate(split([bytes(32), bytes(31) + b"\1", bytes(32)], 5)))
    for pair in itertools.combinations(shares, 2):
        assert join({each: shares[each] for each in pair}, 3) is None


@pytest.mark.parametrize("value", [P, P + 1, 2**256 - 1])
def test_bytes_that_are_no_element_give_nothing(value):
    assert join({0: value.to_bytes(32), 1: bytes(32)}, 2) is None


@given(st.binary(min_size=48, max_size=48))
def test_wide_bytes_become_an_element(wide):
    assert int.from_bytes(element(wide)) == int.from_bytes(wide) % P
