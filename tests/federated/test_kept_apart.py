"""Who is kept apart stays apart: over a permit's amendments, and over other permits on the same table."""

from dataclasses import replace

import numpy as np
import pytest

from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import FederatedError, RoundRefused
from belmont.federated.evaluation.layout import HOLDOUT, REPORT_HOSPITALS, evaluation_config
from belmont.federated.hashes import Arrays, RunConfig, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.training import Training
from belmont.federated.node.data import fractions_of
from belmont.federated.node.rounds import preparation_hash

FEATURES = ("age", "hba1c")
OUTCOME = "antihypertensive"


def config_of(holdout: float, groups: tuple[str, ...] = ()) -> RunConfig:
    return glm_config(FEATURES, OUTCOME, secure=True, evaluation=evaluation_config("risk", holdout, groups))


@pytest.fixture
def glm(scene):
    scene.bundle, scene.config = shipped_bundle("glm"), config_of(0.35)
    scene.model = initial_model(FEATURES)
    return scene


def training_of(scene, permit, config) -> Training:
    arguments = {"config": config, "model": scene.model, "combine": lambda model, updates: model}
    return Training(scene.by_researcher, scene.grid(), permit, participants=scene.participants, **arguments)


def amended(scene, permit, config):
    """The permit that takes another's place, with another configuration, by the whole procedure."""
    registry, consortium = scene.registry, scene.consortium
    terms = replace(registry.permit(permit).terms, config_hash=config_hash(config))
    study = scene.by_researcher.propose_amendment(permit, terms)
    for member in consortium.board:
        registry.as_(member).vote(study, True, "approved")
    for account, dataset in zip(consortium.hospitals, consortium.datasets, strict=True):
        registry.as_(account).accept(study, dataset)
    return scene.by_researcher.issue(study)


def test_without_the_rule_two_parts_that_differ_by_a_patient_tell_the_patients_row(scene):
    """An amendment that keeps a little more apart, on the same split: the difference of two sums is one row's."""
    table = scene.consortium.tables[0]
    fractions = np.sort(fractions_of(table.pseudonyms, bytes(32)))
    low = float(fractions[(fractions > 0.2).argmax() - 1])
    between = np.nextafter(float(fractions[(fractions > 0.2).argmax()]), 1.0)
    hessians = []
    for holdout in (np.nextafter(low, 1.0), between):
        study = shipped_bundle("glm"), config_of(float(holdout)), initial_model(FEATURES), lambda model, updates: model
        rehearsal = Rehearsal(*study, [table], min_cohort=50, smallest_cell=8)
        rehearsal._fractions = [fractions_of(table.pseudonyms, bytes(32))]
        rehearsal.round()
        hessians.append(rehearsal.updates[0].arrays["hessian"])
    told = 4.0 * (hessians[0] - hessians[1])[0]
    victim = int(np.argmin(np.abs(fractions_of(table.pseudonyms, bytes(32)) - between)))
    age = (table.values("age")[victim] - table.center("age")) / table.scale("age")
    assert told[0] == pytest.approx(1.0, abs=1e-4)
    assert told[1] == pytest.approx(age, abs=1e-4), "the patient's age, from two sums"


@pytest.mark.parametrize("other", [0.3501, 0.5])
def test_a_node_refuses_an_amendment_that_keeps_others_apart(glm, other):
    permit = glm.issue()
    training_of(glm, permit, glm.config).round()
    newer = amended(glm, permit, config_of(other))
    with pytest.raises(FederatedError, match="another holdout"):
        training_of(glm, newer, config_of(other)).round()


def test_a_model_trained_on_everybody_is_not_evaluated_by_an_amendment_on_patients_that_it_saw(glm):
    glm.config = glm_config(FEATURES, OUTCOME, secure=True)
    permit = glm.issue()
    training_of(glm, permit, glm.config).round()
    newer = amended(glm, permit, config_of(0.35))
    with pytest.raises(FederatedError, match="another holdout"):
        training_of(glm, newer, config_of(0.35)).evaluate()


@pytest.mark.parametrize("other", [("age:61",), (), ("age:60", "sex")])
def test_a_node_refuses_an_amendment_that_counts_other_parts_since_the_difference_is_few(glm, other):
    glm.config = config_of(0.35, ("age:60",))
    permit = glm.issue()
    training_of(glm, permit, glm.config).evaluate()
    newer = amended(glm, permit, config_of(0.35, other))
    with pytest.raises(FederatedError, match="groups"):
        training_of(glm, newer, config_of(0.35, other)).evaluate()


def test_a_node_refuses_an_amendment_with_another_outcome_since_the_difference_is_few(glm):
    glm.config = config_of(0.35)
    permit = glm.issue()
    training_of(glm, permit, glm.config).round()
    other = glm.config | {"outcome": "statin"}
    with pytest.raises(FederatedError, match="another holdout, outcome"):
        training_of(glm, amended(glm, permit, other), other).round()


def test_an_amendment_of_something_else_goes_on(glm):
    permit = glm.issue()
    training_of(glm, permit, glm.config).round()
    other = glm.config | {"release": "another rule"}
    training_of(glm, amended(glm, permit, other), other).evaluate()


