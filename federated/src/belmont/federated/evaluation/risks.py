"""How good predicted risks are, from how many patients of either outcome are in each bin, and nothing else.

    sums = RiskSums(counts)               one slot of an evaluation's arrays, summed over hospitals or not
    sums.auc_interval(), sums.calibration_slope(), sums.at(0.2).sensitivity

1. Within a bin the order of patients is not known: they count as tied, and a bin's middle stands for their risks.
   Bounds say what is left open.
2. Groups of patients that count as one score (`evaluation.microaggregation`) hide part of the AUC's variance: then its
   standard error is at least that of Hanley and McNeil, which needs no scores.
3. With noise the intervals count it in: of a share by its variance, of what is not a share by drawing the noise again
   (``DRAWS`` times, from a fixed seed), around the noisy counts.

AUC: Hanley and McNeil, Radiology 143:29 (1982); its variance: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837
(1988), from ranks as Sun and Xu, IEEE Signal Process Lett 21:1389 (2014). Score: Brier, Mon Weather Rev 78:1 (1950).
Calibration intercept and slope: Cox, Biometrika 45:562 (1958); the hierarchy of calibration: Van Calster et al., J Clin
Epidemiol 74:167 (2016). Expected calibration error: Naeini et al., AAAI 2015, here over bins of equally many patients.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.evaluation.intervals import LEVEL, Estimate, logit_normal, normal, wilson
from belmont.federated.evaluation.layout import edges, middles

Floats = NDArray[np.float64]
DRAWS = 200
CURVE_GROUPS = 10
_ITERATIONS = 50


@dataclass(frozen=True)
class AtThreshold:
    """Who is at or above a risk counts as positive. ``threshold`` is where a bin ends, nearest to what was asked."""

    threshold: float
    positives: float
    accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate


@dataclass(frozen=True)
class CalibrationGroup:
    """Some neighbouring bins: mean predicted risk, and how often the outcome occurred."""

    patients: float
    mean_risk: float
    observed: Estimate


@dataclass(frozen=True)
class RiskSums:
    """``counts`` of shape (bins, 2), of outcome 0 and 1, in the bins of `evaluation.layout`."""

    counts: Floats
    noise_deviation: float = 0.0
    """Of the noise in each count."""
    grouped: bool = False
    """Whether patients were counted by groups (2)."""

    # --- who ---

    @property
    def patients(self) -> float:
        return float(self.counts.sum())

    @property
    def cases(self) -> float:
        return float(self.counts[:, 1].sum())

    @property
    def controls(self) -> float:
        return float(self.counts[:, 0].sum())

    @property
    def is_known(self) -> bool:
        """Whether there are patients of either outcome."""
        return self.cases > 0 and self.controls > 0

    def observed_rate(self) -> float:
        """Share of patients with the outcome."""
        return self.cases / self.patients if self.patients > 0 else np.nan

    def mean_risk(self) -> float:
        """Mean predicted risk."""
        return self._mean(np.hstack([self._middles] * 2))

    # --- discrimination ---

    def auc(self) -> float:
        """The chance that a case has a higher risk than a control, ties counting half (1)."""
        return float(self._placements()[0] @ self.counts[:, 1] / self.cases) if self.is_known else np.nan

    def auc_bounds(self) -> tuple[float, float]:
        """The lowest and the highest AUC that patients in these bins can have (1)."""
        if not self.is_known:
            return np.nan, np.nan
        half = 0.5 * float(self.counts[:, 0] @ self.counts[:, 1]) / (self.cases * self.controls)
        return self.auc() - half, self.auc() + half

    def auc_error(self) -> float:
        """DeLong's standard error (2); without that of noise."""
        if not self.is_known or min(self.cases, self.controls) <= 1:
            return np.nan
        area, (of_cases, of_controls) = self.auc(), self._placements()
        counts = np.maximum(self.counts, 0.0)
        case_part = counts[:, 1] @ (of_cases - area) ** 2 / (self.cases - 1) / self.cases
        control_part = counts[:, 0] @ (of_controls - area) ** 2 / (self.controls - 1) / self.controls
        variance = float(case_part + control_part)
        if self.grouped:
            of_cases_alone, of_controls_alone = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
            least = area * (1 - area) + (self.cases - 1) * of_cases_alone + (self.controls - 1) * of_controls_alone
            variance = max(variance, float(least / (self.cases * self.controls)))
        return float(np.sqrt(variance))

    def auc_interval(self, level: float = LEVEL) -> Estimate:
        """The AUC with its interval on the logit scale."""
        area, error = self.auc(), float(np.hypot(self.auc_error(), self._noise_error(RiskSums.auc)))
        if not np.isfinite(area + error):
            return Estimate(area)
        return logit_normal(min(max(area, 0.0), 1.0), error, min(self.cases, self.controls), level)

    def roc(self, level: float = LEVEL) -> tuple[Floats, Floats, Floats, Floats]:
        """False positive rates, true positive rates, and the latter's lowest and highest (Wilson, each point alone), of
        shape (bins + 1,) each, from (0, 0) to (1, 1)."""
        counts = np.maximum(self.counts, 0.0)
        above = np.concatenate([[[0.0, 0.0]], np.cumsum(counts[::-1], axis=0)])
        rates = above / np.maximum(above[-1], 1e-300)
        band = [
            wilson(each, above[-1, 1], level, self.share_variance(k, len(counts), each, above[-1, 1]))
            for k, each in enumerate(above[:, 1])
        ]
        return rates[:, 0], rates[:, 1], np.array([each.low for each in band]), np.array([each.high for each in band])

    def at(self, threshold: float, level: float = LEVEL) -> AtThreshold:
        """Rates at a threshold, with Wilson's intervals."""
        ends = edges(len(self.counts))
        cut = int(np.abs(ends - threshold).argmin())
        bins = len(self.counts)
        low, high = self.counts[:cut].sum(axis=0), self.counts[cut:].sum(axis=0)

        def share(having: float, of: float, cells_having: int, cells: int) -> Estimate:
            return wilson(having, of, level, self.share_variance(cells_having, cells, having, of))

        return AtThreshold(
            float(ends[cut]),
            float(high.sum()),
            share(low[0] + high[1], self.patients, bins, 2 * bins),
            share(high[1], self.cases, bins - cut, bins),
            share(low[0], self.controls, cut, bins),
            share(high[1], float(high.sum()), bins - cut, 2 * (bins - cut)),
            share(low[0], float(low.sum()), cut, 2 * cut),
        )

    # --- calibration ---

    def brier(self) -> float:
        """Mean squared distance of risk and outcome."""
        return self._mean((self._middles - [0.0, 1.0]) ** 2)

    def brier_bounds(self) -> tuple[float, float]:
        """The lowest and the highest that risks in these bins can have (1)."""
        near, far = self._ends()
        return self._mean(near**2), self._mean(far**2)

    def log_loss(self) -> float:
        """Mean of -log(risk of what happened)."""
        return self._mean(-np.log(1.0 - np.abs(self._middles - [0.0, 1.0])))

    def log_loss_bounds(self) -> tuple[float, float]:
        """The lowest and the highest that risks in these bins can have (1); the latter may be infinite."""
        near, far = self._ends()
        with np.errstate(divide="ignore"):
            return self._mean(-np.log(1.0 - near)), self._mean(-np.log(1.0 - far))

    def calibration_intercept(self, level: float = LEVEL) -> Estimate:
        """Of log odds: 0 where as many outcomes occur as are predicted, above 0 where more do."""
        return self._recalibrated(lambda each: each._intercept(), level)

    def calibration_slope(self, level: float = LEVEL) -> Estimate:
        """Of log odds: 1 where risks are as spread as they should be, below 1 where they are too extreme."""
        return self._recalibrated(lambda each: each._slope(), level)

    def observed_to_expected(self, level: float = LEVEL) -> Estimate:
        """Observed outcomes over the sum of the risks; the interval is Wilson's of the observed rate."""
        mean = self.mean_risk()
        if not self.patients > 0 or not mean > 0:
            return Estimate(np.nan)
        cells = len(self.counts)
        extra = self.share_variance(cells, 2 * cells, self.cases, self.patients)
        rate = wilson(self.cases, self.patients, level, extra)
        return Estimate(rate.value / mean, rate.low / mean, rate.high / mean)

    def calibration_curve(self, groups: int = CURVE_GROUPS, level: float = LEVEL) -> list[CalibrationGroup]:
        """Neighbouring bins in about equally large groups of patients, by risk."""
        counts = np.maximum(self.counts, 0.0)
        totals = counts.sum(axis=1)
        if not totals.sum() > 0:
            return []
        middles = np.cumsum(totals) - totals / 2
        place = np.minimum((groups * middles / totals.sum()).astype(np.int64), groups - 1)
        found = []
        for k in np.unique(place[totals > 0]):
            inside = place == k
            own, cells = counts[inside], int(inside.sum())
            size = float(own.sum())
            mean, cases = float((self._middles[inside] * own).sum() / size), float(own[:, 1].sum())
            extra = self.share_variance(cells, 2 * cells, cases, size)
            found.append(CalibrationGroup(size, mean, wilson(cases, size, level, extra)))
        return found

    def ece(self, groups: int = CURVE_GROUPS) -> float:
        """Expected calibration error: mean distance of observed and predicted, over the curve's groups."""
        curve = self.calibration_curve(groups)
        total = sum(each.patients for each in curve)
        return (
            sum(each.patients * abs(each.observed.value - each.mean_risk) for each in curve) / total
            if total
            else np.nan
        )

    def gap(self) -> tuple[float, float]:
        """Observed rate minus mean risk, and its standard error."""
        residual = np.array([0.0, 1.0]) - self._middles
        mean = self._mean(residual)
        variance = max(self._mean((residual - mean) ** 2), 0.0) / max(self.patients, 1.0)
        return mean, float(np.hypot(np.sqrt(variance), self._noise_error(lambda each: each._mean(residual))))

    # --- inside ---

    def share_variance(self, cells_having: int, cells: int, having: float, of: float) -> float:
        """What noise adds to the variance of the share ``having / of``, where ``of`` is of so many counts and
        ``cells_having`` of them are in ``having``."""
        if not self.noise_deviation or of <= 0:
            return 0.0
        share = min(max(having / of, 0.0), 1.0)
        return self.noise_deviation**2 * (cells_having * (1 - share) ** 2 + (cells - cells_having) * share**2) / of**2

    def _placements(self) -> tuple[Floats, Floats]:
        """For a case in each bin the share of controls below it, for a control that of cases above it; ties half."""
        below = np.cumsum(self.counts[:, 0]) - 0.5 * self.counts[:, 0]
        up_to = np.cumsum(self.counts[:, 1]) - 0.5 * self.counts[:, 1]
        return below / self.controls, 1.0 - up_to / self.cases

    @property
    def _middles(self) -> Floats:
        return middles(len(self.counts))[:, None]

    def _ends(self) -> tuple[Floats, Floats]:
        """The smallest and the largest distance of risk and outcome in each bin, (bins, 2) each."""
        ends = edges(len(self.counts))
        low, high = ends[:-1, None], ends[1:, None]
        return np.hstack([low, 1.0 - high]), np.hstack([high, 1.0 - low])

    def _mean(self, each: Floats) -> float:
        if not self.patients > 0:
            return np.nan
        there = self.counts != 0  # an empty bin's may be infinite
        return float(np.broadcast_to(each, self.counts.shape)[there] @ self.counts[there] / self.patients)

    def _logits(self) -> Floats:
        found = middles(len(self.counts))
        return np.asarray(np.log(found / (1 - found)))

    def _intercept(self) -> tuple[float, float]:
        return self._fitted(np.ones((len(self.counts), 1)), self._logits())[0]

    def _slope(self) -> tuple[float, float]:
        logits = self._logits()
        return self._fitted(np.column_stack([np.ones(len(logits)), logits]), np.zeros(len(logits)))[1]

    def _fitted(self, design: Floats, offset: Floats) -> list[tuple[float, float]]:
        """Logistic regression of the outcome on each bin's terms: coefficients and standard errors, NaN where there
        are none (one outcome, or bins that separate both)."""
        counts = np.maximum(self.counts, 0.0)
        totals, cases = counts.sum(axis=1), counts[:, 1]
        weights = np.zeros(design.shape[1])
        unknown = [(np.nan, np.nan)] * design.shape[1]
        if not (0 < cases.sum() < totals.sum()):
            return unknown
        for _ in range(_ITERATIONS):
            linear = np.clip(offset + design @ weights, -40, 40)
            risk = 0.5 * (1 + np.tanh(0.5 * linear))
            hessian = (design * (totals * risk * (1 - risk))[:, None]).T @ design
            try:
                inverse = np.linalg.inv(hessian)
            except np.linalg.LinAlgError:
                return unknown
            step = inverse @ (design.T @ (cases - totals * risk))
            weights = weights + np.clip(step, -2.0, 2.0)
            if np.abs(step).max() < 1e-10:
                return [(float(w), float(e)) for w, e in zip(weights, np.sqrt(np.diag(inverse)), strict=True)]
        return unknown

    def _recalibrated(self, measure: "Callable[[RiskSums], tuple[float, float]]", level: float) -> Estimate:
        value, error = measure(self)
        return normal(value, float(np.hypot(error, self._noise_error(lambda each: measure(each)[0]))), level)

    def _noise_error(self, measure: "Callable[[RiskSums], float]") -> float:
        """Rule 3."""
        if not self.noise_deviation:
            return 0.0
        source = np.random.default_rng(0)
        drawn = [
            measure(RiskSums(self.counts + source.normal(0.0, self.noise_deviation, self.counts.shape)))
            for _ in range(DRAWS)
        ]
        return float(np.nanstd(drawn))
