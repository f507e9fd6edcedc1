"""Generalised linear models against statsmodels and scikit-learn on the same rows, and with scikit-learn's habits."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression as SklearnLogistic
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import evaluation_config
from belmont.federated.hashes import config_hash
from belmont.federated.models.configuration import study_config
from belmont.federated.models.glm import PrivateSteps, glm_config
from belmont.lab.errors import LabError
from belmont.lab.models import LinearRegression, LogisticRegression, PoissonRegression
from belmont.lab.models.references import References

CLOSE = 1e-6


@pytest.fixture(scope="module")
def cancer() -> tuple[pd.DataFrame, "pd.Series[int]"]:
    data = load_breast_cancer(as_frame=True)
    return data.data.iloc[:, :6], data.target


@pytest.fixture(scope="module")
def diabetes() -> pd.DataFrame:
    return load_diabetes(as_frame=True, scaled=False).frame


def split(frame: pd.DataFrame, parts: int, references: References) -> list[Any]:
    """Tables of as many hospitals, whose patients differ: the rows are in the order of the first column."""
    ordered = frame.sort_values(frame.columns[0], kind="stable")
    return [references.table(ordered.iloc[rows]) for rows in np.array_split(np.arange(len(frame)), parts)]


def standard(frame: pd.DataFrame) -> Any:
    """As a hospital standardises: numbers by mean and deviation, what is 0 or 1 as it is."""
    numbers = [name for name in frame if not frame[name].isin((0.0, 1.0)).all()]
    scaled = (frame[numbers] - frame[numbers].mean()) / frame[numbers].std(ddof=0)
    return sm.add_constant(frame.assign(**scaled))


def test_federated_logistic_coefficients_and_errors_are_those_of_pooled_statsmodels(cancer: Any) -> None:
    rows, outcome = cancer
    peer = sm.Logit(outcome, standard(rows)).fit(disp=0)
    model = LogisticRegression(tuple(rows.columns), "target", ridge=0.0)
    frame = rows.assign(target=outcome)
    model.fit(split(frame, 4, References.of_frame(frame)))
    found = model.summary()
    assert np.abs(found["coefficient"].to_numpy() - peer.params.to_numpy()).max() < CLOSE
    assert np.abs(found["standard error"].to_numpy() - peer.bse.to_numpy()).max() < CLOSE
    assert np.abs(found["p"].to_numpy() - peer.pvalues.to_numpy()).max() < CLOSE
    assert np.abs(found[["low", "high"]].to_numpy() - peer.conf_int().to_numpy()).max() < CLOSE


def test_a_ridge_is_scikit_learns(cancer: Any) -> None:
    rows, outcome = cancer
    model = LogisticRegression(tuple(rows.columns), "target", ridge=0.01).fit(rows, outcome)
    scaled = StandardScaler().fit_transform(rows)
    peer = SklearnLogistic(C=1 / (0.01 * len(rows)), tol=1e-12, max_iter=10_000).fit(scaled, outcome)
    assert np.abs(model.coef_ - peer.coef_[0]).max() < 1e-5
    assert abs(model.intercept_ - peer.intercept_[0]) < 1e-5


def test_federated_least_squares_are_those_of_pooled_statsmodels_in_one_step(diabetes: pd.DataFrame) -> None:
    features = tuple(name for name in diabetes.columns if name != "target")
    peer = sm.OLS(diabetes["target"], standard(diabetes[list(features)])).fit()
    model = LinearRegression(features, "target").fit(split(diabetes, 5, References.of_frame(diabetes)))
    found = model.summary()
    assert np.abs(found["coefficient"].to_numpy() - peer.params.to_numpy()).max() < CLOSE
    assert np.abs(found["standard error"].to_numpy() - peer.bse.to_numpy()).max() < CLOSE
    assert len(model.history_) == 2, "one step, and one round that says that nothing moves any more"
    assert model.score(diabetes, diabetes["target"]) == pytest.approx(peer.rsquared)


def test_federated_poisson_regression_is_that_of_pooled_statsmodels() -> None:
    data = sm.datasets.randhie.load_pandas().data.iloc[::10]
    features = ("lpi", "physlm", "disea", "hlthg")
    data = data[["mdvis", *features]]
    peer = sm.GLM(data["mdvis"], standard(data[list(features)]), family=sm.families.Poisson()).fit(tol=1e-12)
    model = PoissonRegression(features, "mdvis").fit(split(data, 3, References.of_frame(data)))
    assert np.abs(model.summary()["coefficient"].to_numpy() - peer.params.to_numpy()).max() < CLOSE
    assert np.abs(model.summary()["standard error"].to_numpy() - peer.bse.to_numpy()).max() < CLOSE
    assert (model.predict(data) > 0).all()


def test_firths_estimates_of_a_separated_outcome_are_the_published_ones() -> None:
    """Two by two: Firth's log odds ratio of a saturated model adds 1/2 to each cell (Heinze and Schemper 2002)."""
    frame = pd.DataFrame({"exposed": [0] * 30 + [1] * 20, "event": [0] * 25 + [1] * 5 + [1] * 20})
    model = LogisticRegression(("exposed",), "event", ridge=0.0, penalty="firth", tol=1e-9).fit(frame)
    expected = np.log(20.5 / 0.5) - np.log(5.5 / 25.5)
    assert model.coef_[0] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(FederatedError, match="penalty='firth'"):
        LogisticRegression(("exposed",), "event", ridge=0.0).fit(frame)


