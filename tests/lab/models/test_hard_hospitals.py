"""Hospitals that are not like the others: each is added as it is, or refused with what to do."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from belmont.federated.errors import FederatedError
from belmont.lab.models import CoxRegression, HistGradientBoostingClassifier, LogisticRegression, MLPClassifier
from belmont.lab.models.base import StudyModel
from belmont.lab.models.references import References

SAFEGUARDS = {"min_cohort": 20, "smallest_cell": 8}
FEATURES = ("age", "dose", "kind=b", "kind=c")


def rows(seed: int, count: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age, dose = random.normal(60, 10, count), random.normal(0, 1, count)
    kind = pd.Categorical(random.choice(["a", "b", "c"], count), ["a", "b", "c"])
    event = (random.random(count) < 1 / (1 + np.exp(-(age - 60) / 10))).astype(int)
    return pd.DataFrame({"age": age, "dose": dose, "kind": kind, "event": event})


def hospitals(odd: pd.DataFrame) -> tuple[list[Any], pd.DataFrame]:
    """Two usual hospitals and an odd one, as tables, and all their rows."""
    frames = [rows(1), rows(2), odd]
    everybody = pd.concat(frames, ignore_index=True)
    references = References.of_frame(everybody)
    return [references.table(frame) for frame in frames], everybody


def without_a_category() -> pd.DataFrame:
    frame = rows(3)
    return frame.assign(kind=pd.Categorical(frame["kind"].where(frame["kind"] != "c", "a"), ["a", "b", "c"]))


ODD = {
    "without a category": without_a_category(),
    "one class only": rows(3).assign(event=0),
    "the other class only": rows(3).assign(event=1),
    "a constant column": rows(3).assign(dose=0.5),
    "only one category": rows(3).assign(kind=pd.Categorical(["b"] * 120, ["a", "b", "c"])),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_hospital_is_added_as_it_is_and_the_fit_is_the_pooled_one(odd: pd.DataFrame) -> None:
    tables, everybody = hospitals(odd)
    federated = LogisticRegression(FEATURES, "event", ridge=0.0).fit(tables, **SAFEGUARDS)
    pooled = LogisticRegression(FEATURES, "event", ridge=0.0).fit(everybody)
    assert np.abs(federated.summary() - pooled.summary()).to_numpy().max() < 1e-6


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(
    "model",
    [
        MLPClassifier(("age", "dose"), "event", hidden=(4,)),
        HistGradientBoostingClassifier(("age", "dose"), "event", trees=2, max_bins=8),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_models_learn_from_it_too(model: StudyModel, odd: pd.DataFrame) -> None:
    tables, everybody = hospitals(odd)
    fitted = model.fit(tables, rounds=6, **SAFEGUARDS)
    assert np.isfinite(fitted.predict_proba(everybody)).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("odd", "where"),
    [
        (rows(3, 10), "table 3 of 3, 10 rows"),
        (rows(3).assign(event=[1] * 3 + [0] * 117), "table 3 of 3"),
    ],
    ids=["ten rows", "three of one class"],
)
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(FEATURES, "event"),
        MLPClassifier(("age", "dose"), "event", hidden=(4,)),
        HistGradientBoostingClassifier(("age", "dose"), "event", trees=2, max_bins=8),
    ],
    ids=lambda model: type(model).__name__,
)
def test_too_few_are_refused_and_where_is_said(model: StudyModel, odd: pd.DataFrame, where: str) -> None:
    tables, _ = hospitals(odd)
    with pytest.raises(FederatedError, match=where) as refused:
        model.fit(tables, rounds=2, **SAFEGUARDS)
    assert "20" in str(refused.value), "the permit's minimum"


def test_a_cox_model_without_an_event_anywhere_says_so() -> None:
    frame = rows(1).assign(time=np.arange(120) % 50 + 1, event=0)
    with pytest.raises(FederatedError, match="event"):
        CoxRegression(("age", "dose"), "event", duration="time").fit(frame)
