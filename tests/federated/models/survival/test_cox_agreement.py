"""Federated Cox fits are the pooled ones: beside lifelines and statsmodels, coefficient by coefficient."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from scipy.optimize import minimize

from belmont.federated.models.cox import CoxModel, baseline_hazard

TIGHT = {"precision": 1e-13, "r_precision": 1e-16}
"""lifelines stops early by default."""


def columns(study):
    return [*study.features, study.duration, study.outcome]


def grid(study):
    """All times that occur."""
    return tuple(np.unique(study.frame[study.duration]).astype(float))


@pytest.fixture(params=["efron", "breslow"])
def ties(request):
    return request.param


def test_a_baseline_for_each_hospital_gives_the_pooled_fit_with_hospitals_as_strata(study, tools, ties):
    fit = tools.fit_cox(
        tools.split(study.frame, study.hospital, columns(study)),
        study.outcome,
        CoxModel(study.features, study.duration, ties),
    )
    frame = study.frame
    peer = sm.PHReg(
        frame[study.duration], frame[list(study.features)], frame[study.outcome], strata=study.hospital, ties=ties
    ).fit(disp=0)
    assert np.abs(fit.coefficients - peer.params).max() < 1e-8
    assert np.abs(fit.errors - peer.bse).max() < 1e-8
    if ties == "efron":
        other = CoxPHFitter()
        rows = frame[columns(study)].assign(hospital=study.hospital)
        other.fit(rows, study.duration, study.outcome, strata=["hospital"], fit_options=TIGHT)
        assert np.abs(fit.coefficients - other.params_).max() < 1e-6
        assert np.abs(fit.errors - other.standard_errors_).max() < 1e-6
        assert fit.loss == pytest.approx(-other.log_likelihood_, abs=1e-6)


def test_a_common_baseline_gives_the_pooled_fit(study, tools, ties):
    fit = tools.fit_cox(
        tools.split(study.frame, study.hospital, columns(study)),
        study.outcome,
        CoxModel(study.features, study.duration, ties, cuts=grid(study)),
    )
    frame = study.frame
    peer = sm.PHReg(frame[study.duration], frame[list(study.features)], frame[study.outcome], ties=ties).fit(disp=0)
    assert np.abs(fit.coefficients - peer.params).max() < 1e-8
    assert np.abs(fit.errors - peer.bse).max() < 1e-8
    if ties == "efron":
        other = CoxPHFitter().fit(frame[columns(study)], study.duration, study.outcome, fit_options=TIGHT)
        assert np.abs(fit.coefficients - other.params_).max() < 1e-6
        assert fit.loss == pytest.approx(-other.log_likelihood_, abs=1e-6)
        ours, theirs = baseline_hazard(fit.model), other.baseline_cumulative_hazard_.iloc[:, 0]
        assert np.abs(ours - theirs.loc[list(grid(study))].to_numpy()).max() < 1e-6


def test_grouped_times_give_the_pooled_fit_on_grouped_times(study, tools, ties):
    times = study.frame[study.duration]
    cuts = tuple(np.unique(np.quantile(times, [0.1, 0.25, 0.4, 0.6, 0.8])))
    model = CoxModel(study.features, study.duration, ties, cuts=cuts)
    fit = tools.fit_cox(tools.split(study.frame, study.hospital, columns(study)), study.outcome, model)
    cell = np.searchsorted(cuts, times)
    grouped = np.asarray(cuts)[np.minimum(cell, len(cuts) - 1)]
    event = study.frame[study.outcome] * (cell < len(cuts))
    peer = sm.PHReg(grouped, study.frame[list(study.features)], event, ties=ties).fit(disp=0)
    assert np.abs(fit.coefficients - peer.params).max() < 1e-8
    assert np.abs(fit.errors - peer.bse).max() < 1e-8


@pytest.mark.parametrize("ridge", [0.01, 0.5])
def test_a_ridge_means_what_lifelines_penalizer_means(study, tools, ridge):
    tables = tools.split(study.frame, study.hospital, columns(study))
    fit = tools.fit_cox(tables, study.outcome, CoxModel(study.features, study.duration, ridge=ridge))
    rows = study.frame[columns(study)].assign(hospital=study.hospital)
    peer = CoxPHFitter(penalizer=ridge)
    peer.fit(rows, study.duration, study.outcome, strata=["hospital"], fit_options=TIGHT)
    assert np.abs(fit.coefficients - peer.params_).max() < 1e-6
    assert np.abs(fit.errors - peer.standard_errors_).max() < 1e-6


def plain_likelihood(x, times, event, hospital, ties):
    """Log-likelihood and information of the stratified model, as the books write them."""

    def at(b):
        likelihood, information = 0.0, np.zeros((len(b), len(b)))
        for each in np.unique(hospital):
            rows, t, e = x[hospital == each], times[hospital == each], event[hospital == each] == 1
            w = np.exp(rows @ b)
            for time in np.unique(t[e]):
                tied = (t == time) & e
                likelihood += rows[tied].sum(axis=0) @ b
                for k in range(tied.sum()):
                    share = w * (t >= time) - (k / tied.sum() * w * tied if ties == "efron" else 0.0)
                    likelihood -= np.log(share.sum())
                    mean = share @ rows / share.sum()
                    information += (rows * (share / share.sum())[:, None]).T @ rows - np.outer(mean, mean)
        return likelihood, information

    return at


def test_firths_penalty_gives_the_maximum_of_the_penalised_likelihood(tools, ties):
    study = tools.datasets["lung"]()
    tables = tools.split(study.frame, study.hospital, columns(study))
    fit = tools.fit_cox(tables, study.outcome, CoxModel(study.features, study.duration, ties, firth=True))
    features = study.frame[list(study.features)]
    x = ((features - features.mean()) / features.std()).to_numpy()
    times, event = study.frame[study.duration].to_numpy(), study.frame[study.outcome].to_numpy()
    at = plain_likelihood(x, times, event, study.hospital, ties)

    def penalised(b):
        likelihood, information = at(b)
        return -likelihood - 0.5 * np.linalg.slogdet(information)[1]

    best = minimize(penalised, np.zeros(x.shape[1]), method="BFGS", options={"gtol": 1e-5})
    assert np.abs(fit.model["coefficients"] - best.x).max() < 2e-6
    assert fit.model["progress"][0] == pytest.approx(best.fun, abs=1e-8)


@st.composite
def cohorts(draw, tied=True):
    """A small cohort of two covariates with events, and a hospital for each patient."""
    rows, seed = draw(st.integers(30, 80)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.normal(size=rows), "z": random.integers(0, 3, rows).astype(float)})
    frame["t"] = (
        random.integers(1, 9, rows).astype(float)
        if tied
        else random.permutation(rows).astype(float) + random.random(rows)
    )
    frame["e"] = (random.random(rows) < 0.6).astype(float)
    return frame, np.asarray(draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows)))


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(cohorts(), st.sampled_from(["efron", "breslow"]))
def test_with_a_common_baseline_any_split_of_the_rows_gives_the_same(tools, cohort, ties):
    frame, hospital = cohort
    model = CoxModel(("x", "z"), "t", ties, cuts=tuple(np.arange(1.0, 9.0)))
    split = tools.fit_cox(tools.split(frame, hospital, frame.columns), "e", model)
    pooled = tools.fit_cox(tools.split(frame, np.zeros(len(frame)), frame.columns), "e", model)
    assert np.abs(split.coefficients - pooled.coefficients).max() < 1e-7
    assert np.abs(split.errors - pooled.errors).max() < 1e-7


@few
@given(cohorts(tied=False))
def test_without_ties_efron_and_breslow_are_one(tools, cohort):
    frame, _ = cohort
    tables = tools.split(frame, np.zeros(len(frame)), frame.columns)
    one, other = (tools.fit_cox(tables, "e", CoxModel(("x", "z"), "t", ties)) for ties in ("efron", "breslow"))
    assert np.abs(one.coefficients - other.coefficients).max() < 1e-9
    assert one.loss == pytest.approx(other.loss, abs=1e-9)


@few
@given(cohorts())
def test_one_hospital_needs_no_grid_for_a_common_baseline(tools, cohort):
    frame, _ = cohort
    tables = tools.split(frame, np.zeros(len(frame)), frame.columns)
    own = tools.fit_cox(tables, "e", CoxModel(("x", "z"), "t"))
    common = tools.fit_cox(tables, "e", CoxModel(("x", "z"), "t", cuts=tuple(np.arange(1.0, 9.0))))
    assert np.abs(own.coefficients - common.coefficients).max() < 1e-7
    assert own.loss == pytest.approx(common.loss, abs=1e-7)


@few
@given(cohorts(), st.integers(1, 6), st.floats(0.01, 1000.0))
def test_only_the_order_of_times_counts(tools, cohort, power, factor):
    frame, hospital = cohort
    other = frame.assign(t=frame["t"] ** power * factor)
    one, two = (
        tools.fit_cox(tools.split(f, hospital % 2, f.columns), "e", CoxModel(("x",), "t")) for f in (frame, other)
    )
    assert np.array_equal(one.coefficients, two.coefficients)