def test_no_holdout_and_a_holdout_of_nobody_are_the_same_preparation():
    model: Arrays = initial_model(FEATURES)
    assert preparation_hash({}, model) == preparation_hash({HOLDOUT: 0.0}, model)
    assert preparation_hash({}, model) != preparation_hash({HOLDOUT: 0.1}, model)


def test_two_permits_over_one_table_train_each_on_its_own_split(glm):
    """A node keeps what it made of a table for the next round, which may be another permit's."""
    told = []
    for _ in range(2):
        training = training_of(glm, glm.issue(), glm.config)
        rows = training.round().rows
        told.append((rows, training.evaluate().updates[0].arrays["counts"][1].sum()))
    for rows, trained_on in told:
        assert rows == trained_on, "who is counted as trained on is who was trained on"


CARELESS = """
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from belmont.federated.node.data import training_data
app = ClientApp()
@app.train()
def train(message, context):
    rows = training_data(context, ("age",), "antihypertensive")
    metrics = MetricRecord({"num-examples": len(rows.outcome)})
    return Message(RecordDict({"arrays": message.content["arrays"], "metrics": metrics}), reply_to=message)
"""


def test_code_that_does_not_leave_them_out_trains_without_them_all_the_same(scene, app_builder):
    scene.bundle = app_builder(CARELESS, "careless")
    rows = []
    for config in ({"features": "age"}, {"features": "age", HOLDOUT: 0.5}):
        scene.config, scene.model = config, {"w": np.zeros(1)}
        rows.append(training_of(scene, scene.issue(), config).round().rows)
    everybody, others = rows
    assert everybody == sum(table.rows for table in scene.consortium.tables)
    assert 0.4 * everybody < others < 0.6 * everybody


def test_a_rehearsal_trains_careless_code_without_them_as_a_node_does(scene, app_builder):
    tables, bundle = scene.consortium.tables, app_builder(CARELESS, "careless")
    study = bundle, {"features": "age", HOLDOUT: 0.5}, {"w": np.zeros(1)}, lambda model, updates: model
    rehearsal = Rehearsal(*study, tables)
    rows, everybody = rehearsal.round().rows, sum(table.rows for table in tables)
    assert rows == sum((fractions >= 0.5).sum() for fractions in rehearsal._fractions)
    assert 0.4 * everybody < rows < 0.6 * everybody


@pytest.mark.parametrize(
    ("more", "message"),
    [({HOLDOUT: 1}, "holdout is a float"), ({REPORT_HOSPITALS: "yes"}, "report-hospitals is true or false")],
)
def test_a_setting_that_cannot_be_read_is_refused_before_anything_is_computed(glm, more, message):
    config = glm.config | more
    permit = glm.issue(config_hash=config_hash(config))
    for ask in (Training.round, Training.evaluate):
        with pytest.raises(FederatedError, match=message):
            ask(training_of(glm, permit, config))
    with pytest.raises(FederatedError, match=message):
        Rehearsal(glm.bundle, config, glm.model, lambda model, updates: model, glm.consortium.tables)
    assert not glm.nodes[0].ledger.entries()


SINGLING_OUT = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.evaluate()
def evaluate(message, context):
    counts = np.zeros((2, 100, 2))
    counts[0, :, 0], counts[0, 7, 1] = 9, PATIENTS
    arrays = ArrayRecord({"counts": Array(counts)})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 901})}), reply_to=message)
"""


@pytest.mark.parametrize(("patients", "is_refused"), [(1, True), (7, True), (-8, True), (8, False)])
def test_a_node_lets_no_evaluation_out_that_rests_on_few_patients_whoever_made_its_sums(
    glm, app_builder, patients, is_refused
):
    """The rules are in functions that a study's code calls; this code does not."""
    glm.bundle = app_builder(SINGLING_OUT.replace("PATIENTS", str(patients)), "single")
    training = training_of(glm, glm.issue(), glm.config)
    study = glm.bundle, glm.config, glm.model, lambda model, updates: model
    rehearsal = Rehearsal(*study, glm.consortium.tables, min_cohort=50, smallest_cell=8)
    if not is_refused:
        assert training.evaluate().updates[0].arrays["counts"][0, 7, 1] == len(glm.participants) * patients
        rehearsal.evaluate()
        return
    with pytest.raises(RoundRefused, match="code failed"):
        training.evaluate()
    with pytest.raises(FederatedError, match="too few patients"):
        rehearsal.evaluate()
    Rehearsal(*study, glm.consortium.tables).evaluate()  # where single patients are allowed


def test_a_rehearsal_refuses_an_update_above_the_bound_as_a_node_does(glm):
    config = {key: str(v).replace(":32", ":12") if "secure" in key else v for key, v in glm.config.items()}
    tables = glm.consortium.tables
    for bound, is_refused in ((2**30, False), (2**10, True)):
        study = glm.bundle, config | UpdateBounds(bound).to_config(), glm.model, lambda model, updates: model
        rehearsal = Rehearsal(*study, tables)
        if not is_refused:
            rehearsal.round()
            continue
        with pytest.raises(FederatedError, match="larger than the approved bound"):
            rehearsal.round()
