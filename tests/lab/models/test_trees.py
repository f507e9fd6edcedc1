"""Boosted trees as a data scientist meets them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.synthetic import coded_tables, generate_population, holdout
from belmont.federated.errors import FederatedError
from belmont.federated.models.trees import scores
from belmont.lab.errors import LabError
from belmont.lab.models.references import merged
from belmont.lab.models.trees import HistGradientBoostingClassifier, HistGradientBoostingRegressor

FEATURES = ("age", "sex", "smoking", "bmi", "systolic", "hba1c", "ldl", "egfr", "prior_event")
OUTCOME = "cvd_event"


@pytest.fixture(scope="module")
def tables():
    return coded_tables(generate_population(4, 3_000, 7))


@pytest.fixture(scope="module")
def fresh():
    return holdout(8_000, 7).coded(None)


@pytest.fixture(scope="module")
def fitted(tables):
    return HistGradientBoostingClassifier(FEATURES, OUTCOME, trees=20).fit(tables)


def auc(model, table):
    return roc_auc_score(table.values(OUTCOME), model.predict_proba(table)[:, 1])


def test_a_fit_to_hospitals_is_the_fit_to_their_pooled_rows(tables, fitted):
    pooled = HistGradientBoostingClassifier(FEATURES, OUTCOME, trees=20).fit(merged(tables))
    assert np.array_equal(fitted.arrays_["left"], pooled.arrays_["left"])
    assert np.array_equal(fitted.arrays_["feature"], pooled.arrays_["feature"])
    assert np.allclose(fitted.arrays_["value"], pooled.arrays_["value"], atol=1e-7)


def test_trees_tell_patients_apart_who_are_in_no_hospital(fitted, fresh):
    assert auc(fitted, fresh) > 0.72


def test_a_permit_binds_the_cuts_that_were_made_before_anybody_was_asked(fitted):
    again = HistGradientBoostingClassifier(FEATURES, OUTCOME, trees=20)
    assert again.config == fitted.config, "a fit to tables of the dictionary changes nothing of what is applied for"
    assert again.config["cuts"].split(";")[0].split(",")[0] == "2", "age: 93 codes in 32 ranges"
    assert again.rounds == 60
    fewer = HistGradientBoostingClassifier(FEATURES, OUTCOME, trees=20, max_bins=8)
    assert fewer.config_hash != again.config_hash


def test_rows_with_gaps_are_read_as_hospitals_read_them(fitted, fresh):
    frame = pd.DataFrame({name: fresh.values(name) for name in FEATURES})
    for name in ("sex", "smoking"):
        levels = [each.name for each in fresh.dictionary.column(name).codebook.categories]
        frame[name] = pd.Categorical.from_codes(fresh.codes(name).astype(int) - 1, levels)
    assert np.allclose(fitted.predict_proba(frame), fitted.predict_proba(fresh))
    assert frame["ldl"].isna().any()


def test_a_design_gives_the_same_where_nothing_is_missing(fitted, fresh):
    complete = fresh.select(np.all([fresh.observed(name) for name in FEATURES], axis=0))
    design = fitted.data_of(complete).design
    assert np.allclose(fitted.predictions(design, fitted.arrays_), fitted.predict_values(complete))


def test_a_local_fit_keeps_sklearn_habits():
    draws = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draws.normal(size=600), "b": draws.choice(["x", "y", "z"], 600)})
    y = np.where(frame["a"] + (frame["b"] == "y") + draws.normal(size=600) > 0.5, "ill", "well")
    model = HistGradientBoostingClassifier(trees=15, max_depth=2)
    pipeline = make_pipeline(FunctionTransformer(), model).fit(frame, y)
    assert pipeline.score(frame, y) > 0.7 and list(pipeline.classes_) == ["ill", "well"]
    copy = clone(model)
    assert copy.get_params()["trees"] == 15 and not hasattr(copy, "arrays_")
    levels = model.to_frame().loc[lambda f: f["feature"] == "b", "goes left"]
    assert set(levels) <= {"x", "y", "z", "x, z", "x, y", "y, z"}


def test_more_than_two_classes_are_told_apart():
    draws = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draws.normal(size=900), "b": draws.normal(size=900)})
    y = np.digitize(frame["a"] + 0.3 * draws.normal(size=900), [-0.5, 0.5])
    model = HistGradientBoostingClassifier(trees=20).fit(frame, y)
    assert model.predict_proba(frame).shape == (900, 3) and model.score(frame, y) > 0.75
    assert np.allclose(model.predict_proba(frame).sum(axis=1), 1)
    curve = model.learning_curve(frame, y)
    assert len(curve) == 20 and curve["loss"].iloc[-1] < 0.7 * curve["loss"].iloc[0]


def test_a_number_is_predicted_in_its_own_unit(tables, fresh):
    model = HistGradientBoostingRegressor(("age", "bmi", "egfr"), "systolic", trees=15).fit(tables)
    known = fresh.select(fresh.observed("systolic"))
    error = model.predict(known) - known.values("systolic")
    assert abs(error.mean()) < 1.5 and error.std() < known.values("systolic").std()
    assert len(model.learning_curve(known, known.values("systolic"))) == 15


def test_importances_and_trees_say_what_was_split_on(fitted):
    assert fitted.feature_importances_.sum() == pytest.approx(1)
    table = fitted.importances()
    assert table["gain"].idxmax() in ("age", "prior_event", "egfr")
    nodes = fitted.to_frame()
    inner = nodes[nodes["feature"] != ""]
    assert table["splits"].sum() == len(inner)
    assert table.loc["age", "gain"] == pytest.approx(inner.loc[inner["feature"] == "age", "gain"].sum())
    ages = inner.loc[inner["feature"] == "age", "goes left"]
    assert all(text.startswith("up to ") and 18 <= float(text.removeprefix("up to ")) <= 110 for text in ages)
    roots = nodes[nodes["node"] == 0]
    assert (roots["rows"] == roots["rows"].iloc[0]).all() and len(roots) == 20
    assert (nodes["rows"] >= 20).all()


def test_an_importance_plot_has_one_bar_a_feature(fitted):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert len(fitted.plot_importances().patches) == len(FEATURES)


def test_staged_values_end_with_the_prediction(fitted, fresh):
    stages = list(fitted.staged_values(fresh))
    assert len(stages) == 20 and np.array_equal(stages[-1], fitted.predict_values(fresh))


def test_trees_side_by_side_take_fewer_rounds(tables, fresh):
    model = HistGradientBoostingClassifier(
        FEATURES, OUTCOME, trees=40, parallel=4, learning_rate=0.3, max_features=0.5, seed=1
    ).fit(tables)
    assert len(model.history_) == model.rounds == 30
    assert auc(model, fresh) > 0.72


def test_with_noise_there_is_a_step_function_for_each_feature(tables, fresh):
    model = HistGradientBoostingClassifier(FEATURES, OUTCOME).with_noise(epsilon=10)
    assert model.rho_per_round > 0 and model.config["belmont-clipping"] == "example"
    model.fit(tables)
    assert len(model.history_) == 6 and "loss" not in model.history_[0]
    assert auc(model, fresh) > 0.7
    frame = model.step_frame()
    assert set(frame["feature"]) == set(FEATURES)
    with pytest.raises(LabError, match="with noise there are no trees"):
        model.to_frame()


def test_one_patient_moves_no_sum_by_more_than_the_norm_that_noise_is_for(tables):
    """Each row's part, at any model, is within `row_norm`, and depends on that row alone."""
    from belmont.federated.executor.compute import compute
    from belmont.federated.executor.protocol import Task
    from belmont.federated.models.tree_noise import row_norm

    model = HistGradientBoostingClassifier(FEATURES, OUTCOME).with_noise(epsilon=10)
    arrays = {name: array + 3.0 for name, array in model.initial().items()}

    def parts(table):
        task = Task(model.bundle, model.code_hash, model.config, arrays, 1, 1, 1, table, 1, 1, True)
        return compute(task).arrays["histogram"]

    whole = parts(tables[0])
    norms = np.sqrt((whole.astype(float) ** 2).sum(axis=(1, 2)))
    assert norms.max() <= row_norm(len(FEATURES)) + 1e-6
    keep = np.arange(tables[0].rows) % 3 == 0
    assert np.array_equal(parts(tables[0].select(keep)), whole[keep])


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"features": ("smoking=current",)}, "whole columns"),
        ({"missing_indicators": ("bmi",)}, "no missing_indicators"),
        ({"classes": 1}, "classes is 1"),
        ({"categorical": "smoking"}, "a list of columns"),
        ({"max_bins": 0}, "max_bins is 0"),
        ({"max_bins": 8.0}, "max_bins is 8.0"),
        ({"classes": 3, "holdout": 0.2}, "evaluated_class=2"),
    ],
)
def test_what_trees_do_not_take_is_said(choices, said):
    with pytest.raises(LabError, match=said):
        HistGradientBoostingClassifier(**{"features": FEATURES, "outcome": OUTCOME, **choices})


