"""Classifiers of several classes are evaluated: one class, which the configuration names, against all others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from belmont.ehr.synthetic import holdout
from belmont.federated.errors import EncodingRefused, FederatedError
from belmont.federated.evaluation.layout import BINS, bins_of, evaluation_config, place_of_class
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.node.rounds import preparation_hash
from belmont.federated.table import NodeTable
from belmont.lab import Consortium
from belmont.lab.errors import LabError
from belmont.lab.models import HistGradientBoostingClassifier, LinearRegression, MLPClassifier, StudyModel
from belmont.lab.models.references import References

COLUMNS = ("a", "b")
THREE = (0.0, 1.0, 2.0)


def frame_of(rows: int, values: tuple[float, ...] = THREE) -> pd.DataFrame:
    draws = np.random.default_rng(3)
    frame = pd.DataFrame({"a": draws.normal(size=rows), "b": draws.normal(size=rows)})
    ends = np.quantile(frame["a"], np.arange(1, len(values)) / len(values))
    frame["grade"] = np.array(values)[np.digitize(frame["a"] + 0.7 * draws.normal(size=rows), ends)]
    return frame


def evaluated(model: StudyModel, table: NodeTable, **rules: int) -> np.ndarray:
    """The counts of an evaluation of a fitted model on rows, of shape (slots, bins, 2)."""
    run = Rehearsal(model.bundle, model.config, model.arrays_, model.step(), [table], **rules)
    (found,) = run.evaluate()
    return found.arrays["counts"]


def table_of(frame: pd.DataFrame) -> NodeTable:
    return References.of_frame(frame).table(frame)


def network(values: tuple[float, ...], wanted: float | None) -> MLPClassifier:
    return MLPClassifier(
        COLUMNS, "grade", hidden=(6,), learning_rate=0.1, classes=values, holdout=0.5, evaluated_class=wanted
    )


def torch_network(values: tuple[float, ...], wanted: float) -> Any:
    pytest.importorskip("torch", reason="PyTorch is the optional extra belmont[torch]")
    from belmont.lab.models import TorchClassifier

    def build():
        import torch

        return torch.nn.Linear(2, 3)

    assert len(values) == 3
    return TorchClassifier(COLUMNS, "grade", module=build, classes=values, holdout=0.5, evaluated_class=wanted)


def compare(counts: np.ndarray, risk: np.ndarray, is_it: np.ndarray) -> None:
    """Both parts together are everybody, each in the bin of their risk."""
    for outcome in (0, 1):
        expected = np.bincount(bins_of(risk[is_it == outcome]), minlength=BINS)
        off = np.abs(np.cumsum(counts[0, :, outcome] + counts[1, :, outcome]) - np.cumsum(expected))
        assert off.max() <= 3, "but for risks at a bin's edge, which single precision rounds"
    both = RiskSums(counts[0] + counts[1])
    lowest, highest = both.auc_bounds()
    assert lowest - 0.002 <= roc_auc_score(is_it, risk) <= highest + 0.002


@pytest.mark.parametrize(
    ("make", "values", "wanted"),
    [
        *((make, THREE, wanted) for make in (network, torch_network) for wanted in THREE),
        (network, (1.0, 2.0), 1.0),
        (network, (1.0, 2.0), 2.0),
        (network, (0.0, 1.0), None),
    ],
)
def test_the_counts_are_of_the_risk_of_that_class_as_the_network_itself_gives_it(
    make: Any, values: tuple[float, ...], wanted: float | None
) -> None:
    frame = frame_of(600, values)
    model = make(values, wanted).fit(frame, rounds=3)
    place = 1 if wanted is None else values.index(wanted)
    is_it = (frame["grade"] == values[place]).to_numpy()
    compare(evaluated(model, table_of(frame)), model.predict_proba(frame)[:, place], is_it)


@pytest.mark.parametrize(
    ("outcome", "classes", "wanted"),
    [*(("smoking", 3, wanted) for wanted in THREE), ("cvd_event", 2, 0.0), ("cvd_event", 2, None)],
)
def test_and_as_trees_give_it(outcome: str, classes: int, wanted: float | None) -> None:
    everybody = holdout(1_500, 7).coded(None)
    table = everybody.select(everybody.observed(outcome))
    model = HistGradientBoostingClassifier(
        ("age", "bmi", "egfr"), outcome, trees=3, classes=classes, holdout=0.5, evaluated_class=wanted
    ).fit(table)
    place = 1 if wanted is None else int(wanted)
    is_it = np.asarray(table.values(outcome)) == place
    compare(evaluated(model, table), model.predict_proba(table)[:, place], is_it)


def test_where_few_patients_have_the_class_nothing_is_counted() -> None:
    frame = frame_of(400)
    frame["grade"] = np.where(np.arange(400) < 6, 2.0, frame["grade"].clip(upper=1.0))
    model = network(THREE, 1.0).fit(frame, rounds=1)
    counts = evaluated(model, table_of(frame), min_cohort=10, smallest_cell=8)
    assert counts[0].sum() > 100 and not ((counts > 0) & (counts < 8)).any()
    few = network(THREE, 2.0).fit(frame, rounds=1)
    with pytest.raises(EncodingRefused, match="no rows"):
        evaluated(few, table_of(frame), min_cohort=10, smallest_cell=8)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"classes": THREE, "holdout": 0.2}, r"evaluated_class=2 or another of 0, 1, 2"),
        ({"classes": (1.0, 2.0), "holdout": 0.2}, r"evaluated_class=2"),
        ({"classes": THREE, "holdout": 0.2, "evaluated_class": 3}, r"one of the classes, 0, 1, 2"),
        ({"classes": THREE, "holdout": 0.2, "evaluated_class": "2"}, r"one of the classes"),
        ({"classes": THREE, "holdout": 0.2, "evaluated_class": True}, r"one of the classes"),
    ],
)
def test_without_a_class_that_there_is_no_patients_are_kept_apart(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError, match=said):
        MLPClassifier(COLUMNS, "grade", **choices)
    if choices["classes"] == THREE:
        with pytest.raises(LabError, match=said):
            HistGradientBoostingClassifier(COLUMNS, "grade", **(choices | {"classes": 3}))


def test_a_class_without_patients_to_evaluate_on_is_refused() -> None:
    with pytest.raises(FederatedError, match="give a holdout"):
        MLPClassifier(COLUMNS, "grade", classes=THREE, evaluated_class=1.0).config  # noqa: B018


@pytest.mark.parametrize("forged", [2, "2", True, float("nan"), float("inf")])
def test_a_configuration_names_the_class_as_a_number_or_is_refused(forged: object) -> None:
    with pytest.raises(FederatedError, match="evaluated-class"):
        place_of_class({"evaluates": "risk", "evaluated-class": forged}, THREE)  # type: ignore[dict-item]


def test_a_class_that_the_model_does_not_have_or_of_a_model_of_values_is_refused_at_the_hospital() -> None:
    frame = frame_of(300)
    for config in ({"evaluated-class": 7.0}, {"evaluated-class": 2.0, "evaluates": "value"}):
        model = network(THREE, 2.0)
        forged = model.config | config
        run = Rehearsal(model.bundle, forged, model.initial(), model.step(), [table_of(frame)])
        with pytest.raises(FederatedError, match="evaluated-class"):
            run.evaluate()
    with pytest.raises(FederatedError, match="evaluated-class"):
        evaluation_config("value", 0.5, evaluated_class=1.0)
    assert LinearRegression(COLUMNS, "grade", holdout=0.5).class_to_evaluate is None


def test_a_line_of_permits_keeps_the_class_since_who_is_in_neither_of_two_may_be_few() -> None:
    model = network(THREE, 1.0)
    other = network(THREE, 2.0)
    arrays = model.initial()
    assert preparation_hash(model.config, arrays) != preparation_hash(other.config, arrays)


def test_under_a_permit_a_grade_of_three_is_trained_and_one_of_its_classes_evaluated(consortium: Consortium) -> None:
    values = consortium.yardstick.fresh_table.levels("smoking")
    assert len(values) > 2
    model = HistGradientBoostingClassifier(
        ("age", "systolic", "bmi"),
        "smoking",
        trees=2,
        max_depth=2,
        classes=len(values),
        holdout=0.65,  # the class is rare: more are kept apart, so that hospitals have enough of it
        evaluated_class=0.0,
        report_hospitals=True,
    )
    study = consortium.propose("Who smokes", model=model, rounds=20, queries=0, min_cohort=10)
    permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
    model.fit(permit)
    performance = model.performance_
    assert performance.evaluated_class == 0.0
    held_out = performance.table.loc["held out"]
    assert held_out["patients"] > 100 and 0 < held_out["outcomes"] < held_out["patients"]
    assert 0.3 < held_out["auc"] < 0.8
    assert f"smoking is {values[0]}, against all others" in performance._repr_html_()
    assert model.card().to_dict()["evaluation"]["class, against all others"] == 0.0
    assert model.predict_proba(consortium.yardstick.fresh_table).shape[1] == len(values)
