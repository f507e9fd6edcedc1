"""What a noisy release costs, in integer micro-units of zCDP, always rounded up.

A release of integers x + Z is rho-zCDP (Bun and Steinke, TCC 2016) if D_alpha(x + Z || x' + Z) <= alpha rho for all
alpha > 1 and all neighbours x, x'. Budgets compose by addition (there, Lemma 2.3), so a budget is one integer.

1. Z of one hospital: independent discrete Gaussians of parameter s^2. rho = D^2 / (2 s^2), D the L2 sensitivity
   (Canonne, Kamath and Steinke, NeurIPS 2020, Theorem 4, cell by cell).
2. Z of h hospitals: the sum of h such vectors is not discrete Gaussian. With d cells and s >= 1/2 (Kairouz, Liu and
   Steinke, ICML 2021, arXiv 2102.06387, Proposition 14), tau = 10 sum over k = 1 ... h-1 of exp(-2 pi^2 s^2 k/(k+1)),
   and rho is the least of

       D^2/(2 h s^2) + tau d,
       (D^2/(h s^2) + 2 D_1 tau/(sqrt(h) s) + tau^2 d) / 2,
       (D/(sqrt(h) s) + tau sqrt(d))^2 / 2.

   D_1 is the L1 sensitivity. Of integer vectors it is at most min(D^2, D sqrt(d)); then the third is never below the
   second.
3. h counts hospitals whose noise the adversary does not know. More of them, up to all survivors, only add independent
   noise to what was released, which is processing of it: the charge for h stays an upper bound.
4. All arithmetic is rational. pi^2, exponentials and square roots are replaced by bounds on the side that charges
   more.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

from belmont.federated.accounting.exact import exp_bounds
from belmont.federated.accounting.noise import LEAST_SIGMA, MOST_DENOMINATOR, MOST_SIGMA
from belmont.federated.errors import PrivacyError, Refusal
from belmont.registry.reasons import Reason
from belmont.registry.types import MicroRho

MICRO = 1_000_000
MOST_CHARGE = 2**64 - 1
"""What the registry's rho can hold."""

TWO_PI_SQ = Fraction(19_739, 1_000)
"""Below 2 pi^2 = 19.7392...: exponentials come out larger."""
_EXPONENT_BITS = 320
_MOST_EXPONENT = 200


def rho_of(sensitivity_sq: int, variance: Fraction | int, honest: int, cells: int) -> MicroRho:
    """The charge of one release (rules 1 and 2).

    ``sensitivity_sq``: square of the L2 sensitivity of the integers; ``variance``: s^2 of each hospital; ``honest``: h,
    1 if each hospital's noise has to do alone; ``cells``: d. Neither has a default, which could charge too little.
    Raises PrivacyError for values without a guarantee, or a charge no budget can hold.
    """
    if sensitivity_sq < 0 or variance < LEAST_SIGMA**2 or honest < 1 or cells < 1:
        raise PrivacyError("no guarantee is known for such noise")
    variance = Fraction(variance)
    tau = divergence(variance, honest)
    main = Fraction(sensitivity_sq) / (honest * variance)
    first = main / 2 + tau * cells
    one_norm = min(Fraction(sensitivity_sq), _sqrt_above(Fraction(sensitivity_sq * cells)))
    second = (main + 2 * one_norm * tau * _sqrt_above(1 / (honest * variance)) + tau**2 * cells) / 2
    charge = math.ceil(min(first, second) * MICRO)
    if charge > MOST_CHARGE:
        raise PrivacyError("the charge is larger than any budget")
    return MicroRho(charge)


def divergence(variance: Fraction, honest: int) -> Fraction:
    """tau of rule 2, rounded up; 0 for one hospital.

    It also bounds, for each cell and in both directions, the max-divergence between the sum of ``honest`` noises and
    one discrete Gaussian of parameter ``honest * variance`` (`epsilon.py` needs that).
    """
    return 10 * sum((_exp_above(TWO_PI_SQ * variance * Fraction(k, k + 1)) for k in range(1, honest)), Fraction(0))


def sigma_for(sensitivity_sq: int, rho: MicroRho, honest: int, cells: int) -> Fraction:
    """The least sigma of each hospital, in 64ths, with which a release is charged ``rho`` at most.

    Raises PrivacyError if that is more than can be drawn.
    """
    if rho < 1 or sensitivity_sq < 1 or honest < 1 or cells < 1:
        raise PrivacyError("no noise is asked for")
    unit = MOST_DENOMINATOR
    square = -(-(unit**2) * sensitivity_sq * MICRO // (2 * honest * rho))
    ticks = max(math.isqrt(square - 1) + 1, math.ceil(LEAST_SIGMA * unit))

    def fits(ticks: int) -> bool:
        return rho_of(sensitivity_sq, Fraction(ticks, unit) ** 2, honest, cells) <= rho

    step = 1
    low, high = ticks - 1, ticks  # low is too little, and the charge falls as sigma grows
    while high < MOST_SIGMA * unit and not fits(high):
        low, high, step = high, high + step, 2 * step
    if high >= MOST_SIGMA * unit:
        raise PrivacyError("so much noise cannot be drawn: ask for fewer fraction bits or a larger rho")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return Fraction(high, unit)


def compose(charges: Iterable[MicroRho]) -> MicroRho:
    """The charge of all of them together: the sum. Raises PrivacyError if one is negative or no budget can hold it."""
    total = 0
    for charge in charges:
        if charge < 0:
            raise PrivacyError("a charge cannot be negative")
        total += charge
    if total > MOST_CHARGE:
        raise PrivacyError("the charge is larger than any budget")
    return MicroRho(total)


def spend(charge: MicroRho, left: MicroRho) -> MicroRho:
    """What is left after a charge; all may be spent. Raises Refusal (BUDGET_EXHAUSTED) if it is more than is left."""
    if charge < 0 or left < 0:
        raise PrivacyError("a charge or a budget cannot be negative")
    if charge > left:
        raise Refusal(Reason.BUDGET_EXHAUSTED, f"{charge} micro-rho asked, {left} left")
    return MicroRho(left - charge)


def _exp_above(exponent: Fraction) -> Fraction:
    """At least exp(-exponent), and above 0."""
    _, high = exp_bounds(min(exponent, Fraction(_MOST_EXPONENT)), _EXPONENT_BITS)
    return Fraction(high, 1 << _EXPONENT_BITS)


def _sqrt_above(value: Fraction) -> Fraction:
    """At least the square root, by less than 2^-64 relative to values of about 1."""
    scaled = math.ceil(value * (1 << 128))
    return Fraction(math.isqrt(scaled) + 1, 1 << 64)
