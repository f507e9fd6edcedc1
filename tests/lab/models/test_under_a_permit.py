"""Models fitted under a permit: the pooled fit, early ends, patients kept apart, and what was prepared by queries."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Plain

from belmont.lab import Consortium
from belmont.lab.errors import LabError
from belmont.lab.hospital_files import stored_rows
from belmont.lab.models import (
    CoxRegression,
    KaplanMeier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    StudyModel,
)
from belmont.lab.models.references import merged
from belmont.lab.permit import Permit

NUMBERS = ("age", "hba1c", "systolic")


def permit_for(consortium: Consortium, model: StudyModel, rounds: int = 12, queries: int = 0) -> Permit:
    study = consortium.propose("Models", model=model, rounds=rounds, queries=queries, min_cohort=10)
    return study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()


@pytest.fixture(scope="module")
def pooled(consortium: Consortium) -> Any:
    home, registry = consortium.home_here, consortium.registry
    return merged([stored_rows(home, h.slug, registry, h.dataset_id).table for h in consortium.hospitals])


def test_fit_runs_gated_secure_rounds_until_nothing_moves_and_gives_the_pooled_fit(
    consortium: Consortium, pooled: Any
) -> None:
    model = LogisticRegression(NUMBERS, "cvd_event", ridge=0.0)
    permit = permit_for(consortium, model)
    model.fit(permit)
    used = permit.record.rounds_opened
    assert 4 <= used < 12, "it ends before the permit does"
    there = LogisticRegression(NUMBERS, "cvd_event", ridge=0.0).fit(pooled)
    assert np.abs(model.summary() - there.summary()).to_numpy().max() < 1e-6
    assert len(permit.uses()) == 3 * used
    assert model.result_.record(1).secure.sums == ("loss",)
    fresh = consortium.yardstick.fresh_table.decode()
    assert model.score(fresh, fresh["cvd_event"].astype(int)) > 0.6
    assert np.allclose(model.predict_proba(fresh)[:, 1], model.predict_values(consortium.yardstick.fresh_table))


def test_least_squares_take_two_rounds(consortium: Consortium, pooled: Any) -> None:
    model = LinearRegression(("age", "bmi"), "systolic")
    permit = permit_for(consortium, model, rounds=4)
    model.fit(permit)
    assert permit.record.rounds_opened == 2
    there = LinearRegression(("age", "bmi"), "systolic").fit(pooled)
    assert np.abs(model.summary() - there.summary()).to_numpy().max() < 1e-6


def test_what_queries_prepared_is_what_every_round_standardises_by(consortium: Consortium, pooled: Any) -> None:
    features = ("age", "ldl", "smoking=former", "smoking=current")
    model = LogisticRegression(features, "cvd_event")
    permit = permit_for(consortium, model, queries=4)
    prepared = permit.prepare(["age", "ldl", "smoking"])
    assert permit.record.queries_opened == 3 and prepared.queries == (1, 2, 3)
    frame = prepared.to_frame()
    age, ldl = (np.asarray(pooled.values(name)) for name in ("age", "ldl"))
    assert frame.loc["age", "center"] == pytest.approx(age.mean()) and frame.loc["age", "scale"] == pytest.approx(
        age.std(ddof=1)
    )
    assert frame.loc["ldl", "fill"] == pytest.approx(np.nanmean(ldl))
    assert frame.loc["ldl", "missing"] == pytest.approx(np.isnan(ldl).mean())
    assert set(prepared.features()) > {"age", "ldl"} and len(prepared.features()) == 4
    assert "smoking" in prepared._repr_html_()
    model.fit(permit, preparation=prepared)
    assert np.array_equal(model.arrays_["references"], prepared.references(features))
    unprepared = LogisticRegression(features, "cvd_event", ridge=0.0)
    there = LogisticRegression(features, "cvd_event", ridge=0.0)
    assert unprepared.config == there.config
    by_hand = pd.DataFrame(
        {
            "age": age,
            "ldl": ldl,
            "smoking": pd.Categorical.from_codes(pooled.codes("smoking").astype(int) - 1, pooled.levels("smoking")),
        }
    )
    assert model.predict_proba(by_hand).shape == (pooled.rows, 2)
    per_unit = model.summary()["per unit"]
    assert per_unit["age"] == pytest.approx(model.coef_[0] / prepared.references(features)[0, 2])
    with pytest.raises(LabError, match="take 4 queries, and this permit has 1 of 4 left"):
        permit.prepare(["age", "ldl", "bmi", "sex"])
    assert permit.record.queries_opened == 3, "nothing was used"


def test_a_column_that_was_not_prepared_is_named(consortium: Consortium) -> None:
    model = LogisticRegression(NUMBERS, "cvd_event")
    permit = permit_for(consortium, model, queries=1)
    prepared = permit.prepare(["age"])
    with pytest.raises(LabError, match="column hba1c was not prepared"):
        model.fit(permit, preparation=prepared)
    assert permit.record.rounds_opened == 0


def test_a_level_that_the_dictionary_lacks_is_found_before_the_application(consortium: Consortium) -> None:
    with pytest.raises(LabError, match="smoking=sometimes"):
        consortium.propose("Levels", model=LogisticRegression(("smoking=sometimes",), "cvd_event"), rounds=1)


def test_a_preparation_that_nodes_would_refuse_uses_nothing(consortium: Consortium) -> None:
    model = LogisticRegression(("age", "hba1c"), "cvd_event")
    permit = permit_for(consortium, model, queries=4)
    prepared = permit.prepare(["age", "hba1c"])
    with pytest.raises(LabError, match="leave y out"):
        model.fit(permit, [0, 1])
    assert permit.record.queries_opened == 2
    with pytest.warns(ConvergenceWarning, match="still moved in the last round, 1"):
        model.fit(permit, rounds=1)
    with pytest.raises(LabError, match=r"one preparation, or none.*nothing was used"):
        model.fit(permit, preparation=prepared)
    with pytest.raises(LabError, match=r"without a preparation.*nothing was used"):
        permit.prepare(["age"])
    assert (permit.record.rounds_opened, permit.record.queries_opened) == (1, 2)
    model.fit(permit, start=model.result_)
    assert model.permit_ is permit
    with pytest.warns(ConvergenceWarning):
        model.fit(consortium.yardstick.tables[0], rounds=1)
    assert not hasattr(model, "permit_") and not hasattr(model, "result_"), "no permit's model any more"


def test_what_no_hospital_could_fit_is_refused_before_the_application(consortium: Consortium) -> None:
    def refused(model: Any) -> str:
        with pytest.raises(LabError) as found:
            consortium.propose("Not to be", model=model, rounds=3)
        return str(found.value)

    before = len(consortium.studies())
    assert "no model of a study" in refused(Plain()) and "no model of a study" in refused(LogisticRegression)
    assert "name the column of the outcome" in refused(LogisticRegression(("age",)))
    assert "has no features: name them" in refused(LogisticRegression((), "cvd_event"))
    assert "one of 0, 1, and 'ldl' has others" in refused(LogisticRegression(("age",), "ldl"))
    assert "one of 0, 1, and 'ldl' has others" in refused(MLPClassifier(("age",), "ldl"))
    assert "no column days" in refused(CoxRegression(("age",), duration="days", outcome="cvd_event"))
    groups = KaplanMeier(duration="hba1c", outcome="cvd_event", cuts=(40, 60), by=("smoking=never", "smoking=often"))
    assert "no such level; smoking has never, former, current" in refused(groups)
    assert len(consortium.studies()) == before
