"""Charges never fall below the privacy that a release costs, and are refused exactly at the budget."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.accounting.budget import MOST_CHARGE, compose, divergence, rho_of, sigma_for, spend
from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import PrivacyError, Refusal
from belmont.registry.reasons import Reason

GRID = np.arange(-60, 61)


def sum_of_noises(sigma, honest):
    """Probabilities of the sum of ``honest`` discrete Gaussians on a grid around zero."""
    one = np.exp(-(GRID**2) / (2 * float(sigma) ** 2))
    total = one / one.sum()
    for _ in range(honest - 1):
        total = np.convolve(total, one / one.sum())
    return total


def renyi(probabilities, shift, order):
    """D_order(Z || Z + shift) where both have probabilities that floats can hold."""
    p, q = probabilities[: len(probabilities) - shift], probabilities[shift:]
    keep = (p > 1e-250) & (q > 1e-250)
    return math.log((np.exp(order * np.log(p[keep]) + (1 - order) * np.log(q[keep]))).sum()) / (order - 1)


@pytest.mark.parametrize("honest", [1, 2, 3, 8])
@pytest.mark.parametrize("sigma", [Fraction(1, 2), Fraction(5, 8), Fraction(1), Fraction(2)], ids=str)
@pytest.mark.parametrize("shift", [1, 2])
def test_a_charge_is_at_least_the_renyi_divergence_of_the_noise(honest, sigma, shift):
    charge = rho_of(shift**2, sigma**2, honest, 1) / 1e6
    for order in (1.01, 1.5, 2.0, 3.0, 6.0):
        assert renyi(sum_of_noises(sigma, honest), shift, order) <= order * charge * (1 + 1e-9)


def test_a_sum_of_coarse_noises_costs_more_than_one_noise_of_their_variance():
    """Why tau is charged: without it, the charge would be below what the sum costs."""
    sigma, shift, order = Fraction(1, 2), 1, 1.01
    without_tau = 1 / (2 * 2 * float(sigma) ** 2)
    assert renyi(sum_of_noises(sigma, 2), shift, order) > order * without_tau
    assert rho_of(1, sigma**2, 2, 1) / 1e6 > without_tau


@pytest.mark.parametrize("honest", [2, 3, 8])
@pytest.mark.parametrize("sigma", [Fraction(1, 2), Fraction(5, 8), Fraction(1), Fraction(3, 2)], ids=str)
def test_tau_bounds_how_far_the_sum_is_from_one_discrete_gaussian(honest, sigma):
    total = sum_of_noises(sigma, honest)
    reach = len(total) // 2
    one = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * honest * float(sigma) ** 2))
    near = slice(reach - 8, reach + 9)
    apart = np.abs(np.log(total[near]) - np.log(one[near] / one.sum()))
    assert apart.max() <= float(divergence(sigma**2, honest)) + 1e-12


def test_tau_is_as_published():
    sigma, honest = 0.75, 5
    published = 10 * sum(math.exp(-2 * math.pi**2 * sigma**2 * k / (k + 1)) for k in range(1, honest))
    ours = float(divergence(Fraction(sigma) ** 2, honest))
    assert published <= ours <= published * 1.0002
    assert divergence(Fraction(1), 1) == 0
    assert divergence(Fraction(10**12), 3) > 0


@pytest.mark.parametrize(("sensitivity_sq", "variance", "cells"), [(1, "1/4", 1), (9, "1", 3), (1, "4", 1_000_000)])
def test_the_charge_is_the_least_of_the_three_published_bounds(sensitivity_sq, variance, cells):
    honest, variance = 3, Fraction(variance)
    tau = float(divergence(variance, honest))
    main, d2 = sensitivity_sq / (honest * float(variance)), math.sqrt(sensitivity_sq)
    d1, width = min(sensitivity_sq, d2 * math.sqrt(cells)), math.sqrt(honest * float(variance))
    published = min(
        main / 2 + tau * cells,
        (main + 2 * d1 * tau / width + tau**2 * cells) / 2,
        (d2 / width + tau * math.sqrt(cells)) ** 2 / 2,
    )
    assert published * 1e6 - 1e-3 <= rho_of(sensitivity_sq, variance, honest, cells) <= published * 1e6 + 1.001


def test_one_noise_is_charged_by_its_own_formula_rounded_up():
    assert rho_of(1, 50, 1, 1) == 10_000
    assert rho_of(1, Fraction(5_000_001, 100_000), 1, 1) == 10_000  # 9,999.998
    assert rho_of(1, Fraction(4_999_999, 100_000), 1, 1) == 10_001
    assert rho_of(0, 50, 1, 1) == 0
    assert rho_of(1, 10**30, 1, 1) == 1


POSITIVE = st.integers(1, 2**40)


@given(POSITIVE, st.fractions(1, 2**40, max_denominator=4_096), st.integers(1, 6), st.integers(1, 10**6))
@settings(max_examples=60, deadline=None)
def test_charges_grow_with_sensitivity_and_cells_and_fall_with_noise(sensitivity_sq, variance, honest, cells):
    charge = rho_of(sensitivity_sq, variance, honest, cells)
    assert rho_of(sensitivity_sq + 1, variance, honest, cells) >= charge
    assert rho_of(sensitivity_sq, variance, honest, cells + 1) >= charge
    assert rho_of(sensitivity_sq, variance * 2, honest, cells) <= charge
    assert charge >= Fraction(sensitivity_sq * 10**6) / (2 * honest * variance)


@given(st.integers(1, 2**60), st.integers(1, 10**8), st.integers(1, 5), st.sampled_from([1, 31, 10**6]))
@settings(max_examples=80, deadline=None)
def test_sigma_is_the_least_that_keeps_the_charge(sensitivity_sq, rho, honest, cells):
    sigma = sigma_for(sensitivity_sq, rho, honest, cells)
    assert rho_of(sensitivity_sq, sigma**2, honest, cells) <= rho
    less = sigma - Fraction(1, 64)
    assert less < Fraction(1, 2) or rho_of(sensitivity_sq, less**2, honest, cells) > rho


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 1, 1, 1),
        (1, Fraction(1, 5), 1, 1),
        (1, 0, 1, 1),
        (1, -1, 1, 1),
        (1, 1, 0, 1),
        (1, 1, 1, 0),
        (2**80, 1, 1, 1),
    ],
    ids=str,
)
def test_noise_without_a_guarantee_has_no_charge(arguments):
    with pytest.raises(PrivacyError):
        rho_of(*arguments)


@pytest.mark.parametrize(
    "arguments", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (2**90, 1, 1, 1)], ids=str
)
def test_noise_that_cannot_be_drawn_is_refused(arguments):
    with pytest.raises(PrivacyError):
        sigma_for(*arguments)


def test_a_budget_is_spent_to_the_last_unit_and_not_beyond():
    assert spend(10_000, 10_001) == 1
    assert spend(10_000, 10_000) == 0
    with pytest.raises(Refusal) as refused:
        spend(10_000, 9_999)
    assert refused.value.reason is Reason.BUDGET_EXHAUSTED
    assert spend(0, 0) == 0


@given(st.lists(st.integers(0, 10**9), max_size=20), st.integers(0, 10**10))
def test_spending_one_by_one_is_spending_the_sum(charges, budget):
    left, refused = budget, False
    try:
        for charge in charges:
            left = spend(charge, left)
    except Refusal:
        refused = True
    assert refused == (compose(charges) > budget)
    assert refused or left == budget - compose(charges)


def test_negative_and_unholdable_charges_are_refused():
    for wrong in ([-1], [5, -1], [MOST_CHARGE, 1]):
        with pytest.raises(PrivacyError):
            compose(wrong)
    for wrong in ((-1, 5), (1, -1)):
        with pytest.raises(PrivacyError):
            spend(*wrong)
    assert compose([MOST_CHARGE]) == MOST_CHARGE and compose([]) == 0


@pytest.mark.parametrize("honest", [1, 2, 3])
@pytest.mark.parametrize("clipping", list(Clipping))
def test_a_plan_is_charged_what_the_board_approved_and_no_more(honest, clipping):
    approved = PrivacySettings(clipping, 1.0, 16, 10_000, 4, honest)
    plan = plan_release(approved, 1_000)
    assert 9_990 <= plan.rho <= 10_000
    assert plan.counted_variance >= Fraction(approved.sensitivity_sq * 10**6, 2 * 10_000)


def test_a_plan_whose_rounding_would_eat_the_norm_is_refused():
    with pytest.raises(PrivacyError, match="fraction bits"):
        plan_release(PrivacySettings(Clipping.CLIENT, 1.0, 8, 10_000, 4), 1_000_000)


def test_an_update_of_another_size_than_the_plan_is_refused():
    plan = plan_release(PrivacySettings(Clipping.CLIENT, 1.0, 16, 10_000, 4), 3)
    assert plan.release({"w": np.zeros(3)}).shape == (3,)
    for arrays in ({"w": np.zeros(4)}, {"w": np.zeros(3), "b": np.zeros(1)}):
        with pytest.raises(PrivacyError):
            plan.release(arrays)
