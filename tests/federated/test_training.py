"""Training from the researcher's side: what it learns, what it shows, and what it notices."""

import hashlib

import numpy as np
import pytest

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import code_hash, config_hash, model_hash, update_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.combine import Update, federated_averaging, weighted_metrics
from belmont.federated.models.glm import glm_config, initial_model, newton, risk
from belmont.federated.models.training import Training
from belmont.federated.node.bundle import run_config_of
from belmont.federated.node.design import design
from belmont.lab.metrics import auc, pooled_logistic
from belmont.registry.types import UseKind

FEATURES = ("age", "hba1c", "systolic", "ldl", "smoking")
MISSING = ("hba1c", "ldl")
OUTCOME = "cvd_event"


@pytest.fixture
def logistic(scene):
    """The shipped study, ready to train."""
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, OUTCOME, MISSING)
    scene.model = initial_model(FEATURES, MISSING)
    return scene


def training_of(scene, permit, **changes):
    arguments = {
        "config": scene.config,
        "model": scene.model,
        "combine": newton(),
        "participants": scene.participants,
    } | changes
    return Training(scene.by_researcher, scene.grid(), permit, **arguments)


def test_ten_federated_rounds_give_the_pooled_model(logistic):
    training = training_of(logistic, logistic.issue(rounds=10))
    results = list(training.rounds())
    assert [result.n for result in results] == list(range(1, 11))
    data = [design(table, FEATURES, OUTCOME, MISSING) for table in logistic.consortium.tables]
    x, y = np.vstack([d.design for d in data]), np.concatenate([d.outcome for d in data])
    pooled = pooled_logistic(x, y)
    federated_auc, pooled_auc = auc(risk(x, training.model), y), auc(x @ pooled, y)
    assert abs(federated_auc - pooled_auc) < 0.001
    assert pooled_auc > 0.65
    assert results[-1].metrics["loss"] < results[0].metrics["loss"]
    assert results[-1].rows == len(y)
    assert np.abs(results[-1].model["coefficients"] - results[-2].model["coefficients"]).max() < 1e-9


def test_each_round_starts_from_the_model_that_was_opened_on_chain(logistic):
    permit = logistic.issue()
    training = training_of(logistic, permit)
    before = training.model
    first, second = training.round(), training.round()
    assert first.model_hash == model_hash(before)
    assert second.model_hash == model_hash(first.model)
    for result in (first, second):
        assert logistic.registry.opened(permit, UseKind.ROUND, result.n).subject_hash == result.model_hash
    assert len(logistic.registry.uses(permit)) == 8


def test_no_hospitals_own_metrics_are_shown(logistic):
    result = training_of(logistic, logistic.issue()).round()
    assert set(result.metrics) == {"loss"}
    assert all(not hasattr(hospital, "metrics") for hospital in result.hospitals)
    assert all(hospital.answered and hospital.milliseconds >= 0 for hospital in result.hospitals)


def test_progress_is_reported_for_each_hospital_on_the_callers_thread(logistic):
    import threading

    events = []
    permit = logistic.issue()
    grid = logistic.grid(on_event=lambda event: events.append((event.kind, threading.get_ident())))
    Training(
        logistic.by_researcher,
        grid,
        permit,
        config=logistic.config,
        model=logistic.model,
        combine=newton(),
        participants=logistic.participants,
    ).round()
    assert [kind for kind, _ in events] == ["sent"] * 4 + ["answered"] * 4
    assert {thread for _, thread in events} == {threading.get_ident()}


def test_an_update_changed_on_its_way_is_noticed(logistic):
    from belmont.federated.grid.in_process import InProcessGrid
    from belmont.federated.grid.records import read_arrays, write_arrays

    class Liar(InProcessGrid):
        def send_and_receive(self, messages, *, timeout=None):
            replies = list(super().send_and_receive(messages, timeout=timeout))
            arrays = read_arrays(replies[0].content["arrays"])
            replies[0].content["arrays"] = write_arrays(arrays | {"gradient": arrays["gradient"] + 1.0})
            return replies

    permit = logistic.issue()
    grid = Liar(logistic.nodes)
    grid.deliver(logistic.bundle)
    training = Training(
        logistic.by_researcher,
        grid,
        permit,
        config=logistic.config,
        model=logistic.model,
        combine=newton(),
        participants=logistic.participants,
    )
    with pytest.raises(FederatedError, match="changed on its way"):
        training.round()
    assert training.model is logistic.model


