"""Numbers with the interval that holds the true one in 95 of 100 studies, unless another level is asked for.

Wilson, JASA 22:209 (1927), for a share; Newcombe, Stat Med 17:873 (1998), method 10, for the difference of two; on the
logit scale for an AUC (Qin and Hotilovac, Stat Methods Med Res 17:207, 2008).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95


def deviations(level: float) -> float:
    """How many standard deviations to both sides of its mean hold so much of a normal distribution."""
    return NormalDist().inv_cdf(0.5 + level / 2)


@dataclass(frozen=True)
class Estimate:
    """A number, and its interval; NaN where it cannot be known."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


UNKNOWN = Estimate(math.nan)


def normal(value: float, error: float, level: float = LEVEL) -> Estimate:
    """The value, and as many standard errors to both sides as the level says."""
    half = deviations(level) * error
    return Estimate(value, value - half, value + half)


def wilson(having: float, of: float, level: float = LEVEL, extra_variance: float = 0.0) -> Estimate:
    """A share. ``extra_variance`` is of the share, beside that of drawing patients; counts with noise may be outside
    what counts are, and the share is brought within 0 and 1."""
    if of <= 0:
        return UNKNOWN
    share = min(max(having / of, 0.0), 1.0)
    sampling = max(share * (1.0 - share), 0.25 / of) / of
    effective = of * sampling / (sampling + extra_variance)
    z2 = deviations(level) ** 2
    middle = (share + z2 / (2 * effective)) / (1 + z2 / effective)
    half = math.sqrt(z2 * (share * (1 - share) / effective + z2 / (4 * effective**2))) / (1 + z2 / effective)
    return Estimate(share, max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share)))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """First minus second, of two independent shares."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - below, value + above)


def logit_normal(value: float, error: float, smallest: float, level: float = LEVEL) -> Estimate:
    """A number in (0, 1) by its standard error on the logit scale.

    Where it is 0 or 1 it has no standard error: then it is taken as a share of ``smallest`` (the fewer of cases and
    controls), which is wider than the truth.
    """
    if not (0.0 < value < 1.0) or error <= 0.0:
        return wilson(value * smallest, smallest, level)
    middle, half = math.log(value / (1 - value)), deviations(level) * error / (value * (1 - value))
    low, high = (0.5 * (1 + math.tanh(0.5 * each)) for each in (middle - half, middle + half))
    return Estimate(value, low, high)