def test_a_column_that_the_dictionary_lacks_is_named_before_an_application():
    with pytest.raises(LabError, match="no column 'height'"):
        _ = HistGradientBoostingClassifier(("height",), OUTCOME).config


def test_a_number_has_no_form_with_noise():
    noisy = HistGradientBoostingClassifier(FEATURES, OUTCOME).with_noise(epsilon=5).private
    with pytest.raises(LabError, match="two classes"):
        _ = HistGradientBoostingRegressor(FEATURES[:4], "systolic", private=noisy).config


def test_rows_of_one_outcome_are_refused():
    frame = pd.DataFrame({"a": np.arange(50.0)})
    with pytest.raises(LabError, match="same outcome"):
        HistGradientBoostingClassifier().fit(frame, np.zeros(50))


def test_too_few_rows_are_refused(tables):
    few = tables[0].select(np.arange(tables[0].rows) < 10)
    with pytest.raises(FederatedError, match="rows"):
        HistGradientBoostingClassifier(FEATURES, OUTCOME).fit(few, min_cohort=20, smallest_cell=8)


def test_the_dictionary_cuts_where_its_reference_values_say():
    column = Dictionary.builtin().column("hba1c")
    from belmont.lab.models.tree_columns import TreeColumn

    known = TreeColumn.of_dictionary(column)
    assert known.equal_cuts(4) == (46, 93, 139)
    assert [round(column.codebook.minimum + cut - 1) for cut in known.reference_cuts(4)] == [47, 56, 64]
    assert known.bin_texts((46, 93, 139))[:2] == ("missing", "15 to 60")


def test_scores_of_no_tree_are_the_start(fitted, fresh):
    bins = fitted.plan_.binned(fitted.codes_of(fresh))
    assert np.unique(scores(fitted.arrays_, bins, 0)).size == 1


def test_patients_who_were_kept_apart_are_in_no_tree_and_tell_how_good_they_are(tables):
    from belmont.federated.evaluation.risks import RiskSums
    from belmont.federated.models.rehearsal import Rehearsal

    model = HistGradientBoostingClassifier(FEATURES, OUTCOME, trees=5, holdout=0.25)
    run = Rehearsal(model.bundle, model.config, model.initial(), model.combine(), tables)
    rows = sum(table.rows for table in tables)
    for _ in range(model.rounds):
        trained = run.round().rows
    assert 0.7 * rows < trained < 0.8 * rows
    (found,) = run.evaluate()
    counts = found.arrays["counts"]
    assert counts[0].sum() + counts[1].sum() == rows and counts[1].sum() == trained
    apart = RiskSums(counts[0])
    calibrated = apart.observed_to_expected(level=0.99999)
    assert calibrated.low < 1 < calibrated.high and apart.auc() > 0.6
