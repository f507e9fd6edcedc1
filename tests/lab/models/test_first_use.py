"""What somebody does who meets the estimators for the first time: what is wrong with the input is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from belmont.lab.errors import LabError
from belmont.lab.models import (
    CoxRegression,
    HistGradientBoostingClassifier,
    KaplanMeier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    OwnModel,
    PoissonRegression,
    StudyModel,
    TorchClassifier,
)
from belmont.lab.own.templates import write_template

ROWS = 300
CLASSIFIERS: tuple[StudyModel, ...] = (
    LogisticRegression(),
    MLPClassifier(hidden=(2,)),
    HistGradientBoostingClassifier(trees=2),
)


@pytest.fixture
def rows() -> pd.DataFrame:
    source = np.random.default_rng(5)
    frame = pd.DataFrame({"age": source.normal(60, 9, ROWS), "bmi": source.normal(27, 4, ROWS)})
    frame["week"] = source.integers(1, 30, ROWS).astype(float)
    frame["event"] = (source.random(ROWS) < 1 / (1 + np.exp(-(frame["age"] - 60) / 6))).astype(float)
    return frame


def diagram(model: Any) -> str:
    return str(model._repr_mimebundle_()["text/html"])


def test_every_fitted_model_has_a_diagram_alone_and_in_a_pipeline(rows: pd.DataFrame, tmp_path: Path) -> None:
    write_template(tmp_path / "my_model")
    own = OwnModel(tmp_path / "my_model", features=("age",), outcome="event")
    times = {"duration": "week", "outcome": "event"}
    models = (*CLASSIFIERS, own, CoxRegression(("age",), **times), KaplanMeier(**times))
    for model in models:
        assert type(model).__name__ in diagram(model)
        model.fit(rows, rows["event"], rounds=3 if model is own else 100)
        assert type(model).__name__ in diagram(model)
        assert type(model).__name__ in diagram(make_pipeline(FunctionTransformer(), model))
    (tmp_path / "my_model" / "pyproject.toml").unlink()
    assert "OwnModel" in diagram(own), "the folder is not read for it"


def test_the_outcome_is_no_feature_and_a_feature_is_named_once() -> None:
    with pytest.raises(LabError, match="'event' is among the features"):
        LogisticRegression(("age", "event"), "event")
    with pytest.raises(LabError, match="'event' is among the features"):
        LogisticRegression(("event=yes",), "event")
    with pytest.raises(LabError, match="name age twice"):
        LinearRegression(("age", "bmi", "age"), "event")


def test_what_set_params_changed_is_checked_by_fit(rows: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="penalty is 'l1'"):
        LogisticRegression().set_params(penalty="l1").fit(rows, rows["event"])
    with pytest.raises(LabError, match="ridge is -1"):
        LogisticRegression(ridge=-1)


@pytest.mark.parametrize("rounds", [0, -1, "3", 2.0, True])
def test_rounds_are_a_whole_number(rows: pd.DataFrame, rounds: Any) -> None:
    with pytest.raises(LabError, match="rounds is"):
        LogisticRegression(("age",), "event").fit(rows, rounds=rounds)


def test_a_typo_is_answered_with_the_columns_that_there_are(rows: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="no column agee; they have age, bmi, week, event"):
        LogisticRegression(("agee",), "event").fit(rows)
    from belmont.lab.models.references import References

    table = References.of_frame(rows).table(rows)
    with pytest.raises(LabError, match="no column evnt; they have age"):
        LogisticRegression(("age",), "evnt").fit(table)
    with pytest.raises(LabError, match="name the column of the outcome"):
        LogisticRegression(("age",)).fit(table)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: type(model).__name__)
def test_labels_are_one_for_each_row_and_none_is_missing(model: StudyModel, rows: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="300 rows and 10 outcomes"):
        model.fit(rows[["age"]], rows["event"][:10])
    with pytest.raises(LabError, match="4 of 300 outcomes are missing"):
        model.fit(rows[["age"]], rows["event"].where(rows.index > 3))
    with pytest.raises(LabError, match="no row to fit to"):
        model.fit(rows[["age"]][:0], rows["event"][:0])


@pytest.mark.parametrize("kind", [LogisticRegression, MLPClassifier, HistGradientBoostingClassifier])
def test_an_outcome_of_other_values_is_named_and_words_are_labels(kind: Any, rows: pd.DataFrame) -> None:
    with pytest.raises(LabError, match=r"one of 0, 1, and 'bmi' has others"):
        kind(("age",), "bmi").fit(rows)
    named = rows.assign(event=rows["event"].map({0.0: "no", 1.0: "yes"}).where(rows.index > 3))
    model = kind(("age",), "event").fit(named, rounds=150)
    assert model.classes_.tolist() == ["no", "yes"] and set(model.predict(rows)) <= {"no", "yes"}
    assert model.score(rows, named["event"].fillna("no")) > 0.6


def test_outcomes_of_regressions_are_numbers_and_counts_are_not_negative(rows: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="is a number"):
        LinearRegression().fit(rows[["age"]], ["a"] * ROWS)
    with pytest.raises(LabError, match="can be negative"):
        PoissonRegression().fit(rows[["age"]], -rows["event"])
    with pytest.raises(LabError, match="no column of times"):
        CoxRegression(("age",), duration="week", outcome="event").fit(rows.assign(week="soon"))


def test_columns_may_be_named_by_numbers(rows: pd.DataFrame) -> None:
    frame = pd.DataFrame(rows[["age", "bmi"]].to_numpy())
    model = LogisticRegression().fit(frame, rows["event"])
    assert model.predict(frame).shape == (ROWS,) and model.feature_names_in_.tolist() == ["0", "1"]


def test_words_that_become_numbers_are_told_and_dates_are_refused(rows: pd.DataFrame) -> None:
    words = rows[["age"]].assign(smoking=np.array(["never", "former", "current"])[np.arange(ROWS) % 3])
    with pytest.warns(UserWarning, match=r"1, 2, \.\.\. for current, former, never.*'smoking=current'"):
        LogisticRegression().fit(words, rows["event"])
    with pytest.raises(LabError, match="'seen' holds dates"):
        LogisticRegression().fit(words.assign(seen=pd.Timestamp("2020-01-01")), rows["event"])


def test_a_fit_that_ran_out_of_rounds_says_so(rows: pd.DataFrame) -> None:
    with pytest.warns(ConvergenceWarning, match="still moved in the last round, 2"):
        LogisticRegression(("age",), "event").fit(rows, rounds=2)
    with pytest.warns(ConvergenceWarning, match="of 4 trees have grown in 4 rounds: all of them take 12"):
        HistGradientBoostingClassifier(("age", "bmi"), "event", trees=4).fit(rows, rounds=4)


def test_an_unfitted_model_says_that_it_is_and_one_without_evaluation_how_to_get_one(rows: pd.DataFrame) -> None:
    trees = HistGradientBoostingClassifier(("age",), "event")
    for ask in (trees.predict, trees.predict_proba, lambda frame: trees.learning_curve(frame, frame["event"])):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            ask(rows)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        trees.importances()
    model = LogisticRegression(("age",), "event").fit(rows)
    assert not hasattr(model, "performance_")
    with pytest.raises(AttributeError, match=r"not evaluated: apply with holdout=0\.25"):
        _ = model.performance_
    model.not_evaluated_ = "every part is too small"
    with pytest.raises(AttributeError, match="not evaluated: every part is too small"):
        _ = model.performance_
    model.fit(rows)
    with pytest.raises(AttributeError, match="holdout"):
        _ = model.performance_


def test_no_row_has_no_prediction() -> None:
    words = pd.DataFrame({"sex": ["female", "male"] * 40, "event": [0.0, 1.0, 1.0, 0.0] * 20})
    assert LogisticRegression(("sex=male",), "event").fit(words).predict_proba(words[:0]).shape == (0, 2)


def test_what_has_no_file_says_what_to_keep(rows: pd.DataFrame, tmp_path: Path) -> None:
    curves = KaplanMeier(duration="week", outcome="event").fit(rows)
    with pytest.raises(LabError, match="no ONNX form"):
        curves.export(tmp_path / "curves.onnx")
    write_template(str(tmp_path / "my_model"))
    own = OwnModel(tmp_path / "my_model", features=("age",), outcome="event").fit(rows, rounds=2)
    with pytest.raises(LabError, match=r"keep the code, and the arrays with numpy\.savez"):
        own.export(tmp_path / "own.skops")
    assert not list(tmp_path.glob("*.*"))


def test_settings_of_a_network_are_named() -> None:
    with pytest.raises(LabError, match=r"hidden is 16: .*\(16,\)"):
        MLPClassifier(("age",), "event", hidden=16)
    with pytest.raises(LabError, match=r"give module='model\.py'"):
        _ = TorchClassifier(("age",), "event").bundle
