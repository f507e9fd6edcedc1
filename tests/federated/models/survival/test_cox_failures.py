"""What cannot be fitted says so, and a hospital that adds nothing does no harm."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from belmont.federated.errors import FederatedError
from belmont.federated.models.cox import CoxModel


@pytest.fixture
def frame():
    random = np.random.default_rng(3)
    rows = 240
    found = pd.DataFrame({"x": random.normal(size=rows), "z": random.integers(0, 2, rows).astype(float)})
    found["t"] = np.ceil(5 * random.exponential(size=rows) * np.exp(-0.5 * found["x"])).clip(upper=12)
    found["e"] = ((found["t"] < 12) & (random.random(rows) < 0.8)).astype(float)
    return found


THIRDS = np.arange(240) % 3
GRID = tuple(np.arange(1.0, 13.0))


@pytest.fixture(params=[(), GRID], ids=["by hospital", "common"])
def cuts(request):
    return request.param


def fit(tools, frame, cuts=(), features=("x", "z"), hospital=THIRDS, **options):
    safeguards = {name: options.pop(name) for name in ("min_cohort", "smallest_cell") if name in options}
    tables = tools.split(frame, hospital, frame.columns)
    return tools.fit_cox(tables, "e", CoxModel(features, "t", cuts=cuts, **options), **safeguards)


def test_no_events_at_all_is_said(tools, frame, cuts):
    with pytest.raises(FederatedError, match="no hospital has a patient with an event"):
        fit(tools, frame.assign(e=0.0), cuts)


def test_a_hospital_without_events_adds_nothing_to_a_fit_by_hospital(tools, frame):
    frame.loc[THIRDS == 0, "e"] = 0.0
    with_it = fit(tools, frame)
    without = fit(tools, frame.assign(x=np.where(THIRDS == 0, 0.0, frame["x"])))
    peer = sm.PHReg(frame["t"], frame[["x", "z"]], frame["e"], strata=THIRDS, ties="efron").fit(disp=0)
    assert np.abs(with_it.coefficients - peer.params).max() < 1e-8
    assert np.abs(without.coefficients - with_it.coefficients).max() < 1e-8


def test_a_hospital_without_events_still_counts_under_a_common_baseline(tools, frame):
    frame.loc[THIRDS == 0, "e"] = 0.0
    peer = sm.PHReg(frame["t"], frame[["x", "z"]], frame["e"], ties="efron").fit(disp=0)
    assert np.abs(fit(tools, frame, GRID).coefficients - peer.params).max() < 1e-8


def test_all_events_at_one_time_are_fitted(tools, frame):
    frame["t"] = np.where(frame["e"] == 1, 4.0, frame["t"])
    peer = sm.PHReg(frame["t"], frame[["x", "z"]], frame["e"], strata=THIRDS, ties="efron").fit(disp=0)
    assert np.abs(fit(tools, frame).coefficients - peer.params).max() < 1e-8
    peer = sm.PHReg(frame["t"], frame[["x", "z"]], frame["e"], ties="breslow").fit(disp=0)
    assert np.abs(fit(tools, frame, GRID, ties="breslow").coefficients - peer.params).max() < 1e-8


def test_where_everybody_has_an_event_at_one_time_no_covariate_has_an_effect(tools, frame, cuts):
    found = fit(tools, frame.assign(t=1.0, e=1.0), cuts)
    assert np.abs(found.coefficients).max() < 1e-7 and np.isfinite(found.errors).all()


def test_separated_events_are_named_and_firth_or_a_ridge_is_the_remedy(tools, frame, cuts):
    frame["e"] = frame["e"] * frame["z"]
    with pytest.raises(FederatedError, match=r"grows without end along 'z' .*a ridge"):
        fit(tools, frame, cuts)
    assert fit(tools, frame, cuts, ridge=0.01).coefficients[1] > 1
    if not cuts:
        penalised = fit(tools, frame, firth=True)
        assert 1 < penalised.coefficients[1] < 10
        assert abs(penalised.coefficients[0] - fit(tools, frame, ridge=0.01).coefficients[0]) < 0.2


def test_the_direction_of_separation_can_be_of_several_columns(tools, frame):
    frame = frame.assign(a=frame["z"] + frame["x"], b=frame["x"])
    frame["e"] = frame["e"] * frame["z"]
    with pytest.raises(FederatedError, match="grows without end along 'a', 'b'"):
        fit(tools, frame, features=("a", "b"))


def test_constant_columns_are_named(tools, frame, cuts):
    frame = frame.assign(one=1.0, two=2.0)
    tables = [tools.table_of(frame[k == THIRDS]) for k in range(3)]
    with pytest.raises(FederatedError, match="'one', 'two' varies nowhere"):
        tools.fit_cox(tables, "e", CoxModel(("x", "one", "two"), "t", cuts=cuts))


def test_a_column_that_only_differs_between_hospitals_says_nothing_where_each_has_its_own_baseline(tools, frame):
    frame["site"] = THIRDS.astype(float)
    with pytest.raises(FederatedError, match="'site' varies nowhere among those at risk at any event of a hospital"):
        fit(tools, frame, features=("x", "site"))
    assert np.isfinite(fit(tools, frame, GRID, features=("x", "site")).errors).all()


def test_a_column_that_is_constant_in_one_hospital_is_fitted_from_the_others(tools, frame):
    frame.loc[THIRDS == 0, "z"] = 0.0
    peer = sm.PHReg(frame["t"], frame[["x", "z"]], frame["e"], strata=THIRDS, ties="efron").fit(disp=0)
    assert np.abs(fit(tools, frame).coefficients - peer.params).max() < 1e-8


def test_collinear_columns_are_named(tools, frame, cuts):
    with pytest.raises(FederatedError, match=r"'x', 'y' say the same of every patient"):
        fit(tools, frame.assign(y=2 * frame["x"] + 1), cuts, features=("x", "z", "y"))


def test_ten_rows_are_too_few(tools, frame, cuts):
    with pytest.raises(FederatedError, match="table 2 of 2, 10 rows: fewer than the approved minimum of 50 rows"):
        fit(tools, frame, cuts, hospital=(np.arange(240) >= 230).astype(int), min_cohort=50)


def test_a_few_events_at_a_hospital_are_too_few(tools, frame):
    first = frame.index[THIRDS == 0]
    frame.loc[first, "e"] = 0.0
    frame.loc[first[:3], "e"] = 1.0
    with pytest.raises(FederatedError, match=r"table 1 of 3.*fewer than"):
        fit(tools, frame, smallest_cell=8)


@pytest.mark.parametrize(("name", "value", "why"), [("t", -1.0, "a time is negative"), ("e", 2.0, "neither 0 nor 1")])
def test_times_and_events_that_are_none_are_errors(tools, frame, cuts, name, value, why):
    frame.loc[0, name] = value
    with pytest.raises(FederatedError, match=f"table 1 of 3.*{why}"):
        fit(tools, frame, cuts)


def test_a_time_of_zero_is_a_time(tools, frame):
    frame.loc[frame["t"] == 1.0, "t"] = 0.0
    shifted = frame.assign(t=frame["t"] + 1.0)
    assert np.array_equal(fit(tools, frame).coefficients, fit(tools, shifted).coefficients)
    first = frame.assign(t=frame["t"].clip(lower=1.0))
    assert np.array_equal(fit(tools, frame, GRID).coefficients, fit(tools, first, GRID).coefficients)


def test_rows_without_a_time_are_left_out(tools, frame):
    without = frame.copy()
    without.loc[:20, "t"] = np.nan
    kept = without.dropna()
    peer = sm.PHReg(kept["t"], kept[["x", "z"]], kept["e"], strata=THIRDS[21:], ties="efron").fit(disp=0)
    assert np.abs(fit(tools, without).coefficients - peer.params).max() < 1e-8


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"ties": "exact"}, "ties"),
        ({"ridge": -1.0}, "ridge"),
        ({"ridge": float("nan")}, "ridge"),
        ({"firth": True, "cuts": GRID}, "Firth"),
        ({"firth": True, "ridge": 0.1}, "not both"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options, why):
    with pytest.raises(FederatedError, match=why):
        CoxModel(("x",), "t", **options)


def test_a_model_of_no_feature_is_refused():
    with pytest.raises(FederatedError, match="at least one feature"):
        CoxModel((), "t")
