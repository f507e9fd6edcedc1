"""How well scores tell who has an event sooner, from how many patients of each set are in each bin, and nothing else.

    sums = SurvivalSums(counts, cuts)     one slot of an evaluation's arrays, summed over hospitals or not
    sums.concordance_interval(), sums.auc_interval(1), sums.risk_groups()

1. A pair of patients counts where the spans show who had the event first: one had it in a span, the other left in a
   later one, with an event or without, or was followed beyond. Of two who left in one span nobody knows, whichever of
   them had an event, and one who left without an event shows nothing of who leaves later (Harrell et al., JAMA
   247:2543, 1982, on times that are spans). Equal scores count half: so do those in one bin, and bounds say what that
   leaves open.
2. The concordance is a ratio of U-statistics; its standard error is the infinitesimal jackknife, the root of the summed
   squares of each patient's influence (Therneau and Atkinson, *Concordance*, in R's survival; the same first order as
   Pencina and D'Agostino, Stat Med 23:2109, 2004).
3. AUC at a cut point: of a patient with the event by then and one who left later, how often the first has the higher
   score (cumulative cases, dynamic controls: Heagerty, Lumley and Pepe, Biometrics 56:337, 2000). Who left before
   without an event is neither, so cases are weighted by one over the chance not to have left so before their span (Uno
   et al., JASA 102:527, 2007; Hung and Chiang, Can J Stat 38:8, 2010), which is Kaplan and Meier's estimate from the
   same counts. Within a span events come first, as `models.survival_curves` has it. The standard error is DeLong's with
   these weights, taken as known, which makes it larger if anything.
4. Groups of patients that count as one score (`evaluation.microaggregation`) hide part of these variances: then they
   are at least Hanley and McNeil's (Radiology 143:29, 1982), of as many cases and, for the concordance, of as many
   controls as each case is compared with on average. Sets are grouped each on its own, so who left in a span, being the
   difference of two, may be fewer than nobody in a bin: sums over bins are right, and all here are linear in them.
5. Pairs are of all patients of a slot, also of two hospitals. A model with a baseline for each hospital says nothing of
   such pairs: where hospitals' baselines differ, the concordance is lower than within each of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.evaluation.intervals import LEVEL, Estimate, logit_normal
from belmont.federated.evaluation.layout import BINS, bins_of, middles, scores_of
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.times import in_classes
from belmont.federated.models.survival_curves import Curve, consistent, curve

Floats = NDArray[np.float64]
RISK_GROUPS = 3


@dataclass(frozen=True)
class RiskGroup:
    """Some neighbouring bins of scores, and how long their patients were without the event."""

    patients: float
    highest: float
    """Log hazard ratio at which the group ends; infinite for the last."""
    curve: Curve


@dataclass(frozen=True)
class SurvivalSums:
    """``counts`` of shape (bins, 2 K + 1), in the bins of `evaluation.layout` and the sets of `evaluation.times`;
    ``cuts`` are the K cut points."""

    counts: Floats
    cuts: tuple[float, ...]
    grouped: bool = False
    """Whether patients were counted by groups (4)."""

    # --- who ---

    @property
    def patients(self) -> float:
        return float(self.counts[:, 0].sum())

    @property
    def events(self) -> float:
        """By the last cut point."""
        return float(self.counts[:, -2].sum())

    def events_by(self, k: int) -> float:
        """By cut point ``k``."""
        return float(self.counts[:, 2 * k + 1].sum())

    def later_than(self, k: int) -> float:
        """Who left later than cut point ``k``, with an event or without."""
        return float(self.counts[:, 2 * k + 2].sum())

    @property
    def pairs(self) -> float:
        """That can be compared (1)."""
        return float(self._events.sum(axis=0) @ self._later.sum(axis=0))

    # --- concordance ---

    def concordance(self) -> float:
        """Over the pairs that can be compared, how often who has the event first has the higher score (1)."""
        if not self.pairs > 0:
            return np.nan
        return float((self._events * _below(self._later)).sum() / self.pairs)

    def concordance_bounds(self) -> tuple[float, float]:
        """The lowest and the highest of patients in these bins and spans, over the same pairs (1)."""
        if not self.pairs > 0:
            return np.nan, np.nan
        half = 0.5 * max(float((self._events * self._later).sum()), 0.0) / self.pairs
        return self.concordance() - half, self.concordance() + half

    def concordance_error(self) -> float:
        """Its standard error (2, 4)."""
        if not self.pairs > 0 or self.events <= 1:
            return np.nan
        value, classes, events, later = self.concordance(), in_classes(self.counts), self._events, self._later
        as_first = _below(later) - value * later.sum(axis=0)
        others = _above(events) - value * events.sum(axis=0)
        as_later = np.concatenate([np.zeros((len(events), 1)), np.cumsum(others, axis=1)], axis=1)
        influence = np.empty(classes.shape)
        influence[:, 0::2] = as_later
        influence[:, 1::2] = as_later[:, :-1] + as_first
        variance = max(float((classes * influence**2).sum()), 0.0) / self.pairs**2
        if self.grouped:
            variance = max(variance, _least(value, self.events, self.pairs / self.events))
        return float(np.sqrt(variance))

    def concordance_interval(self, level: float = LEVEL) -> Estimate:
        """The concordance with its interval on the logit scale."""
        value, error = self.concordance(), self.concordance_error()
        if not np.isfinite(value + error):
            return Estimate(value)
        return logit_normal(min(max(value, 0.0), 1.0), error, self.events, level)

    # --- AUC over time ---

    def auc(self, k: int) -> float:
        """At cut point ``k`` (3)."""
        cases, controls = self._weighted(k)[0].sum(axis=1), self._later[:, k]
        compared = float(cases.sum() * controls.sum())
        return float(cases @ _below(controls[:, None])[:, 0]) / compared if compared > 0 else np.nan

    def auc_bounds(self, k: int) -> tuple[float, float]:
        """The lowest and the highest that patients in these bins can have."""
        cases, controls = self._weighted(k)[0].sum(axis=1), self._later[:, k]
        compared = float(cases.sum() * controls.sum())
        if not compared > 0:
            return np.nan, np.nan
        half = 0.5 * max(float(cases @ controls), 0.0) / compared
        return self.auc(k) - half, self.auc(k) + half

    def auc_error(self, k: int) -> float:
        """Its standard error (3, 4)."""
        (weighted, weights), controls = self._weighted(k), self._later[:, k]
        cases, size = weighted.sum(axis=1), float(controls.sum())
        total, squares = float(cases.sum()), float((weighted * weights).sum())
        if not total > 0 or size <= 1 or self.events_by(k) <= 1:
            return np.nan
        area = self.auc(k)
        of_cases = _below(controls[:, None])[:, 0] / size - area
        of_controls = _above(cases[:, None])[:, 0] / total - area
        case_part = max(float((weighted * weights).sum(axis=1) @ of_cases**2), 0.0) / total**2
        variance = case_part + float(controls @ of_controls**2) / size**2
        if self.grouped:
            variance = max(variance, _least(area, total**2 / squares, size))
        return float(np.sqrt(variance))

    def auc_interval(self, k: int, level: float = LEVEL) -> Estimate:
        """The AUC at a cut point, with its interval on the logit scale."""
        area, error = self.auc(k), self.auc_error(k)
        if not np.isfinite(area + error):
            return Estimate(area)
        smaller = min(self.events_by(k), self.later_than(k))
        return logit_normal(min(max(area, 0.0), 1.0), error, smaller, level)

    # --- over time ---

    def curve(self, level: float = LEVEL) -> Curve:
        """Kaplan and Meier's estimate for all of them."""
        return self._curve(self.counts.sum(axis=0), level)

    def risk_groups(self, groups: int = RISK_GROUPS, level: float = LEVEL) -> list[RiskGroup]:
        """Kaplan-Meier of neighbouring bins in about equally large groups of patients, from the lowest score up: curves
        that lie apart are what a score is good for (Royston and Altman, BMC Med Res Methodol 13:33, 2013)."""
        totals = self.counts[:, 0]
        if not totals.sum() > 0:
            return []
        middle = np.cumsum(totals) - totals / 2
        place = np.minimum((groups * middle / totals.sum()).astype(np.int64), groups - 1)
        kept = np.unique(place[totals > 0])
        found = []
        for k in kept:
            inside = place == k
            end = int(np.flatnonzero(inside)[-1]) + 1
            highest = np.inf if k == kept[-1] else 2.0 * np.log(np.tan(0.5 * np.pi * end / len(totals)))
            own = self.counts[inside].sum(axis=0)
            found.append(RiskGroup(float(own[0]), float(highest), self._curve(own, level)))
        return found

    def at_last(self, shift: float = 0.0) -> RiskSums:
        """Who had the event by the last cut point and who was followed beyond, in bins of the risk that has the score's
        log odds, ``shift`` higher; who left before is in neither."""
        log_odds = _log_ratios(len(self.counts)) + shift
        bins = bins_of(scores_of(log_odds), BINS)
        counts = np.zeros((BINS, 2))
        np.add.at(counts, bins, self.counts[:, [-1, -2]])
        return RiskSums(counts, grouped=self.grouped)

    # --- inside ---

    @property
    def _events(self) -> Floats:
        """In each span, (bins, K)."""
        return np.diff(self.counts[:, 1::2], axis=1, prepend=0.0)

    @property
    def _later(self) -> Floats:
        """Who leaves in a later span than each, or was followed beyond, (bins, K)."""
        return self.counts[:, 2::2]

    def _weighted(self, k: int) -> tuple[Floats, Floats]:
        """Cases by cut point ``k`` times their weights, (bins, k + 1), and these, (k + 1,) (3)."""
        totals = in_classes(self.counts.sum(axis=0))
        events, withdrawn = totals[1::2], totals[:-1:2]
        still = self._later.sum(axis=0) + withdrawn  # who may leave so, once the span's events are over
        share = np.divide(withdrawn, still, out=np.zeros_like(still), where=still > 0)
        staying = np.concatenate([[1.0], np.cumprod(1.0 - share)])[: k + 1]
        weights = np.divide(1.0, staying, out=np.zeros_like(staying), where=(staying > 0) & (events[: k + 1] > 0))
        return self._events[:, : k + 1] * weights, weights

    def _curve(self, sets: Floats, level: float) -> Curve:
        """Of how many of some bins are in each set; nearest to what counts can be, as of noisy ones (4)."""
        leaving = consistent(in_classes(sets)[:-1].reshape(-1, 2))
        leaving[-1, 0] += max(sets[0] - leaving.sum(), 0.0)
        return curve(leaving, self.cuts, level)