def test_a_constant_column_is_named_as_the_reason_and_a_level_that_nobody_has_stays_out() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=200), "same": 3.0, "y": random.integers(0, 2, 200)})
    with pytest.raises(FederatedError, match="constant"):
        LogisticRegression(("x", "same"), "y", ridge=0.0).fit(
            split(frame.assign(same=frame["x"]), 2, References.of_frame(frame))
        )
    words = frame.assign(kind=pd.Categorical(random.choice(["a", "b"], 200), ["a", "b", "never"]))
    model = LogisticRegression(("x", "kind=b", "kind=never"), "y", ridge=0.0).fit(words)
    assert model.coef_[2] == 0.0 and np.isnan(model.summary().loc["kind=never", "standard error"])
    assert np.isfinite(model.predict_proba(words)).all()


def test_it_has_scikit_learns_habits(cancer: Any) -> None:
    rows, outcome = cancer
    model = LogisticRegression(tuple(rows.columns), "target", ridge=0.1)
    copy = clone(model)
    assert copy is not model and copy.get_params() == model.get_params()
    assert copy.set_params(ridge=0.2).ridge == 0.2 and model.ridge == 0.1
    with pytest.raises(NotFittedError, match=r"fit\(permit\)"):
        copy.predict(rows)
    words = outcome.map({0: "malignant", 1: "benign"})
    fitted = model.fit(rows, words)
    assert fitted is model and list(fitted.classes_) == ["benign", "malignant"]
    assert set(fitted.predict(rows)) == {"benign", "malignant"}
    assert fitted.predict_proba(rows).shape == (len(rows), 2)
    assert fitted.score(rows, words) > 0.9


def test_it_works_in_a_pipeline_a_search_and_a_cross_validation_of_arrays(cancer: Any) -> None:
    rows, outcome = cancer
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    scores = cross_val_score(pipe, rows.to_numpy(), outcome, cv=3, scoring="roc_auc")
    assert scores.mean() > 0.97
    search = GridSearchCV(pipe, {"logisticregression__ridge": [1e-4, 10.0]}, cv=3).fit(rows, outcome)
    assert search.best_params_ == {"logisticregression__ridge": 1e-4}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda x: x.iloc[:, :3], "have no column"),
        (lambda x: x.to_numpy()[:, :3], "3 columns and 6 features"),
        (lambda x: x.to_numpy()[0], "two-dimensional"),
        (lambda x: "rows.csv", "and not str"),
    ],
)
def test_rows_of_another_form_are_refused_with_what_is_missing(cancer: Any, rows: Any, message: str) -> None:
    given, outcome = cancer
    model = LogisticRegression(tuple(given.columns), "target").fit(given, outcome)
    with pytest.raises(LabError, match=message):
        model.predict(rows(given))


