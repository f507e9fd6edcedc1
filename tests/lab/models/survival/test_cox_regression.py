"""CoxRegression in a notebook: scikit-learn's habits, lifelines' numbers, and what it says where it cannot fit."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_gbsg2, load_rossi
from lifelines.utils import concordance_index as lifelines_concordance
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from belmont.federated.errors import FederatedError
from belmont.lab.errors import LabError, NotYet
from belmont.lab.models import CoxRegression
from belmont.lab.models.concordance import concordance_index
from belmont.lab.models.references import References

FEATURES = ("fin", "age", "race", "wexp", "mar", "paro", "prio")
TIGHT = {"precision": 1e-13, "r_precision": 1e-16}


@pytest.fixture(scope="module")
def rossi():
    return load_rossi()


@pytest.fixture(scope="module")
def peer(rossi):
    return CoxPHFitter().fit(rossi, "week", "arrest", fit_options=TIGHT)


@pytest.fixture(scope="module")
def fitted(rossi):
    return CoxRegression(FEATURES, "arrest", duration="week", baseline="common").fit(rossi)


def test_a_fit_to_rows_has_lifelines_summary(fitted, peer):
    table = fitted.summary_
    theirs = peer.summary
    errors = theirs["se(coef)"] * table["coefficient"] / table["per unit"]
    assert list(table.index) == list(FEATURES)
    assert np.abs(table["per unit"] - theirs["coef"]).max() < 1e-6
    assert np.abs(table["standard error"] - errors).max() < 1e-6
    assert np.abs(table["z"] - theirs["z"]).max() < 1e-5
    assert np.abs(table["p"] - theirs["p"]).max() < 1e-6
    assert np.allclose(table["hazard ratio"], np.exp(table["coefficient"]))
    assert np.allclose(table["hazard ratio low"], np.exp(table["low"]))
    assert fitted.log_likelihood_ == pytest.approx(peer.log_likelihood_, abs=1e-6)
    theirs = peer.log_likelihood_ratio_test()
    assert fitted.likelihood_ratio_test() == pytest.approx((theirs.test_statistic, 7, theirs.p_value), abs=1e-6)
    assert (fitted.n_events_, fitted.n_rows_) == (114, 432)


def test_survival_of_patients_is_lifelines(fitted, peer, rossi):
    times = [10.0, 30.0, 52.0]
    ours = fitted.predict_survival(rossi[:20], times)
    theirs = peer.predict_survival_function(rossi[:20], times).to_numpy().T
    assert np.abs(ours - theirs).max() < 1e-6
    assert (fitted.predict_survival(rossi[:2], [0.0]) == 1.0).all()
    assert np.isnan(fitted.predict_survival(rossi[:2], [60.0])).all()
    centred = peer.predict_log_partial_hazard(rossi)
    assert np.abs(np.diff(fitted.predict(rossi)) - np.diff(centred)).max() < 1e-6


def test_baseline_survival_is_that_of_the_reference_patient(fitted, rossi):
    reference = pd.DataFrame({name: [fitted.references_[name].center] for name in FEATURES})
    assert np.allclose(fitted.predict_survival(reference, fitted.grid)[0], fitted.baseline_survival_["survival"])


def test_the_score_is_the_concordance_index(fitted, peer, rossi):
    assert fitted.score(rossi) == pytest.approx(peer.concordance_index_, abs=1e-12)
    assert fitted.score(rossi.drop(columns="arrest"), rossi["arrest"]) == fitted.score(rossi)


def test_without_a_common_baseline_none_is_shown(rossi):
    model = CoxRegression(FEATURES, "arrest", duration="week").fit(rossi)
    for ask in (lambda: model.baseline_survival_, lambda: model.predict_survival(rossi, [10.0])):
        with pytest.raises(LabError, match="keeps it"):
            ask()


def test_the_event_may_be_given_as_y(rossi, fitted):
    rows = rossi.drop(columns="arrest")
    model = CoxRegression(duration="week", baseline="common").fit(rows, rossi["arrest"])
    assert model.columns == FEATURES and model.outcome_name == "arrest"
    assert np.array_equal(model.coef_, fitted.coef_)


def test_levels_of_a_category_are_features():
    frame = load_gbsg2()
    features = ("horTh=yes", "menostat=Post", "age", "pnodes")
    model = CoxRegression(features, "cens", duration="time").fit(frame)
    rows = frame.assign(hor=(frame["horTh"] == "yes") * 1.0, post=(frame["menostat"] == "Post") * 1.0)
    peer = CoxPHFitter().fit(rows[["hor", "post", "age", "pnodes", "time", "cens"]], "time", "cens", fit_options=TIGHT)
    assert np.abs(model.summary_["per unit"].to_numpy() - peer.params_.to_numpy()).max() < 1e-6


def test_several_tables_are_several_hospitals(rossi):
    references = References.of_frame(rossi)
    hospital = np.arange(len(rossi)) % 3
    tables = [references.table(rossi[hospital == each]) for each in range(3)]
    strata = CoxRegression(FEATURES, "arrest", duration="week").fit(tables)
    peer = CoxPHFitter().fit(rossi.assign(h=hospital), "week", "arrest", strata=["h"], fit_options=TIGHT)
    scales = np.array([references[name].scale for name in FEATURES])
    assert np.abs(strata.coef_ / scales - peer.params_).max() < 1e-6
    assert np.abs(strata.summary_["per unit"] - peer.params_).max() < 1e-6
    common = CoxRegression(FEATURES, "arrest", duration="week", baseline="common", cuts=range(1, 53)).fit(tables)
    pooled = CoxPHFitter().fit(rossi, "week", "arrest", fit_options=TIGHT)
    assert np.abs(common.coef_ / scales - pooled.params_).max() < 1e-6


def test_a_model_keeps_its_parameters_and_is_cloned(fitted, rossi):
    assert clone(fitted).get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        _ = clone(fitted).summary_
    assert np.array_equal(clone(fitted).fit(rossi).coef_, fitted.coef_)
    assert "secure sums" in repr(fitted)


def test_the_configuration_binds_ties_grid_and_duration():
    base = {"features": FEATURES, "outcome": "arrest", "duration": "week"}
    variants = [
        CoxRegression(**base),
        CoxRegression(**base, ties="breslow"),
        CoxRegression(**base, baseline="common", cuts=(10, 20)),
        CoxRegression(**base, baseline="common", cuts=(10, 21)),
        CoxRegression(**base, penalty="firth"),
        CoxRegression(**base | {"duration": "other"}),
    ]
    assert len({each.config_hash for each in variants}) == len(variants)
    assert len({each.code_hash for each in variants}) == 1


def test_too_few_rounds_are_told(rossi):
    with pytest.warns(ConvergenceWarning, match="still move"):
        CoxRegression(FEATURES, "arrest", duration="week").fit(rossi, rounds=2)
    with pytest.raises(NotYet, match="no coefficients yet"):
        CoxRegression(FEATURES, "arrest", duration="week", baseline="common").fit(rossi, rounds=1)


def test_hazard_ratios_are_drawn(fitted):
    picture = fitted.plot()
    assert "Hazard ratios" in repr(picture)
    assert picture.svg().startswith("<svg")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"duration": ""}, "name the column of times"),
        ({"baseline": "none"}, "baseline"),
        ({"baseline": "common", "secure": False}, "secure=True"),
        ({"penalty": "lasso"}, "penalty"),
        ({"holdout": 0.2}, "give evaluation_cuts"),
        ({"features": (*FEATURES, "week")}, "'week' are also"),
        ({"outcome": "week"}, "'week' are also"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, why):
    with pytest.raises(LabError, match=why):
        CoxRegression(**{"features": FEATURES, "outcome": "arrest", "duration": "week"} | options)


def test_a_common_baseline_under_a_permit_needs_cut_points():
    with pytest.raises(LabError, match="give cuts"):
        _ = CoxRegression(FEATURES, "arrest", duration="week", baseline="common").config


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"week": -1.0}, "432 times in 'week' are negative"),
        ({"arrest": 2}, "other values"),
        ({"arrest": "yes"}, "is a number, and this one is not"),
        ({"arrest": 0}, "no hospital has a patient with an event"),
        ({"age": 30.0, "prio": 1.0}, "'age', 'prio' varies nowhere"),
    ],
)
def test_rows_that_cannot_be_fitted_say_why(rossi, change, why):
    with pytest.raises((LabError, FederatedError), match=why):
        CoxRegression(FEATURES, "arrest", duration="week").fit(rossi.assign(**change))


def test_rows_without_the_duration_say_so(rossi):
    with pytest.raises(LabError, match="no column of times 'week'"):
        CoxRegression(FEATURES, "arrest", duration="week").fit(rossi.drop(columns="week"))


def test_separation_names_the_remedy_and_the_remedy_works(rossi):
    frame = rossi.assign(arrest=rossi["arrest"] * rossi["fin"])
    with pytest.raises(FederatedError, match=r"along 'fin'.*ridge"):
        CoxRegression(FEATURES, "arrest", duration="week").fit(frame)
    for remedy in ({"ridge": 0.01}, {"penalty": "firth"}):
        model = CoxRegression(FEATURES, "arrest", duration="week", **remedy).fit(frame)
        assert np.isfinite(model.summary_.drop(columns="per unit")).all(axis=None)
        with pytest.raises(LabError, match="penalised"):
            model.likelihood_ratio_test()


def test_the_concordance_index_is_lifelines(rossi):
    random = np.random.default_rng(0)
    for _ in range(20):
        times, event = random.integers(1, 9, 40).astype(float), (random.random(40) < 0.6).astype(float)
        risk = random.integers(0, 4, 40).astype(float)
        assert concordance_index(times, risk, event) == pytest.approx(lifelines_concordance(times, -risk, event))
    with pytest.raises(LabError, match="no events"):
        concordance_index(np.ones(3), np.ones(3), np.zeros(3))
