"""Epsilon at a delta, for people. Budgets are charged and refused in rho; nothing is decided by these numbers.

1. ``zcdp_epsilon`` holds for whatever is rho-zCDP: the least over alpha of Canonne, Kamath and Steinke (NeurIPS 2020,
   Corollary 13), epsilon = alpha rho + (ln(1/delta) + (alpha - 1) ln(1 - 1/alpha) - ln alpha)/(alpha - 1). Each alpha
   > 1 gives a valid one, so a search that stops early is still a bound. It is below rho + 2 sqrt(rho ln(1/delta)) (Bun
   and Steinke, TCC 2016, Proposition 1.3).
2. ``shown_epsilon`` is tighter, for compositions of Gaussian noise only, and never above rule 1's. Gaussian releases
   compose into one whose mu^2 is the sum (Dong, Roth and Su, JRSS-B 2022), mu^2 = 2 rho. Its epsilon comes from
   Google's PLD accountant (``dp-accounting``, pessimistic rounding).
3. Noise is discrete, and rule 2 is for continuous noise. The step between them: draw G from N(0, v - r^2), then an
   integer from the discrete Gaussian of parameter r^2 around G. The result has probabilities proportional to
   exp(-z^2/(2v)) up to a factor within [(1-t)/(1+t), (1+t)/(1-t)], t = 2 sum of exp(-2 pi^2 r^2 j^2), by Poisson
   summation (Regev, J. ACM 56(6), 2009, section 3); and it commutes with adding integers, so x + that integer is
   computed from x + G alone. So a cell of discrete noise is within max-divergence 5t of something computed from
   continuous noise of variance v - r^2. A sum of h discrete noises is within tau of the discrete one
   (`budget.divergence`). For all cells of all releases together, kappa = cells * (tau + 5t), and (epsilon, delta) of
   the continuous one gives (epsilon + 2 kappa, e^kappa delta) of ours.
4. ``dp-accounting`` and scipy are imported when ``shown_epsilon`` is called, and not before.
"""

import math
from fractions import Fraction

from belmont.federated.accounting.budget import MICRO, divergence
from belmont.federated.accounting.release import ReleasePlan
from belmont.federated.errors import PrivacyError
from belmont.registry.types import MicroRho

DELTA = 1e-6
"""Epsilon is shown at this delta unless another is named: far below one in the number of patients."""
_ROUNDING_VARIANCE = 3
"""r^2: t = 2 exp(-59.2) < 10^-25, so 10^12 cells change epsilon by less than 10^-11."""
_T = 1e-25
_ABOVE = 1 + 1e-9
"""More than the floats below err, so that a bound stays one."""


def zcdp_epsilon(rho: MicroRho, delta: float) -> float:
    """An epsilon for which rho-zCDP is (epsilon, delta)-DP (rule 1). Raises PrivacyError for a delta outside (0, 1)."""
    _check(rho, delta)
    if rho == 0:
        return 0.0
    loss, log_delta = rho / MICRO, math.log(delta)

    def epsilon(log_order: float) -> float:
        over = math.exp(log_order)  # alpha - 1
        alpha = 1 + over
        return alpha * loss + (over * (log_order - math.log1p(over)) - log_delta - math.log1p(over)) / over

    low, high = -20.0, 40.0
    for _ in range(100):  # falls, then rises
        third = (high - low) / 3
        if epsilon(low + third) < epsilon(high - third):
            high -= third
        else:
            low += third
    return max(0.0, epsilon((low + high) / 2) * _ABOVE)


def shown_epsilon(rho: MicroRho, delta: float, *, sigma: Fraction, honest: int, cells_released: int) -> float:
    """The epsilon to show for a total charge ``rho`` of discrete Gaussian releases (rules 2 and 3).

    ``sigma``: the smallest that any hospital used in any of them, and ``honest`` how many were counted on;
    ``cells_released``: cells of all releases together. Where the discrete noise is too coarse for rule 3, it is rule
    1's. Raises PrivacyError for a delta outside (0, 1).
    """
    bound = zcdp_epsilon(rho, delta)
    if sigma <= 0 or honest < 1 or cells_released < 1:
        raise PrivacyError("not a release")
    variance = honest * sigma**2
    kappa = cells_released * (float(divergence(sigma**2, honest)) + 5 * _T)
    if rho == 0 or variance < 8 * _ROUNDING_VARIANCE or kappa > 0.01:
        return bound
    loss = rho / MICRO * float(variance / (variance - _ROUNDING_VARIANCE))
    return min(bound, (_gaussian_epsilon(math.sqrt(2 * loss), delta * math.exp(-kappa)) + 2 * kappa) * _ABOVE)


def epsilon_of(rho: MicroRho, delta: float, plan: ReleasePlan | None, releases: int | None) -> float:
    """Epsilon of a total charge; ``releases`` of ``plan`` and nothing else, unless one of them is None."""
    if plan is None or not releases:
        return zcdp_epsilon(rho, delta)
    cells, honest = plan.cells * releases, plan.settings.honest_contributors
    return shown_epsilon(rho, delta, sigma=plan.sigma, honest=honest, cells_released=cells)


def _gaussian_epsilon(mu: float, delta: float) -> float:
    """Epsilon of a Gaussian release of sensitivity ``mu`` and standard deviation 1."""
    from dp_accounting.pld import privacy_loss_distribution  # rule 4

    distribution = privacy_loss_distribution.from_gaussian_mechanism(
        1.0, sensitivity=mu, pessimistic_estimate=True, value_discretization_interval=min(1e-3, mu / 1_000)
    )
    return float(distribution.get_epsilon_for_delta(delta))


def _check(rho: MicroRho, delta: float) -> None:
    if rho < 0 or not 0 < delta < 1:
        raise PrivacyError("epsilon needs a charge of 0 or more and a delta between 0 and 1")
