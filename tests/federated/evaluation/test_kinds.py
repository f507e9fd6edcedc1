"""A round's record says which kind of round it was, and blames no hospital for what it was asked."""

from dataclasses import replace

import pytest

from belmont.federated.bounded.record import check_vectors
from belmont.federated.errors import SecAggError, VectorRejected
from belmont.federated.evaluation.layout import evaluation_config
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, initial_model
from belmont.federated.models.training import Training
from belmont.federated.secagg.settings import read_secure_sum

FEATURES = ("age", "hba1c")


@pytest.fixture
def records(scene):
    """Of a round of training, and of an evaluation."""
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, "antihypertensive", secure=True, evaluation=evaluation_config("risk", 0.5))
    scene.model = initial_model(FEATURES)
    arguments = {"config": scene.config, "model": scene.model, "combine": lambda model, updates: model}
    training = Training(scene.by_researcher, scene.grid(), scene.issue(), participants=scene.participants, **arguments)
    return training.round().record, training.evaluate().record


def test_a_record_says_whether_its_round_trained_or_evaluated(records):
    assert [each.kind for each in records] == ["train", "evaluate"]


def test_where_some_were_asked_to_train_and_others_to_evaluate_no_hospital_is_named(scene, records):
    trained, evaluated = records
    first, *others = trained.delivered
    other = replace(trained.delivered[first], layout_hash=evaluated.delivered[first].layout_hash)
    mixed = replace(trained, delivered={first: other} | {each: trained.delivered[each] for each in others})
    with pytest.raises(SecAggError, match="some to evaluate") as refused:
        check_vectors(mixed, scene.registry)
    assert not isinstance(refused.value, VectorRejected)


def test_a_layout_that_is_neither_is_still_its_hospitals(scene, records):
    trained, _ = records
    assert read_secure_sum(trained.config) == trained.secure
    first, *others = trained.delivered
    other = replace(trained.delivered[first], layout_hash=bytes(32))
    mixed = replace(trained, delivered={first: other} | {each: trained.delivered[each] for each in others})
    with pytest.raises(VectorRejected):
        check_vectors(mixed, scene.registry)
