"""The minimum cohort holds for the rows that a study's code really gets, not for the table's."""

import numpy as np
import pytest

from belmont.ehr.coded import CodedTable
from belmont.federated.errors import RoundRefused
from belmont.federated.grid.records import read_arrays
from belmont.federated.hashes import code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model, newton
from belmont.federated.models.training import Training
from belmont.federated.node.design import design
from belmont.registry.reasons import Reason

FEATURES = ("age", "ldl", "systolic")
MIN_COHORT = 50


def rare(table, column, rows):
    """A table in which ``column`` is observed in the given rows only."""
    seen = np.isin(np.arange(table.rows), rows)
    return with_codes(table, column, np.where(seen, table.codes(column), 0))


def changed(table, column, rows):
    """A table in which a column of two values is 1 in the given rows only."""
    return with_codes(table, column, np.isin(np.arange(table.rows), rows))


def with_codes(table, column, codes):
    all_codes = {name: table.codes(name) for name in table.columns} | {column: codes.astype(np.uint16)}
    return CodedTable(table.dictionary, all_codes, table.pseudonyms)


@pytest.fixture
def one_round(scene):
    """One round of the shipped study in which hospital 0 has another table."""

    def run(table, outcome="cvd_event", features=FEATURES, min_cohort=MIN_COHORT, bundle=None):
        scene.nodes[0].close()
        scene.nodes[0] = scene.new_node(0, table=table)
        code = bundle or shipped_bundle("glm")
        config, model = glm_config(features, outcome), initial_model(features)
        permit = scene.issue(code_hash=code_hash(code), config_hash=config_hash(config), min_cohort=min_cohort)
        training = Training(
            scene.by_researcher,
            scene.grid(code),
            permit,
            config=config,
            model=model,
            combine=newton(),
            participants=scene.participants,
        )
        return training.round()

    return run


def refused_at_hospital_0(scene, run):
    with pytest.raises(RoundRefused) as refusal:
        run()
    first, *others = refusal.value.hospitals
    assert first.reason is Reason.COHORT_TOO_SMALL and all(other.answered for other in others)
    assert first.detail == f"fewer than the approved minimum of {MIN_COHORT} rows"
    assert scene.consortium.datasets[0] not in {use.dataset_id for use in scene.registry.uses()}
    (entry,) = scene.nodes[0].ledger.entries()
    assert entry.released_at is None, "the round is consumed"
    return True


@pytest.mark.parametrize("rows", [1, MIN_COHORT - 1])
@pytest.mark.parametrize("column", ["hba1c", "ldl"])
def test_an_outcome_or_feature_observed_for_too_few_patients_is_refused(scene, one_round, column, rows):
    """With one row, gradient and Hessian would be that patient's row."""
    few = rare(scene.consortium.tables[0], column, np.flatnonzero(scene.consortium.tables[0].observed(column))[:rows])
    outcome = column if column == "hba1c" else "cvd_event"
    assert refused_at_hospital_0(scene, lambda: one_round(few, outcome))


def test_exactly_the_minimum_is_enough(scene, one_round):
    table = scene.consortium.tables[0]
    one_round(rare(table, "ldl", np.flatnonzero(table.observed("ldl"))[:MIN_COHORT]))


@pytest.mark.parametrize("column", ["cvd_event", "prior_event"])
@pytest.mark.parametrize("rows", [[5], range(7)])
def test_a_value_of_two_that_only_a_few_patients_have_is_refused(scene, one_round, column, rows):
    """The sums over one value's rows stand in gradient and Hessian: of one case they are the case's own row."""
    other = changed(scene.consortium.tables[0], column, rows)
    assert refused_at_hospital_0(scene, lambda: one_round(other, features=(*FEATURES, "prior_event")))


@pytest.mark.parametrize("rows", [[], range(8)])
def test_a_value_that_nobody_or_enough_patients_have_is_answered(scene, one_round, rows):
    one_round(changed(scene.consortium.tables[0], "prior_event", rows), features=(*FEATURES, "prior_event"))


def test_an_indicator_of_a_few_missing_values_is_zero_throughout(tables):
    for missing, shown in ((1, 0), (7, 0), (8, 8)):
        table = rare(tables[0], "bmi", range(missing, tables[0].rows))
        table = with_codes(table, "bmi", np.maximum(table.codes("bmi"), np.arange(table.rows) >= missing))
        data = design(table, ("bmi",), "cvd_event", ("bmi",))
        assert data.columns[-1] == "bmi missing" and data.design[:, -1].sum() == shown


STUBBORN = """
from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from belmont.federated.node.data import training_data
app = ClientApp()
@app.train()
def train(message, context):
    try:
        training_data(context, ("age",), "hba1c")
    except Exception:
        pass
    content = RecordDict({"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=message)
"""


def test_code_that_goes_on_after_it_asked_for_too_few_rows_releases_nothing(scene, one_round, app_builder):
    few = rare(scene.consortium.tables[0], "hba1c", [5])
    assert refused_at_hospital_0(scene, lambda: one_round(few, bundle=app_builder(STUBBORN)))


KEPT = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from belmont.federated.node.data import training_data
app = ClientApp()
runs = []
@app.train()
def train(message, context):
    runs.append(1)
    data = training_data(context, ("age",), "cvd_event")
    try:
        data.design[0, 0] = 5.0
    except ValueError:
        runs.append(1)
    arrays = ArrayRecord({"sum": Array(data.design.sum(axis=0)), "runs": Array(np.array([len(runs)], float))})
    content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": len(data.outcome)})})
    return Message(content, reply_to=message)
"""


def test_a_study_changes_neither_the_rows_nor_its_own_modules_for_the_next_round(scene, app_builder):
    """What was made of the rows, and of the code, is kept between rounds; neither shows it."""
    scene.bundle = app_builder(KEPT)
    permit = scene.issue()
    answers = []
    for n in (1, 2, 3):
        scene.open_round(permit, n)
        answers.append(read_arrays(scene.send_round(permit, n).content["arrays"]))
    for answer in answers:
        assert answer["runs"] == [2.0], "the rows can be written to, or the modules are those of another round"
        np.testing.assert_array_equal(answer["sum"], answers[0]["sum"])
