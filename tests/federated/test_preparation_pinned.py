"""References that change between two rounds tell the row of a patient who lacks a value; a permit's rounds have one."""

import numpy as np
import pytest

from belmont.federated.errors import FederatedError
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model, newton
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.training import Training
from belmont.federated.node.design import REFERENCES

FEATURES = ("age", "ldl")
OUTCOME = "cvd_event"
FIRST = np.array([[64.0, 64.0, 10.0], [2.5, 2.5, 1.0]])
OTHER_FILL = np.array([[64.0, 64.0, 10.0], [1_002.5, 2.5, 1.0]])
OTHER_CENTER = np.array([[64.0, 64.0, 10.0], [2.5, 3.5, 1.0]])


@pytest.fixture
def glm(scene):
    scene.bundle, scene.config = shipped_bundle("glm"), glm_config(FEATURES, OUTCOME)
    scene.model = initial_model(FEATURES)
    return scene


def training_of(scene, permit, references):
    model = scene.model | ({} if references is None else {REFERENCES: references})
    arguments = {"config": scene.config, "model": model, "combine": lambda model, updates: model}
    return Training(scene.by_researcher, scene.grid(), permit, participants=scene.participants, **arguments)


def test_without_the_rule_two_fills_tell_the_row_of_the_only_patient_who_lacks_a_value(scene):
    table = scene.consortium.tables[0]
    lacking = np.flatnonzero(~table.observed("ldl"))
    victim = lacking[0]
    keep = np.ones(table.rows, bool)
    keep[lacking[1:]] = False
    alone = table.select(keep)
    sums = []
    for references in (FIRST, OTHER_FILL):
        model = initial_model(FEATURES) | {REFERENCES: references}
        study = shipped_bundle("glm"), glm_config(FEATURES, OUTCOME), model, lambda model, updates: model
        rehearsal = Rehearsal(*study, [alone], min_cohort=50, smallest_cell=8)
        rehearsal.round()
        sums.append(rehearsal.updates[0].arrays["hessian"])
    told = (sums[1] - sums[0])[2]
    age = (table.values("age")[victim] - 64.0) / 10.0
    assert told[1] / told[0] == pytest.approx(age), "the patient's age, from two sums"


@pytest.mark.parametrize("other", [OTHER_FILL, OTHER_CENTER, None])
def test_a_node_refuses_other_references_than_the_permits_first_round_had(glm, other):
    permit = glm.issue()
    training_of(glm, permit, FIRST).round()
    training_of(glm, permit, FIRST).round()
    with pytest.raises(FederatedError, match="other references than the permit's first round"):
        training_of(glm, permit, other).round()
    with pytest.raises(FederatedError, match="other references"):
        training_of(glm, permit, other).evaluate()
    training_of(glm, permit, FIRST).round()


def test_nor_may_they_come_later(glm):
    permit = glm.issue()
    training_of(glm, permit, None).round()
    with pytest.raises(FederatedError, match="other references"):
        training_of(glm, permit, FIRST).round()


def test_a_round_that_is_not_admitted_says_nothing_of_the_first_ones_references(glm):
    permit = glm.issue()
    model = glm.model | {REFERENCES: OTHER_FILL}
    assert glm.send_round(permit, 1, model=model).has_error(), "nobody opened it"
    training_of(glm, permit, FIRST).round()


def test_another_permit_has_references_of_its_own(glm):
    training_of(glm, glm.issue(), FIRST).round()
    training_of(glm, glm.issue(), OTHER_CENTER).round()


def test_newton_steps_keep_them(glm):
    permit = glm.issue(rounds=8)
    model = glm.model | {REFERENCES: FIRST}
    training = Training(
        glm.by_researcher,
        glm.grid(),
        permit,
        config=glm.config,
        model=model,
        combine=newton(),
        participants=glm.participants,
    )
    list(training.rounds(3))
    assert np.array_equal(training.model[REFERENCES], FIRST)
