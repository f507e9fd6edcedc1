"""The epsilon shown to people is never smaller than the true one, and close to it."""

import math
import subprocess
import sys
from fractions import Fraction

import pytest
from dp_accounting import get_epsilon_gaussian
from dp_accounting.pld import privacy_loss_distribution as pld
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.accounting.budget import divergence, rho_of
from belmont.federated.accounting.epsilon import shown_epsilon, zcdp_epsilon
from belmont.federated.errors import PrivacyError

WIDE = Fraction(100_000)
DELTAS = [1e-3, 1e-6, 1e-9]


def shown(rho, delta, **changes):
    return shown_epsilon(rho, delta, **({"sigma": WIDE, "honest": 1, "cells_released": 10**9} | changes))


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", [1, 50, 10_000, 500_000, 5_000_000, 100_000_000])
def test_the_shown_epsilon_is_between_the_exact_one_and_the_bound_for_zcdp(rho, delta):
    exact = get_epsilon_gaussian(1 / math.sqrt(2 * rho / 1e6), delta)
    assert exact <= shown(rho, delta) <= exact * 1.01 + 2e-3 * math.sqrt(rho / 1e6)
    assert shown(rho, delta) <= zcdp_epsilon(rho, delta)


@settings(deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(DELTAS))
def test_the_bound_for_zcdp_is_below_that_of_bun_and_steinke(rho, delta):
    loss = rho / 1e6
    assert zcdp_epsilon(rho, delta) <= (loss + 2 * math.sqrt(loss * math.log(1 / delta))) * (1 + 1e-8)


@pytest.mark.parametrize("rho", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("delta", DELTAS)
def test_the_bound_for_zcdp_is_that_of_canonne_kamath_and_steinke(rho, delta):
    """Their delta at our epsilon, by their formula and a search of our own."""
    loss, epsilon = rho / 1e6, zcdp_epsilon(rho, delta)
    orders = [1 + math.exp(x / 500) for x in range(-5_000, 6_000)]
    least = min(((a - 1) * (a * loss - epsilon) + a * math.log1p(-1 / a) - math.log(a - 1)) for a in orders)
    assert math.exp(least) == pytest.approx(delta, rel=1e-3)


@settings(deadline=None)
@given(st.integers(0, 10**8), st.integers(0, 10**7), st.sampled_from(DELTAS))
def test_the_bound_for_zcdp_grows_with_the_charge_and_falls_with_delta(rho, more, delta):
    assert zcdp_epsilon(rho, delta) <= zcdp_epsilon(rho + more, delta) * (1 + 1e-8)
    assert zcdp_epsilon(rho, delta) >= zcdp_epsilon(rho, delta * 10) * (1 - 1e-8)


def test_more_rounds_show_a_larger_epsilon():
    rounds = [shown(10_000 * n, 1e-6) for n in (0, 1, 2, 4, 8, 16, 32)]
    bounds = [zcdp_epsilon(10_000 * n, 1e-6) for n in (0, 1, 2, 4, 8, 16, 32)]
    assert rounds == sorted(set(rounds)) and bounds == sorted(set(bounds))
    assert rounds[0] == bounds[0] == 0
    assert shown(10_000, 1e-9) > shown(10_000, 1e-6) > shown(10_000, 1e-3)


@pytest.mark.parametrize("rounds", [2, 16])
def test_the_total_charge_shows_what_composing_round_by_round_shows(rounds):
    per_round = 20_000
    one = pld.from_gaussian_mechanism(1 / math.sqrt(2 * per_round / 1e6), value_discretization_interval=1e-4)
    assert shown(per_round * rounds, 1e-6) == pytest.approx(
        one.self_compose(rounds).get_epsilon_for_delta(1e-6), rel=0.01
    )


@pytest.mark.parametrize(("sigma", "sensitivity"), [(8, 1), (8, 8), (40, 20), (200, 100)])
@pytest.mark.parametrize("rounds", [1, 4])
def test_discrete_noise_itself_has_no_larger_epsilon_than_shown(sigma, sensitivity, rounds):
    """Against the library's own discrete Gaussian in one cell, with its error on the other side."""
    discrete = pld.from_discrete_gaussian_mechanism(
        sigma, sensitivity=sensitivity, pessimistic_estimate=False, value_discretization_interval=1e-4
    ).self_compose(rounds)
    rho = rho_of(sensitivity**2, sigma**2, 1, 1) * rounds
    for delta in DELTAS:
        least = discrete.get_epsilon_for_delta(delta)
        assert least <= shown(rho, delta, sigma=Fraction(sigma), cells_released=rounds)
        assert least <= zcdp_epsilon(rho, delta)


def test_noise_too_coarse_for_the_tight_epsilon_shows_the_bound():
    bound = zcdp_epsilon(100_000, 1e-6)
    assert shown(100_000, 1e-6, sigma=Fraction(9, 4)) == bound
    assert shown(100_000, 1e-6, sigma=Fraction(1), honest=30, cells_released=10**6) == bound  # tau
    assert shown(100_000, 1e-6, cells_released=10**30) == bound
    assert shown(100_000, 1e-6) < bound


def test_what_a_sum_lacks_of_discrete_gaussian_noise_is_shown():
    sigma, honest = Fraction(1), 40
    tau = float(divergence(sigma**2, honest))
    one, ten = (shown(100_000, 1e-6, sigma=sigma, honest=honest, cells_released=cells) for cells in (1, 10))
    assert 0.01 > 10 * tau > 1e-3
    assert ten - one >= 2 * 9 * tau * 0.999


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 10**6), st.integers(6, 10**4), st.integers(1, 4))
def test_narrower_noise_for_the_same_charge_never_shows_less(rho, sigma, honest):
    wide = shown(rho, 1e-6) * (1 - 2e-3)  # the accountant rounds up by as much
    assert shown(rho, 1e-6, sigma=Fraction(sigma), honest=honest) >= wide


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-6, 2.0, math.nan])
def test_a_delta_that_is_none_is_refused(delta):
    for of in (zcdp_epsilon, shown):
        with pytest.raises(PrivacyError):
            of(1_000, delta)


def test_what_is_no_release_is_refused():
    with pytest.raises(PrivacyError):
        zcdp_epsilon(-1, 1e-6)
    for changes in ({"sigma": Fraction(0)}, {"honest": 0}, {"cells_released": 0}):
        with pytest.raises(PrivacyError):
            shown(1_000, 1e-6, **changes)


def test_the_accountant_is_not_imported_before_it_is_asked():
    script = (
        "import sys, belmont.federated.accounting.epsilon, belmont.federated.accounting.release;"
        "print([name for name in ('dp_accounting', 'scipy', 'opendp', 'flwr') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
