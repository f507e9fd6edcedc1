"""What follows from two slots: whether subgroups are treated alike, and whether a model remembers whom it saw.

Fairness. Differences of the true and false positive rates (equalised odds: Hardt, Price and Srebro, NeurIPS 2016), of
the positive predictive value (Chouldechova, Big Data 5:153, 2017) and of observed rate minus mean risk, each with an
interval. Unless the outcome is equally common, or the model perfect, not all of them can be zero at once
(Chouldechova): the table says how a model differs, not which difference is unfair.

Membership. Who guesses that a patient was trained on because the model's loss on that patient is small is right more
often than by chance by the advantage: the share of those who were trained on below a loss, minus that of those who were
not (Yeom et al., IEEE CSF 2018). The threshold that is usual is the mean training loss.

Of survival it is on who had the event by the last cut point and who was followed beyond it: of who left before, nobody
knows what happened by then. A log hazard ratio has no loss; who guesses makes it the risk that has these log odds, all
shifted by the same so that as many have the event as risks say. Whom a model remembers by when the event was, within
the time up to the last cut point, is not seen by this.

Differences between subgroups of survival are those of concordance, of AUC and of survival at the last cut point: both
subgroups' patients are others, so intervals are those of two independent numbers (Newcombe; Zou and Donner, Stat Med
27:1693, 2008).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.evaluation.intervals import LEVEL, Estimate, difference, normal, wilson
from belmont.federated.evaluation.layout import middles
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.survival import SurvivalSums, shift_of
from belmont.federated.evaluation.values import Moments


@dataclass(frozen=True)
class Differences:
    """First minus second."""

    sensitivity: Estimate
    false_positive_rate: Estimate
    ppv: Estimate
    calibration_gap: Estimate
    """Of observed rate minus mean risk."""


@dataclass(frozen=True)
class SurvivalDifferences:
    """First minus second."""

    concordance: Estimate
    auc: Estimate
    """At the last cut point."""
    survival: Estimate
    """At the last cut point, whatever the model says."""


@dataclass(frozen=True)
class Membership:
    """The advantage of guessing by the loss. Shares are of losses in bins, of grouped scores."""

    advantage: Estimate
    """At the mean training loss."""
    largest: float
    """At the threshold that is best on these patients."""
    upper: float
    """No threshold's interval ends above it: at the level's confidence the true one of the best threshold is below."""


def differences(first: RiskSums, second: RiskSums, threshold: float, level: float = LEVEL) -> Differences:
    """How two subgroups differ at a threshold."""
    one, two = first.at(threshold, level), second.at(threshold, level)
    (gap_one, error_one), (gap_two, error_two) = first.gap(), second.gap()
    return Differences(
        difference(one.sensitivity, two.sensitivity),
        difference(_one_minus(one.specificity), _one_minus(two.specificity)),
        difference(one.ppv, two.ppv),
        normal(gap_one - gap_two, float(np.hypot(error_one, error_two)), level),
    )


def differences_of_survival(first: SurvivalSums, second: SurvivalSums, level: float = LEVEL) -> SurvivalDifferences:
    """How well a model tells who has the event sooner in one subgroup and in another."""
    last = len(first.cuts) - 1
    return SurvivalDifferences(
        difference(first.concordance_interval(level), second.concordance_interval(level)),
        difference(first.auc_interval(last, level), second.auc_interval(last, level)),
        difference(first.curve(level).estimate(last), second.curve(level).estimate(last)),
    )


def membership(held_out: RiskSums, trained_on: RiskSums, level: float = LEVEL) -> Membership | None:
    """The advantage, None where either slot is empty."""
    if not (held_out.patients > 0 and trained_on.patients > 0):
        return None
    members, others = (_surprise(each) for each in (trained_on, held_out))
    losses = -np.log(middles(len(members))[::-1])
    mean_loss = losses @ members / members.sum()

    def share(sums: RiskSums, k: int, having: float) -> Estimate:
        return wilson(
            having, sums.patients, level, sums.share_variance(2 * k + 2, sums.counts.size, having, sums.patients)
        )

    found = [
        difference(share(trained_on, k, inside), share(held_out, k, outside))
        for k, (inside, outside) in enumerate(zip(np.cumsum(members), np.cumsum(others), strict=True))
    ]
    at_mean = max(int(np.searchsorted(losses, mean_loss, side="right")) - 1, 0)
    return Membership(found[at_mean], max(each.value for each in found), max(each.high for each in found[:-1]))


def membership_of_survival(held_out: SurvivalSums, trained_on: SurvivalSums, level: float = LEVEL) -> Membership | None:
    """The same for log hazard ratios, None where nobody of either slot is known to have had the event by the last cut
    point, or to have been followed beyond it."""
    shift = shift_of([held_out, trained_on])
    return membership(held_out.at_last(shift), trained_on.at_last(shift), level)


def membership_of_values(held_out: Moments, trained_on: Moments, level: float = LEVEL) -> Membership | None:
    """The same for predicted values, whose errors are taken to be normal: the best threshold's advantage is a function
    of the ratio of both errors (Yeom et al.), whose interval is that of two variances."""
    if not (held_out.is_known and trained_on.is_known and trained_on.rmse() > 0 and held_out.rmse() > 0):
        return None
    from scipy.stats import f  # here, since hospitals need none of it

    squared = (held_out.rmse() / trained_on.rmse()) ** 2
    lowest, highest = squared / f.ppf([0.5 + level / 2, 0.5 - level / 2], held_out.patients, trained_on.patients)
    found = Estimate(_of_ratio(squared), _of_ratio(lowest), _of_ratio(highest))
    return Membership(found, found.value, found.high)


def _of_ratio(squared: float) -> float:
    """The advantage where others' errors have ``squared`` times the variance of the members'; below 0 where less."""
    if squared < 1.0:
        return -_of_ratio(1.0 / squared)
    if squared - 1.0 < 1e-9:
        return 0.0
    inner = math.sqrt(0.5 * math.log(squared) / (squared - 1.0))
    return math.erf(math.sqrt(squared) * inner) - math.erf(inner)


def _surprise(sums: RiskSums) -> NDArray[np.float64]:
    """How many patients the model gave what happened to them the highest chance, the second highest bin, and so on."""
    return np.asarray(sums.counts[::-1, 1] + sums.counts[:, 0], np.float64)


def _one_minus(share: Estimate) -> Estimate:
    return Estimate(1.0 - share.value, 1.0 - share.high, 1.0 - share.low)
