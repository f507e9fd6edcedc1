"""Survival curves from counts: what follows from events and withdrawals by cell of a grid of times.

1. At risk in cell k are all who leave in k or later: who is withdrawn in a cell is at risk throughout, as everybody who
   is withdrawn at the time of an event is by the usual convention.
2. Kaplan and Meier's estimate (J Am Stat Assoc 53:457, 1958) at a cell's end is the product of 1 - events / at risk.
   Its variance is Greenwood's (1926), the interval that of log(-log S) (Kalbfleisch and Prentice, 2002, section 1.4),
   the median the first time at which the curve is at most one half.
3. Log-rank (Mantel, Cancer Chemother Rep 50:163, 1966): events of each group minus those expected if all groups had the
   hazard of all, with the hypergeometric covariance, as chi squared.
4. Counts with noise are made possible ones first (`consistent`): cumulative events and withdrawals become monotone by
   isotonic regression (Hay et al., PVLDB 3:1021, 2010, do the same to noisy histograms). That uses released numbers
   only, so it costs no privacy. The noise's variance is then added to Greenwood's sum, to first order and for the
   events' noise alone, so intervals with noise are approximate. There is no log-rank test of such counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.intervals import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One group's curve. Arrays have one element for each cell's end."""

    times: Floats
    at_risk: Floats
    events: Floats
    withdrawn: Floats
    survival: Floats
    standard_error: Floats
    low: Floats
    high: Floats

    @property
    def median(self) -> float:
        """The first time at which at most half survive; infinite where that is never."""
        return _first_at_most(self.times, self.survival, 0.5)

    @property
    def median_interval(self) -> tuple[float, float]:
        """Where the interval's bounds reach one half (Brookmeyer and Crowley, Biometrics 38:29, 1982)."""
        return _first_at_most(self.times, self.low, 0.5), _first_at_most(self.times, self.high, 0.5)

    def estimate(self, k: int) -> Estimate:
        """Survival at the end of cell ``k``, with its interval."""
        return Estimate(float(self.survival[k]), float(self.low[k]), float(self.high[k]))

    def at(self, times: Sequence[float]) -> Floats:
        """Survival at any times, from 0 on; beyond the grid NaN, where nothing is known."""
        asked = np.asarray(times, np.float64)
        place = np.searchsorted(self.times, asked, side="right")
        found = np.concatenate([[1.0], self.survival])[place]
        return np.where(asked > self.times[-1], np.nan, found)


@dataclass(frozen=True)
class LogRank:
    """Rule 3."""

    statistic: float
    degrees: int
    p: float
    observed: tuple[float, ...]
    expected: tuple[float, ...]


def curve(leaving: Floats, cuts: Sequence[float], level: float = 0.95, noise_variance: float = 0.0) -> Curve:
    """Rules 1 and 2. ``leaving`` (cells, 2): who leaves without an event, and with one. Raises FederatedError."""
    times, counts = np.asarray(cuts, np.float64), np.asarray(leaving, np.float64)
    if counts.shape != (len(times), 2) or not len(times):
        raise FederatedError("counts are withdrawals and events for each cell of the grid")
    if not 0 < level < 1:
        raise FederatedError("a level of confidence is between 0 and 1")
    if noise_variance > 0:
        counts = consistent(counts)
    withdrawn, events = counts.T
    at_risk = np.cumsum(counts.sum(axis=1)[::-1])[::-1]
    hazard = _ratio(events, at_risk)
    survival = np.asarray(np.cumprod(1.0 - hazard), np.float64)
    summed = np.cumsum(_ratio(events, at_risk * (at_risk - events)) + _ratio(noise_variance, at_risk**2))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log = np.log(survival)
        half = NormalDist().inv_cdf(0.5 + level / 2) * np.sqrt(summed) / log
        low, high = survival ** np.exp(-half), survival ** np.exp(half)
    is_inner = (survival > 0) & (survival < 1)
    low, high = (np.where(is_inner, bound, survival) for bound in (low, high))
    error = np.where(survival > 0, survival * np.sqrt(summed), 0.0)
    return Curve(times, at_risk, events, withdrawn, survival, error, low, high)


def refuse_no_grid(cuts: Sequence[float]) -> None:
    """Raises FederatedError for cut points that are no grid of times."""
    ends = np.asarray(cuts, np.float64)
    if not len(ends) or not np.isfinite(ends).all() or ends[0] <= 0 or (np.diff(ends) <= 0).any():
        raise FederatedError("cuts are times above 0, each later than the one before: the grid that curves are on")


def log_rank(leaving: Floats) -> LogRank:
    """Rule 3. ``leaving`` (groups, cells, 2). Raises FederatedError where there is nothing to compare."""
    counts = np.asarray(leaving, np.float64)
    if counts.ndim != 3 or len(counts) < 2:
        raise FederatedError("a log-rank test compares at least two groups")
    events = counts[:, :, 1]
    at_risk = np.cumsum(counts.sum(axis=2)[:, ::-1], axis=1)[:, ::-1]
    d, n = events.sum(axis=0), at_risk.sum(axis=0)
    share = _ratio(at_risk, n)
    expected = share * d
    factor = _ratio(d * (n - d), n - 1.0)
    covariance = np.diag((share * factor).sum(axis=1)) - (share * factor) @ share.T
    observed, predicted = events.sum(axis=1), expected.sum(axis=1)
    if not d.sum() or (at_risk[:, 0] == 0).any():
        raise FederatedError("a log-rank test needs events, and patients in each group")
    off = (observed - predicted)[1:]
    try:
        statistic = float(off @ np.linalg.solve(covariance[1:, 1:], off))
    except np.linalg.LinAlgError as error:
        raise FederatedError("the groups are at risk together at no event: there is nothing to compare") from error
    degrees = len(counts) - 1
    return LogRank(statistic, degrees, chi_squared_tail(statistic, degrees), tuple(observed), tuple(predicted))


def consistent(leaving: Floats) -> Floats:
    """Rule 4: the nearest counts of which cumulative sums do not fall, none below 0."""
    cumulative = np.cumsum(np.asarray(leaving, np.float64), axis=0)
    rising = np.column_stack([np.maximum(isotonic(column), 0.0) for column in cumulative.T])
    return np.asarray(np.diff(rising, axis=0, prepend=0.0), np.float64)


def isotonic(values: Floats) -> Floats:
    """The non-decreasing sequence nearest to ``values`` in least squares, by pooling adjacent violators (Ayer et al.,
    Ann Math Stat 26:641, 1955)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    return np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])


def chi_squared_tail(statistic: float, degrees: int) -> float:
    """The chance that chi squared is larger (Abramowitz and Stegun, 1964, 26.4.4 and 26.4.5)."""
    half = max(0.0, statistic) / 2
    odd = degrees % 2
    tail = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    term = 2 * math.sqrt(half / math.pi) * math.exp(-half) if odd else half * math.exp(-half)
    for k in range(degrees // 2 - (1 - odd)):
        tail += term
        term *= half / (k + 1.5 if odd else k + 2.0)
    return min(1.0, tail)


def _first_at_most(times: Floats, values: Floats, bound: float) -> float:
    reached = np.flatnonzero(values <= bound)
    return float(times[reached[0]]) if len(reached) else math.inf


def _ratio(numerator: Floats | float, denominator: Floats) -> Floats:
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), denominator)
    return np.asarray(np.divide(top, bottom, out=np.zeros(top.shape), where=bottom > 0), np.float64)