def shift_of(slots: list[SurvivalSums]) -> float:
    """By how much all scores have to rise so that as many have the event by the last cut point as their risks say, of
    who had it or was followed beyond."""
    log_odds = _log_ratios(len(slots[0].counts))
    totals = np.sum([slot.counts[:, -2] + slot.counts[:, -1] for slot in slots], axis=0)
    events = sum(slot.events for slot in slots)
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if float(scores_of(log_odds + middle) @ totals) < events else (low, middle)
    return 0.5 * (low + high)


def _log_ratios(bins: int) -> Floats:
    """What a score in each bin counts as."""
    found = middles(bins)
    return np.asarray(np.log(found / (1.0 - found)), np.float64)


def _below(counts: Floats) -> Floats:
    """How many are in lower bins than each, of those in the same a half, (bins, ...)."""
    return np.asarray(np.cumsum(counts, axis=0) - 0.5 * counts, np.float64)


def _above(counts: Floats) -> Floats:
    """How many are in higher bins than each, of those in the same a half, (bins, ...)."""
    return np.asarray(counts.sum(axis=0) - np.cumsum(counts, axis=0) + 0.5 * counts, np.float64)


def _least(area: float, cases: float, controls: float) -> float:
    """Hanley and McNeil's variance of an AUC."""
    of_cases, of_controls = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    return float((area * (1 - area) + (cases - 1) * of_cases + (controls - 1) * of_controls) / (cases * controls))
