"""Measures of binned risks against those of the rows: scikit-learn, statsmodels, and DeLong's by definition."""

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from belmont.federated.evaluation.intervals import difference, logit_normal, wilson
from belmont.federated.evaluation.layout import BINS, bins_of, middles
from belmont.federated.evaluation.risks import RiskSums


def rows(count: int, seed: int, rate: float = -1.0) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(seed)
    linear = rate + source.normal(0, 1.2, count)
    risk = 1 / (1 + np.exp(-linear))
    return (source.random(count) < risk).astype(float), risk


def sums(outcome: np.ndarray, risk: np.ndarray) -> RiskSums:
    binned = bins_of(risk)
    return RiskSums(np.stack([np.bincount(binned[outcome == y], minlength=BINS) for y in (0, 1)], axis=1).astype(float))


def delong(outcome: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """AUC and standard error as DeLong et al. define them, pair by pair."""
    cases, controls = score[outcome == 1], score[outcome == 0]
    wins = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    variance = wins.mean(axis=1).var(ddof=1) / len(cases) + wins.mean(axis=0).var(ddof=1) / len(controls)
    return float(wins.mean()), float(np.sqrt(variance))


@pytest.mark.parametrize("seed", range(5))
def test_auc_and_its_error_are_delongs_where_risks_are_bins_middles(seed: int) -> None:
    outcome, risk = rows(700, seed)
    tied = middles()[bins_of(risk)]
    found = sums(outcome, risk)
    area, error = delong(outcome, tied)
    assert found.auc() == pytest.approx(area, abs=1e-12)
    assert found.auc() == pytest.approx(roc_auc_score(outcome, tied), abs=1e-12)
    assert found.auc_error() == pytest.approx(error, rel=1e-9)
    interval = found.auc_interval()
    assert interval.low < area < interval.high


@settings(max_examples=40, deadline=None)
@given(st.integers(30, 400), st.integers(0, 10**6), st.floats(-4, 1))
def test_bounds_hold_what_the_rows_have(count: int, seed: int, rate: float) -> None:
    outcome, risk = rows(count, seed, rate)
    found = sums(outcome, risk)
    lowest, highest = found.brier_bounds()
    assert lowest - 1e-12 <= brier_score_loss(outcome, risk) <= highest + 1e-12
    if 0 < outcome.sum() < count:
        lowest, highest = found.auc_bounds()
        assert lowest - 1e-12 <= roc_auc_score(outcome, risk) <= highest + 1e-12
        lowest, highest = found.log_loss_bounds()
        assert lowest - 1e-12 <= log_loss(outcome, risk) <= highest + 1e-12


def test_binning_costs_little_of_auc_error_brier_and_log_loss() -> None:
    outcome, risk = rows(2_000, 1)
    found, (area, error) = sums(outcome, risk), delong(outcome, risk)
    assert found.auc() == pytest.approx(area, abs=0.002)
    assert found.auc_error() == pytest.approx(error, rel=0.02)
    assert found.brier() == pytest.approx(brier_score_loss(outcome, risk), abs=5e-4)
    assert found.log_loss() == pytest.approx(log_loss(outcome, risk), abs=2e-3)
    assert found.mean_risk() == pytest.approx(risk.mean(), abs=5e-4)


def test_rates_at_a_threshold_are_those_of_the_rows_with_wilsons_intervals() -> None:
    outcome, risk = rows(900, 2)
    at = sums(outcome, risk).at(0.3)
    assert at.threshold == pytest.approx(0.3, abs=0.01)
    (tn, fp), (fn, tp) = confusion_matrix(outcome, risk >= at.threshold)
    expected = {
        "accuracy": (tn + tp, len(outcome)),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    assert at.positives == tp + fp
    for name, (having, of) in expected.items():
        found = getattr(at, name)
        low, high = proportion_confint(having, of, method="wilson")
        assert (found.value, found.low, found.high) == pytest.approx((having / of, low, high), abs=1e-9), name


def test_calibration_is_logistic_recalibration_of_the_rows() -> None:
    outcome, risk = rows(3_000, 3)
    risk = 1 / (1 + np.exp(-(0.4 + 1.5 * np.log(risk / (1 - risk)))))
    found, logits = sums(outcome, risk), np.log(risk / (1 - risk))
    slope = sm.GLM(outcome, sm.add_constant(logits), family=sm.families.Binomial()).fit()
    intercept = sm.GLM(outcome, np.ones(len(logits)), family=sm.families.Binomial(), offset=logits).fit()
    ours, error = found.calibration_slope(), slope.bse[1]
    assert ours.value == pytest.approx(slope.params[1], abs=0.02)
    assert (ours.high - ours.low) / 2 / 1.959964 == pytest.approx(error, rel=0.03)
    assert found.calibration_intercept().value == pytest.approx(intercept.params[0], abs=0.02)
    assert found.observed_to_expected().value == pytest.approx(outcome.sum() / risk.sum(), abs=0.01)


def test_the_calibration_curve_is_groups_of_equally_many_patients() -> None:
    outcome, risk = rows(5_000, 4)
    curve = sums(outcome, risk).calibration_curve()
    assert len(curve) == 10 and sum(each.patients for each in curve) == 5_000
    assert all(350 < each.patients < 650 for each in curve)
    assert all(a.mean_risk < b.mean_risk for a, b in pairwise(curve))
    assert sum(each.observed.low <= each.mean_risk <= each.observed.high for each in curve) >= 8
    assert sums(outcome, risk).ece() < 0.04 < sums(outcome, risk**2).ece()


def test_the_roc_curve_goes_from_nobody_to_everybody_with_a_band_around_it() -> None:
    false_rate, true_rate, low, high = sums(*rows(500, 5)).roc()
    assert false_rate[0] == true_rate[0] == 0 and false_rate[-1] == true_rate[-1] == 1
    assert (np.diff(false_rate) >= 0).all() and (low <= true_rate).all() and (true_rate <= high).all()


def test_ninety_five_of_a_hundred_intervals_hold_the_true_auc() -> None:
    truth = sums(*rows(400_000, 6)).auc()
    hits = 0
    for seed in range(300):
        interval = sums(*rows(300, 100 + seed)).auc_interval()
        hits += interval.low <= truth <= interval.high
    assert 0.92 <= hits / 300 <= 0.98


@pytest.mark.parametrize("outcome", [np.zeros(50), np.ones(50), np.zeros(0)])
def test_of_one_outcome_what_needs_two_is_unknown(outcome: np.ndarray) -> None:
    found = sums(outcome, np.full(len(outcome), 0.4))
    assert np.isnan(found.auc()) and np.isnan(found.auc_interval().low)
    assert np.isnan(found.calibration_slope().value)
    found.at(0.5), found.roc(), found.calibration_curve(), found.log_loss_bounds()


def test_perfect_separation_has_an_interval_that_is_not_a_point() -> None:
    found = sums(np.repeat([0.0, 1.0], 20), np.repeat([0.1, 0.9], 20)).auc_interval()
    assert found.value == 1 and 0.8 < found.low < 0.9 and found.high == 1


def test_groups_make_the_error_no_smaller_than_hanley_and_mcneils() -> None:
    outcome, risk = rows(200, 7)
    alone, grouped = sums(outcome, risk), RiskSums(sums(outcome, risk).counts, grouped=True)
    assert grouped.auc_error() >= alone.auc_error()


def test_intervals_of_shares_are_newcombes() -> None:
    # Newcombe 1998, table II, example (a), method 10: 56/70 less 48/80.
    found = difference(wilson(56, 70), wilson(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert np.isnan(wilson(0, 0).value)
    assert wilson(0, 10).low == 0 and wilson(10, 10).high == 1
    assert logit_normal(0.8, 0.05, 10).low > 0.68
