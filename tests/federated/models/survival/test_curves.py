"""Survival curves from counts: beside lifelines, from hospitals' sums, and with noise."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from scipy.stats import chi2
from sklearn.isotonic import IsotonicRegression

from belmont.federated.errors import FederatedError
from belmont.federated.models.cox import CoxModel
from belmont.federated.models.kaplan_meier import CurveModel
from belmont.federated.models.survival_curves import chi_squared_tail, consistent, curve, isotonic, log_rank

GROUPS = {
    "rossi": ("fin", lambda frame: frame["fin"].map({0: "no", 1: "yes"})),
    "lung": ("ecog", lambda frame: frame["ph.ecog"].map({0.0: "well", 1.0: "symptoms", 2.0: "bed", 3.0: "bed"})),
    "gbsg2": ("stage", lambda frame: frame["tgrade"]),
}


@pytest.fixture(params=sorted(GROUPS))
def grouped(request, tools):
    """A dataset with a column of groups, its levels, grid and tables."""
    study = SimpleNamespace(**vars(tools.datasets[request.param]()))
    name, of = GROUPS[request.param]
    study.frame = study.frame.assign(**{name: of(study.frame)})
    study.by = tuple(f"{name}={level}" for level in sorted(study.frame[name].unique()))
    study.group = study.frame[name]
    study.cuts = tuple(np.unique(study.frame[study.duration]).astype(float))
    study.tables = tools.split(study.frame, study.hospital, [name, study.duration, study.outcome])
    return study


def test_curves_and_intervals_are_those_of_the_pooled_rows(grouped, tools):
    counts = tools.count_cells(grouped.tables, grouped.outcome, CurveModel(grouped.duration, grouped.cuts, grouped.by))
    for name, leaving in zip(grouped.by, counts, strict=True):
        rows = grouped.frame[grouped.group == name.partition("=")[2]]
        peer = KaplanMeierFitter().fit(rows[grouped.duration], rows[grouped.outcome])
        ours = curve(leaving, grouped.cuts)
        there = peer.event_table["at_risk"].reindex(ours.times).dropna()
        assert np.array_equal(ours.at_risk[np.isin(ours.times, there.index)], there)
        last = rows[grouped.duration].max()
        inside = ours.times <= last
        asked = ours.times[inside]
        assert np.abs(ours.survival[inside] - peer.survival_function_at_times(asked)).max() < 1e-12
        theirs = peer.confidence_interval_.reindex(asked, method="ffill").to_numpy()
        positive = ours.survival[inside] > 0
        assert np.abs(np.column_stack([ours.low, ours.high])[inside] - theirs)[positive].max() < 1e-12
        assert ours.median == peer.median_survival_time_


def test_the_log_rank_test_is_that_of_the_pooled_rows(grouped, tools):
    model = CurveModel(grouped.duration, grouped.cuts, grouped.by)
    found = log_rank(tools.count_cells(grouped.tables, grouped.outcome, model))
    peer = multivariate_logrank_test(grouped.frame[grouped.duration], grouped.group, grouped.frame[grouped.outcome])
    assert found.statistic == pytest.approx(peer.test_statistic, rel=1e-10)
    assert found.p == pytest.approx(peer.p_value, rel=1e-8)
    assert found.degrees == len(grouped.by) - 1


def test_without_groups_there_is_one_curve_of_everybody(study, tools):
    cuts = tuple(np.unique(study.frame[study.duration]).astype(float))
    tables = tools.split(study.frame, study.hospital, [study.duration, study.outcome])
    counts = tools.count_cells(tables, study.outcome, CurveModel(study.duration, cuts))
    peer = KaplanMeierFitter().fit(study.frame[study.duration], study.frame[study.outcome])
    ours = curve(counts[0], cuts)
    assert np.abs(ours.survival - peer.survival_function_at_times(cuts)).max() < 1e-12
    assert np.abs(ours.at([0.0, 1e-9]) - 1.0).max() == 0.0 and math.isnan(ours.at([cuts[-1] + 1])[0])


def test_followed_beyond_the_grid_is_withdrawn_at_its_end(tools):
    study = tools.datasets["rossi"]()
    tables = tools.split(study.frame, study.hospital, [study.duration, study.outcome])
    counts = tools.count_cells(tables, study.outcome, CurveModel("week", (13.0, 26.0)))
    by_26 = study.frame[(study.frame["week"] <= 26) & (study.frame["arrest"] == 1)]
    assert counts[0, :, 1].tolist() == [(by_26["week"] <= 13).sum(), (by_26["week"] > 13).sum()]
    assert counts.sum() == len(study.frame)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40))
def test_isotonic_regression_is_scikit_learns(values):
    expected = IsotonicRegression().fit_transform(np.arange(len(values)), values)
    assert np.abs(isotonic(np.array(values)) - expected).max() < 1e-9


@given(st.floats(0.0, 200.0), st.integers(1, 12))
def test_the_tail_of_chi_squared_is_scipys(statistic, degrees):
    assert chi_squared_tail(statistic, degrees) == pytest.approx(chi2.sf(statistic, degrees), rel=1e-9, abs=1e-300)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0.1, 50.0))
def test_curves_of_noisy_counts_never_rise_and_stay_between_0_and_1(cells, seed, deviation):
    random = np.random.default_rng(seed)
    noisy = random.integers(0, 20, (cells, 2)) + random.normal(0, deviation, (cells, 2))
    found = curve(noisy, np.arange(1.0, cells + 1), noise_variance=deviation**2)
    assert (np.diff(found.survival, prepend=1.0) <= 1e-12).all()
    for values in (found.survival, found.low, found.high):
        assert ((values >= 0) & (values <= 1)).all()
    assert (found.low <= found.survival + 1e-12).all() and (found.high >= found.survival - 1e-12).all()
    assert (found.events >= 0).all() and (found.withdrawn >= 0).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_counts_without_noise_are_consistent_already(counts):
    assert np.allclose(consistent(np.array(counts, float)), counts)


def test_an_interval_with_noise_is_wider():
    leaving = np.array([[5.0, 20.0], [5.0, 10.0], [40.0, 5.0]])
    plain, noisy = curve(leaving, (1.0, 2.0, 3.0)), curve(leaving, (1.0, 2.0, 3.0), noise_variance=9.0)
    assert np.array_equal(plain.survival, noisy.survival)
    assert (noisy.low < plain.low).all() and (noisy.high > plain.high).all()


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (np.zeros((1, 3, 2)), "at least two groups"),
        (np.array([[[5.0, 0.0]], [[5.0, 0.0]]]), "needs events"),
        (np.array([[[5.0, 2.0]], [[0.0, 0.0]]]), "patients in each group"),
        (np.array([[[0.0, 0.0], [0.0, 5.0]], [[5.0, 0.0], [0.0, 0.0]]]), "at risk together at no event"),
    ],
)
def test_a_log_rank_test_of_nothing_says_so(counts, why):
    with pytest.raises(FederatedError, match=why):
        log_rank(counts)


@pytest.mark.parametrize("cuts", [(), (0.0, 1.0), (2.0, 1.0), (1.0, 1.0), (1.0, math.inf), (math.nan,)])
def test_a_grid_that_is_none_is_refused(cuts):
    with pytest.raises(FederatedError, match="cuts are times above 0"):
        CurveModel("t", cuts)
    if cuts:
        with pytest.raises(FederatedError, match="cuts are times above 0"):
            CoxModel(("x",), "t", cuts=cuts)


@pytest.mark.parametrize("by", [("a=x", "a=x"), ("a=x,y", "a=z")])
def test_groups_that_would_be_others_at_a_hospital_are_refused_here(by):
    with pytest.raises(FederatedError, match="different levels"):
        CurveModel("t", (1.0,), by)


@pytest.mark.parametrize("by", [("a=x", "b=y"), ("a",)])
def test_groups_are_levels_of_one_column(by):
    with pytest.raises(FederatedError, match="levels of one column"):
        CurveModel("t", (1.0,), by)
