"""Nodes and an evaluation of survival: its cut points are read before a row is, stay as they are, and few stay in."""

from dataclasses import replace

import pytest
from tests.federated.test_kept_apart import amended

from belmont.federated.errors import FederatedError, RoundRefused
from belmont.federated.evaluation.layout import EVALUATION_CUTS, HOLDOUT, evaluation_config
from belmont.federated.hashes import RunConfig, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.configuration import study_config
from belmont.federated.models.cox import CoxModel
from belmont.federated.models.training import Training
from belmont.federated.node.rounds import preparation_hash
from belmont.registry.reasons import Reason

FORM = CoxModel(("age",), "egfr")
CUTS = (60.0, 90.0)


def config_of(cuts: tuple[float, ...], holdout: float = 0.5, evaluations: int | None = None) -> RunConfig:
    evaluation = evaluation_config("survival", holdout, evaluations=evaluations, cuts=cuts)
    return study_config(FORM.columns, "antihypertensive", (), FORM.settings(), sums=FORM.sums(), evaluation=evaluation)


@pytest.fixture
def cox(scene):
    scene.bundle, scene.config, scene.model = shipped_bundle("cox"), config_of(CUTS), FORM.initial()
    return scene


def training_of(scene, permit, config) -> Training:
    arguments = {"config": config, "model": scene.model, "combine": FORM.combine()}
    return Training(scene.by_researcher, scene.grid(), permit, participants=scene.participants, **arguments)


@pytest.mark.parametrize("other", [(60.0, 91.0), (60.0,), (60.0, 90.0, 120.0)])
def test_a_node_refuses_an_amendment_that_counts_in_other_spans(cox, other):
    permit = cox.issue(rounds=8)
    training_of(cox, permit, cox.config).evaluate()
    newer = amended(cox, permit, config_of(other))
    for ask in (Training.evaluate, Training.round):
        with pytest.raises(FederatedError, match=r"another holdout, .*evaluation-cuts"):
            ask(training_of(cox, newer, config_of(other)))


def test_a_node_refuses_an_amendment_that_trains_by_another_column_of_times(cox):
    permit = cox.issue(rounds=8)
    training_of(cox, permit, cox.config).round()
    other = cox.config | {"duration": "hba1c"}
    with pytest.raises(FederatedError, match="another holdout, outcome, duration, cuts"):
        training_of(cox, amended(cox, permit, other), other).round()


def test_cut_points_of_training_are_part_of_what_a_line_of_permits_keeps_since_the_difference_is_a_row():
    """Of two sums by cell that end a day apart the difference is who had the event that day, with all features."""
    first, other = (replace(FORM, cuts=cuts).settings() for cuts in ((60.0, 90.0), (60.0, 91.0)))
    assert first["cuts"] == "60.0,90.0"
    assert preparation_hash(first, FORM.initial()) != preparation_hash(other, FORM.initial())


def test_an_amendment_of_something_else_goes_on(cox):
    permit = cox.issue(rounds=8)
    training_of(cox, permit, cox.config).evaluate()
    other = cox.config | {"release": "another rule"}
    training_of(cox, amended(cox, permit, other), other).evaluate()


def test_cut_points_are_part_of_what_a_line_of_permits_keeps_and_those_before_are_as_they_were():
    model = FORM.initial()
    assert preparation_hash({HOLDOUT: 0.5}, model) != preparation_hash({HOLDOUT: 0.5, EVALUATION_CUTS: "60"}, model)
    assert preparation_hash({}, model) == preparation_hash({HOLDOUT: 0.0}, model)


def test_what_kind_of_sums_they_are_and_the_levels_of_a_curve_are_kept_too():
    """Events by a time are few less than all events; all patients less those of one level are those of the others."""
    model = FORM.initial()
    for key, one, other in (("evaluates", "survival", "risk"), ("by", "", "sex=male")):
        assert preparation_hash({key: one}, model) != preparation_hash({key: other}, model)


@pytest.mark.parametrize("cuts", ["90,60", "", 60.0])
def test_cut_points_that_cannot_be_read_are_refused_before_anything_is_computed(cox, cuts):
    config = cox.config | {EVALUATION_CUTS: cuts}
    permit = cox.issue(config_hash=config_hash(config))
    for ask in (Training.round, Training.evaluate):
        with pytest.raises(FederatedError, match="ascending times"):
            ask(training_of(cox, permit, config))
    assert not cox.nodes[0].ledger.entries()


def test_each_evaluation_of_survival_is_counted_by_the_nodes(cox):
    cox.config = config_of(CUTS, evaluations=1)
    permit = cox.issue(rounds=8)
    found = training_of(cox, permit, cox.config).evaluate()
    assert found.updates[0].arrays["counts"].shape == (2, 50, 5) and found.updates[0].arrays["counts"].sum() > 0
    with pytest.raises(RoundRefused) as caught:
        training_of(cox, permit, cox.config).evaluate()
    assert set(caught.value.reasons) == {Reason.EVALUATIONS_EXHAUSTED}


FEW = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.evaluate()
def evaluate(message, context):
    counts = np.zeros((2, 50, 5))
    counts[0, 7] = [900, EVENTS, 700, 100, 600]
    arrays = ArrayRecord({"counts": Array(counts)})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 900})}), reply_to=message)
"""


@pytest.mark.parametrize(("events", "is_refused"), [(7, True), (93, True), (50, False)])
def test_a_node_lets_no_class_of_few_out_whoever_made_its_sums(cox, app_builder, events, is_refused):
    """Of 93 events by the first cut point, seven are in the second span: no count is small, and a difference is."""
    cox.bundle = app_builder(FEW.replace("EVENTS", str(events)), "few")
    training = training_of(cox, cox.issue(), cox.config)
    if not is_refused:
        assert training.evaluate().updates[0].arrays["counts"][0, 7, 1] == len(cox.participants) * events
        return
    with pytest.raises(RoundRefused, match="code failed"):
        training.evaluate()