def test_a_round_opened_before_a_restart_is_not_opened_twice(logistic):
    permit = logistic.issue()
    training_of(logistic, permit).round()
    result = training_of(logistic, permit).round()
    assert result.n == 2


def test_the_shipped_bundle_is_the_same_bytes_each_time_and_declares_its_configuration():
    bundle = shipped_bundle("glm")
    assert bundle == shipped_bundle("glm")
    assert code_hash(bundle) == code_hash(shipped_bundle("glm"))
    assert set(run_config_of(bundle)) == set(glm_config(FEATURES, OUTCOME))


def test_the_configuration_hash_depends_on_types_and_not_on_order():
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert len({config_hash({"a": value}) for value in (1, 1.0, True, "1")}) == 4
    for bad in ({"a": [1]}, {"a": b"1"}, {"a": None}, {"a": float("nan")}, {"a": 2**63}, {1: "a"}):
        with pytest.raises(FederatedError):
            config_hash(bad)


def test_the_model_hash_depends_on_names_order_shapes_types_and_values():
    one = np.zeros((2, 3))
    variants = [
        {"a": one},
        {"b": one},
        {"a": one.T.copy()},
        {"a": one.astype(np.float32)},
        {"a": one + 1e-300},
        {"a": one, "b": one},
        {"b": one, "a": one},
        {"a": -one},
    ]
    assert len({model_hash(variant) for variant in variants}) == len(variants)
    assert model_hash({"a": np.asfortranarray(one)}) == model_hash({"a": one})


def test_federated_averaging_weights_by_rows():
    updates = [Update({"w": np.array([0.0])}, {"num-examples": 1, "loss": 1.0})]
    updates.append(Update({"w": np.array([4.0])}, {"num-examples": 3, "loss": 2.0}))
    assert federated_averaging({"w": np.array([9.0])}, updates)["w"] == [3.0]
    assert weighted_metrics(updates) == {"num-examples": 4, "loss": 1.75}
    with pytest.raises(FederatedError):
        federated_averaging({"v": np.array([9.0])}, updates)
    with pytest.raises(FederatedError):
        federated_averaging({"w": np.array([9.0])}, [Update({"w": np.array([1.0])}, {})])


def test_newton_refuses_updates_of_another_shape():
    step = newton()
    model = {"coefficients": np.zeros(2)}
    bad = Update({"gradient": np.zeros(3), "hessian": np.eye(3)}, {"num-examples": 5})
    with pytest.raises(FederatedError, match="size"):
        step(model, [bad])


def test_missing_values_become_the_reference_value_with_an_indicator(tables):
    data = design(tables[0], ("hba1c",), OUTCOME, ("hba1c",))
    missing = ~tables[0].observed("hba1c")
    assert data.columns == ("intercept", "hba1c", "hba1c missing")
    assert missing.any()
    assert (data.design[missing, 1] == 0).all() and (data.design[:, 2] == missing).all()
    with pytest.raises(FederatedError, match="no column"):
        design(tables[0], ("shoe size",), OUTCOME)


def test_a_hash_is_over_the_documented_bytes_and_leaves_the_arrays_where_they_are():
    """Written out once more, for arrays of every layout."""
    values = np.arange(36.0).reshape(6, 6)
    arrays = {"a": values[::2, ::3], "ü": np.asfortranarray(values.astype(np.float32))}
    arrays |= {"": np.zeros((0, 2)), "0": np.array(7.0)}
    encoded = len(arrays).to_bytes(4)
    for name, array in arrays.items():
        kind = {8: b"<f8", 4: b"<f4"}[array.itemsize]
        sizes = b"".join(size.to_bytes(8) for size in array.shape)
        encoded += len(name.encode()).to_bytes(4) + name.encode() + kind + array.ndim.to_bytes(1) + sizes
        encoded += array.tobytes("C")
    assert model_hash(arrays) == hashlib.sha256(b"belmont/model/1\0" + encoded).digest()
    metrics = b'{"loss":0.5,"num-examples":3}'
    expected = hashlib.sha256(b"belmont/update/1\0" + encoded + metrics).digest()
    assert update_hash(arrays, {"num-examples": 3, "loss": 0.5}) == expected
