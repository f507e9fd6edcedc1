"""Transforms and Lagrange weights agree with the polynomials that they stand for."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.zk.field import (
    ETA,
    N_INVERSE,
    OMEGA,
    ORDER,
    ROOTS,
    A,
    B,
    N,
    Point,
    blinding_factors,
    combine,
    coset_points,
    evaluate_on_domain,
    interpolate,
    interpolate_on_blinding_rows,
    interpolate_on_coset,
    inverse,
    inverses,
    polynomial,
    word,
)

RANDOM = random.Random(7)
COEFFICIENTS = [RANDOM.randrange(ORDER) for _ in range(N)]
POLYNOMIAL = polynomial(COEFFICIENTS)


def test_the_domain_has_4096_distinct_roots_and_eta_twice_as_many() -> None:
    assert len(set(ROOTS)) == N
    assert pow(OMEGA, N, ORDER) == 1
    assert pow(OMEGA, N // 2, ORDER) == ORDER - 1
    assert ETA * ETA % ORDER == OMEGA
    assert not set(coset_points()) & set(ROOTS)
    assert N * N_INVERSE % ORDER == 1


def test_values_on_the_domain_are_the_polynomials() -> None:
    values = evaluate_on_domain(COEFFICIENTS)
    assert all(values[i] == int(POLYNOMIAL(ROOTS[i])) for i in (0, 1, 2, 77, A, N - 1))
    assert interpolate(values) == COEFFICIENTS


def test_short_polynomials_are_padded() -> None:
    assert evaluate_on_domain([5]) == [5] * N
    assert evaluate_on_domain([0, 1]) == list(ROOTS)


def test_values_on_the_coset_give_the_polynomial_back() -> None:
    scaled = [c * pow(ETA, i, ORDER) % ORDER for i, c in enumerate(COEFFICIENTS)]
    on_coset = evaluate_on_domain(scaled)
    assert on_coset[3] == int(POLYNOMIAL(coset_points()[3]))
    assert interpolate_on_coset(on_coset) == COEFFICIENTS


def test_values_on_the_blinding_rows_give_the_one_polynomial_of_degree_below_64() -> None:
    short = COEFFICIENTS[:B]
    of = polynomial(short)
    assert interpolate_on_blinding_rows([int(of(root)) for root in ROOTS[A:]]) == short


def test_blinding_factors_are_z_b_on_the_coset_and_the_inverse_of_z_a_on_blinding_rows() -> None:
    z_b, z_a_inverse = blinding_factors()
    vanishing = polynomial([1])
    for root in ROOTS[A:]:
        vanishing *= polynomial([-root, 1])
    z_a, rest = divmod(polynomial([-1, *([0] * (N - 1)), 1]), vanishing)
    assert int(rest.degree()) == -1
    assert all(z_b[i] == int(vanishing(coset_points()[i])) for i in (0, 5, N - 1))
    assert all(z_a_inverse[i] * int(z_a(ROOTS[A + i])) % ORDER == 1 for i in (0, 9, B - 1))


def test_a_point_knows_vanishing_polynomials_and_weights() -> None:
    at = Point(123456789)
    assert at.z_a * at.z_b % ORDER == at.z_h == (pow(123456789, N, ORDER) - 1) % ORDER
    weights = at.weights()
    assert combine(weights, evaluate_on_domain(COEFFICIENTS)) == int(POLYNOMIAL(123456789))
    assert [at.lagrange(row) for row in (0, 1, A)] == [weights[row] for row in (0, 1, A)]


@pytest.mark.parametrize("zeta", [0, ORDER, 1, ROOTS[5], ROOTS[N - 1]])
def test_zero_and_roots_of_unity_are_refused_as_challenges(zeta: int) -> None:
    with pytest.raises(ValueError, match="root of unity"):
        Point(zeta)


@given(st.lists(st.integers(1, ORDER - 1), max_size=20))
@settings(max_examples=50, deadline=None)
def test_inverses_are_each_the_inverse(numbers: list[int]) -> None:
    assert inverses(numbers) == [inverse(number) for number in numbers]


def test_zero_has_no_inverse() -> None:
    for attempt in (lambda: inverse(0), lambda: inverses([1, 0, 2])):
        with pytest.raises(ValueError, match="not invertible"):
            attempt()


def test_a_word_is_32_bytes_or_refused() -> None:
    assert word(1) == bytes(31) + b"\1"
    for number in (-1, 1 << 256):
        with pytest.raises(OverflowError):
            word(number)
