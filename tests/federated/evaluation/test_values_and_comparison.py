"""Predicted values, differences between subgroups, and what a model remembers."""

import numpy as np
import pytest
from scipy.stats import linregress, pearsonr
from sklearn.metrics import mean_squared_error, r2_score

from belmont.federated.evaluation.comparison import differences, membership, membership_of_values
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.values import Moments

from .test_risks import rows, sums


def moments(y: np.ndarray, f: np.ndarray) -> Moments:
    return Moments(np.array([len(y), y.sum(), f.sum(), y @ y, f @ f, y @ f], float))


def test_measures_of_values_are_those_of_the_rows() -> None:
    source = np.random.default_rng(0)
    f = source.normal(50, 10, 400)
    y = 3 + 0.9 * f + source.normal(0, 5, 400)
    found, line, r = moments(y, f), linregress(f, y), pearsonr(y, f)
    assert found.r2() == pytest.approx(r2_score(y, f))
    assert found.rmse() == pytest.approx(np.sqrt(mean_squared_error(y, f)))
    slope = found.slope_interval()
    assert slope.value == pytest.approx(line.slope)
    assert (slope.high - slope.low) / 2 / 1.959964 == pytest.approx(line.stderr)
    interval = r.confidence_interval()
    correlation = found.correlation()
    expected = (r.statistic, interval.low, interval.high)
    assert (correlation.value, correlation.low, correlation.high) == pytest.approx(expected)
    error = found.rmse_interval()
    assert error.low < found.rmse() < error.high
    assert found.bias().low < float(np.mean(y - f)) < found.bias().high


def test_of_nobody_nothing_is_known() -> None:
    found = Moments(np.zeros(6))
    assert np.isnan([found.r2(), found.rmse(), found.slope(), found.correlation().value, found.bias().value]).all()


def test_subgroups_that_are_treated_alike_differ_by_nothing_that_matters() -> None:
    first, second = sums(*rows(2_000, 1)), sums(*rows(2_000, 2))
    found = differences(first, second, 0.3)
    for each in (found.sensitivity, found.false_positive_rate, found.ppv, found.calibration_gap):
        assert each.low < 0 < each.high


def test_a_subgroup_whose_risk_is_underestimated_is_found() -> None:
    outcome, risk = rows(2_000, 3)
    found = differences(sums(*rows(2_000, 1)), sums(outcome, risk / 2), 0.3)
    assert found.sensitivity.low > 0.1 and found.false_positive_rate.low > 0
    assert found.calibration_gap.high < 0


def test_a_model_that_learned_its_patients_by_heart_is_told_from_one_that_did_not() -> None:
    outcome, risk = rows(1_000, 4)
    learned = np.where(np.random.default_rng(0).random(1_000) < 0.5, 0.98 * outcome + 0.01, risk)
    held = sums(*rows(1_000, 5))
    honest, memorised = membership(held, sums(outcome, risk)), membership(held, sums(outcome, learned))
    assert honest is not None and memorised is not None
    assert honest.advantage.low < 0 < honest.advantage.high and honest.upper < 0.1
    assert memorised.advantage.low > 0.1 and memorised.largest >= memorised.advantage.value
    assert memorised.upper > 0.3


def test_the_advantage_is_that_of_the_attack_on_rows() -> None:
    (y_in, p_in), (y_out, p_out) = rows(3_000, 6), rows(3_000, 7)
    p_in = np.clip(p_in + 0.3 * (y_in - p_in), 0.001, 0.999)
    losses = [-np.log(np.where(y == 1, p, 1 - p)) for y, p in ((y_in, p_in), (y_out, p_out))]
    mean = losses[0].mean()
    attack = (losses[0] <= mean).mean() - (losses[1] <= mean).mean()
    found = membership(sums(y_out, p_out), sums(y_in, p_in))
    assert found is not None and found.advantage.value == pytest.approx(attack, abs=0.015)


def test_without_either_side_there_is_no_advantage_to_tell() -> None:
    empty = RiskSums(np.zeros((100, 2)))
    assert membership(empty, sums(*rows(100, 1))) is None
    assert membership(sums(*rows(100, 1)), empty) is None


def test_the_advantage_of_values_is_that_of_the_attack_on_normal_errors() -> None:
    source = np.random.default_rng(0)
    f = source.normal(0, 1, 200_000)
    inside, outside = moments(f + source.normal(0, 1.0, len(f)), f), moments(f + source.normal(0, 1.5, len(f)), f)
    errors = [np.abs(source.normal(0, spread, 400_000)) for spread in (1.0, 1.5)]
    best = max((errors[0] < t).mean() - (errors[1] < t).mean() for t in np.linspace(0.5, 2.5, 81))
    found = membership_of_values(outside, inside)
    assert found is not None and found.advantage.value == pytest.approx(best, abs=0.01)
    assert found.advantage.low < found.advantage.value < found.upper


def test_values_that_fit_both_sides_alike_give_nothing_away() -> None:
    source = np.random.default_rng(1)
    f = source.normal(0, 1, 2_000)
    one, two = (moments(f + source.normal(0, 1, len(f)), f) for _ in range(2))
    found = membership_of_values(one, two)
    assert found is not None and found.advantage.low < 0 < found.upper < 0.1
    assert membership_of_values(one, Moments(np.zeros(6))) is None