def test_parameters_that_mean_nothing_are_refused_at_once() -> None:
    for wrong in ({"features": "age"}, {"holdout": 1.0}, {"holdout": "half"}, {"penalty": "lasso"}, {"largest": -1}):
        with pytest.raises(LabError):
            LogisticRegression(**{"features": ("age",), "outcome": "y"} | wrong)
    with pytest.raises(LabError, match="needs two"):
        LogisticRegression(("x",), "y").fit(pd.DataFrame({"x": [1.0, 2, 3]}), [0, 1, 2])


def test_a_category_is_used_by_its_levels_and_an_unknown_level_is_named() -> None:
    frame = pd.DataFrame({"kind": ["a", "b", "a", "b", "c", "c"] * 20, "y": [0, 1, 1, 0, 1, 1] * 20})
    model = LogisticRegression(("kind=b", "kind=c"), "y").fit(frame)
    assert model.predict_proba(frame)[4, 1] > 0.9
    with pytest.raises(LabError, match="no level 'd'; it has a, b, c"):
        model.predict(pd.DataFrame({"kind": ["d"]}))
    with pytest.raises(FederatedError, match="no level 'd'"):
        LogisticRegression(("kind=d",), "y").fit(frame)


def test_its_repr_says_what_is_protected(tmp_path: Path) -> None:
    model = LogisticRegression(("age",), "cvd_event", holdout=0.2)
    assert repr(model) == "LogisticRegression('cvd_event' on 1 features, secure sums, 20% of the patients kept apart)"


STEPS = PrivateSteps(PrivacySettings(Clipping.EXAMPLE, 2.0, 20, 1_000_000, 3))
BOUNDS, BITS = UpdateBounds.of(50_000.0)
NOISY_BOUNDS, _ = UpdateBounds.of(500.0, fraction_bits=20)
HELD = evaluation_config("risk", 0.25, ("sex",), report_hospitals=True)


@pytest.mark.parametrize(
    ("choices", "given"),
    [
        ({"secure": False}, {}),
        ({"secure": False, "holdout": 0.25}, {"evaluation": evaluation_config("risk", 0.25)}),
        ({}, {"secure": True}),
        ({"holdout": 0.25, "groups": ("sex",), "report_hospitals": True}, {"secure": True, "evaluation": HELD}),
        ({"largest": 50_000.0}, {"bounds": BOUNDS, "fraction_bits": BITS}),
        (
            {"largest": 50_000.0, "holdout": 0.25},
            {"bounds": BOUNDS, "fraction_bits": BITS, "evaluation": evaluation_config("risk", 0.25)},
        ),
        ({"private": STEPS}, {"private": STEPS}),
        ({"private": STEPS, "holdout": 0.25}, {"private": STEPS, "evaluation": evaluation_config("risk", 0.25)}),
        ({"private": STEPS, "largest": 500.0}, {"private": STEPS, "bounds": NOISY_BOUNDS}),
    ],
    ids=lambda choices: "-".join(choices) or "default",
)
def test_a_permit_binds_the_configuration_that_the_federated_side_makes_of_the_same_choices(
    choices: dict[str, Any], given: dict[str, Any]
) -> None:
    columns = ("age", "smoking=current"), "cvd_event", ("hba1c",)
    model = LogisticRegression(*columns, **choices)
    other = glm_config(*columns, **given)
    assert model.config == other
    assert model.config_hash == config_hash(other)


def test_a_configuration_refuses_a_column_that_would_read_as_two_and_noise_of_no_sum() -> None:
    for features, indicators in ((("age,ldl",), ()), (("age",), ("age,ldl",))):
        with pytest.raises(FederatedError, match="comma"):
            _ = LogisticRegression(features, "cvd_event", indicators).config
    for loose in ({"private": STEPS}, {"bounds": BOUNDS}):
        with pytest.raises(FederatedError, match="secure sum"):
            study_config(("age",), "cvd_event", (), {}, **loose)  # type: ignore[arg-type]
