"""Gradient rounds with noise, of any model that is named arrays."""

import numpy as np
import pytest
from tests.federated.models.study_rounds import FEATURES, OUTCOME, answer, drawn, table
from tests.federated.models.test_network import BUNDLE

from belmont.federated.accounting.release import plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import FederatedError
from belmont.federated.executor.protocol import Answer
from belmont.federated.hashes import config_hash
from belmont.federated.models.combine import Update
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.glm import gradient_steps as logistic_steps
from belmont.federated.models.gradient import gradient_steps, with_velocity
from belmont.federated.models.local import LocalTraining
from belmont.federated.models.network import Network, initial_network, network_combine, network_config, network_outputs
from belmont.federated.models.strategies import FedAvg
from belmont.federated.node.noise import Noisy, read_noise
from belmont.federated.secagg.settings import read_secure_sum

PRIVATE = PrivateSteps(PrivacySettings(Clipping.EXAMPLE, 2.0, 20, 50_000_000, 3), 2.0, 0.5)
LOCAL = LocalTraining(l2=0.01)


def private_study(network):
    config = network_config(FEATURES, OUTCOME, (), network, LOCAL, FedAvg(), private=PRIVATE)
    model = initial_network(network, LOCAL, FedAvg(), PRIVATE)
    return config, model, network_combine(network, LOCAL, FedAvg(), PRIVATE)


def test_the_logistic_study_takes_the_same_steps():
    draw = np.random.default_rng(0)
    w = draw.normal(size=4)
    ours, theirs = with_velocity({"layer-1": w[:, None]}), with_velocity({"coefficients": w})
    penalty = np.full((4, 1), 0.02)
    penalty[0] = 0.0
    mine, other = gradient_steps(2.0, 0.5, {"layer-1": penalty}), logistic_steps(PRIVATE, ridge=0.02)
    for _ in range(4):
        gradient = draw.normal(size=4)
        metrics = {"num-examples": 50.0}
        ours = mine(ours, [Update({"layer-1": gradient[:, None]}, metrics)])
        theirs = other(theirs, [Update({"gradient": gradient}, metrics)])
        np.testing.assert_allclose(ours["layer-1"][:, 0], theirs["coefficients"], atol=1e-14)
        np.testing.assert_allclose(ours["velocity/layer-1"][:, 0], theirs["velocity/coefficients"], atol=1e-14)


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_hospitals_answer_by_row_and_steps_with_noise_learn(hidden):
    network = Network(3, hidden)
    config, model, combine = private_study(network)
    config_hash(config)
    secure = read_secure_sum(config)
    noise = read_noise(config, secure)
    plan = plan_release(noise, secure.layout.size)
    assert secure.layout.size == network.parameters
    hospitals = drawn(3, (400, 300, 500))
    for n in range(1, 16):
        total = np.zeros(secure.layout.size, np.int64)
        for x, y in hospitals:
            found = answer(BUNDLE, config, model, n, table(x, y), noisy=True)
            assert isinstance(found, Answer) and found.metrics == {}
            assert all(len(each) == len(x) for each in found.arrays.values())
            total += Noisy(plan, secure, len(x)).vector(found.arrays)
        model = combine(model, [Update(secure.decode(total)[0], {"num-examples": 1200.0})])
    assert list(model) == [*network.shapes, *(f"velocity/{name}" for name in network.shapes)]
    x, y = (np.concatenate(each) for each in zip(*hospitals, strict=True))
    shown = network_outputs(network, np.column_stack([np.ones(len(x)), x]), model)[:, 1]
    assert np.mean((shown > 0.5) == y) > 0.65


def test_what_a_hospital_does_without_noise_is_not_in_the_configuration_with_it():
    config, *_ = private_study(Network(3, ()))
    assert not {"epochs", "batch-size", "learning-rate", "proximal-mu", "control-variates"} & set(config)
    assert (config["step"], config["momentum"], config["belmont-clipping"]) == (2.0, 0.5, "example")


def test_updates_and_models_of_another_form_are_refused():
    rule, model = gradient_steps(1.0, 0.5, {"w": np.zeros(1)}), with_velocity({"w": np.zeros(3)})
    good = {"num-examples": 10.0}
    for update, start in (
        (Update({"w": np.zeros(2)}, good), model),
        (Update({"v": np.zeros(3)}, good), model),
        (Update({"w": np.zeros(3)}, {}), model),
        (Update({"w": np.zeros(3)}, good), {"w": np.zeros(3)}),
    ):
        with pytest.raises(FederatedError):
            rule(start, [update])
    for far in (1e300, 1e6):
        with pytest.raises(FederatedError, match="smaller step"):
            rule(model, [Update({"w": np.full(3, far)}, good)])
    kept = rule(model | {"references": np.ones((1, 3))}, [Update({"w": np.ones(3)}, good)])
    assert np.array_equal(kept["references"], np.ones((1, 3))) and np.allclose(kept["w"], -0.1)
