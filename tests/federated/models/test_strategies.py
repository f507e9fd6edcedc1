"""Each strategy against Flower's own of that name on the same updates, and against its paper's formula."""

import logging

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Metadata, MetricRecord, RecordDict
from flwr.app.message.message import make_message
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import strategy as earlier
from flwr.serverapp import strategy as flower
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.errors import Diverged, FederatedError
from belmont.federated.hashes import model_hash
from belmont.federated.models.combine import Update, federated_averaging
from belmont.federated.models.strategies import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedProx,
    FedYogi,
    Scaffold,
    parameters_of,
)
from belmont.federated.secagg.settings import SecureSum

SHAPES = {"layer-1": (4, 3), "layer-2": (4, 1)}
ROWS = (120, 45, 300)
EVERY = (FedAvg(), FedProx(), FedAvgM(), FedAdagrad(), FedAdam(), FedAdam(flower_bias=True), FedYogi(), Scaffold())
AS_FLOWER = [
    (FedAvg(), lambda: flower.FedAvg()),
    (FedProx(mu=0.3), lambda: flower.FedProx(proximal_mu=0.3)),
    (FedAvgM(0.7, 0.8), lambda: flower.FedAvgM(server_learning_rate=0.7, server_momentum=0.8)),
    (FedAdagrad(0.2, 0.0, first_second_moment=0.0), lambda: flower.FedAdagrad(eta=0.2)),
    (
        FedAdam(0.2, 0.8, 0.95, first_second_moment=0.0, flower_bias=True),
        lambda: flower.FedAdam(eta=0.2, beta_1=0.8, beta_2=0.95),
    ),
    (FedYogi(0.05, 0.8, 0.95, first_second_moment=0.0), lambda: flower.FedYogi(eta=0.05, beta_1=0.8, beta_2=0.95)),
]


def drawn(seed, count=3, kind=np.float64):
    """Parameters to start from, and what hospitals answer in each of five rounds, as changes of what they were sent."""
    draw = np.random.default_rng(seed)
    start = {name: draw.normal(size=shape).astype(kind) for name, shape in SHAPES.items()}
    changes = [[{n: draw.normal(0, 0.1, s) for n, s in SHAPES.items()} for _ in range(count)] for _ in range(5)]
    return start, changes


def answered(strategy, model, changes, rows=ROWS):
    """Updates of hospitals whose parameters moved so; SCAFFOLD's gradients are made up of them."""
    updates = []
    for change, n in zip(changes, rows, strict=True):
        arrays = {name: model[name] + each for name, each in change.items()}
        if isinstance(strategy, Scaffold):
            arrays |= {f"gradient/{name}": 3 * each for name, each in change.items()}
        updates.append(Update(arrays, {"num-examples": n, "loss": 1.0, "diverged": 0.0}))
    return updates


def reply(update, n):
    content = {
        "arrays": ArrayRecord({name: Array(each) for name, each in update.arrays.items()}),
        "metrics": MetricRecord({"num-examples": update.metrics["num-examples"]}),
    }
    metadata = Metadata(1, f"reply-{n}", n, 1, "sent", "1", 0.0, 100.0, "train")
    return make_message(metadata=metadata, content=RecordDict(content))


@pytest.mark.parametrize(("ours", "theirs"), AS_FLOWER, ids=lambda each: type(each).__name__)
def test_five_rounds_give_what_flowers_strategy_of_that_name_gives(ours, theirs, caplog):
    caplog.set_level(logging.CRITICAL, "flwr")
    other, (start, rounds) = theirs(), drawn(1)
    model, record = ours.initial(start), ArrayRecord({name: Array(each) for name, each in start.items()})
    for n, changes in enumerate(rounds, 1):
        updates = answered(ours, model, changes)
        other.current_arrays = (
            record if isinstance(other, flower.FedAvgM) else {name: each.numpy() for name, each in record.items()}
        )
        record, _ = other.aggregate_train(n, [reply(each, k) for k, each in enumerate(updates, 1)])
        model = ours.combine()(model, updates)
        for name, each in record.items():
            np.testing.assert_allclose(model[name], each.numpy(), rtol=1e-12, atol=1e-14)


EARLIER = [
    (FedAvg(), lambda start: earlier.FedAvg(initial_parameters=start)),
    (
        FedAdam(0.2, 0.8, 0.95, 1e-3, 0.0, flower_bias=True),
        lambda start: earlier.FedAdam(initial_parameters=start, eta=0.2, beta_1=0.8, beta_2=0.95, tau=1e-3),
    ),
    (
        FedYogi(0.05, 0.8, 0.95, 1e-3, 0.0),
        lambda start: earlier.FedYogi(initial_parameters=start, eta=0.05, beta_1=0.8, beta_2=0.95, tau=1e-3),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), EARLIER, ids=lambda each: type(each).__name__)
def test_five_rounds_give_what_flowers_earlier_strategies_give(ours, theirs, caplog):
    caplog.set_level(logging.CRITICAL, "flwr")
    start, rounds = drawn(2)
    other, model = theirs(ndarrays_to_parameters(list(start.values()))), ours.initial(start)
    for n, changes in enumerate(rounds, 1):
        updates = answered(ours, model, changes)
        fits = [
            (None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters(list(u.arrays.values())), int(u.rows), {}))
            for u in updates
        ]
        found, _ = other.aggregate_fit(n, fits, [])
        model = ours.combine()(model, updates)
        for mine, each in zip(parameters_of(model).values(), parameters_to_ndarrays(found), strict=True):
            np.testing.assert_allclose(mine, each, rtol=1e-12, atol=1e-14)


def test_without_further_choices_adam_and_yogi_are_algorithm_2_of_the_paper():
    """Written out for one number: no correction of bias, and v begins at tau squared."""
    for strategy in (FedAdam(), FedYogi()):
        x, m, v, tau = 1.0, 0.0, strategy.tau**2, strategy.tau
        model = strategy.initial({"w": np.array([x])})
        for change in (0.5, -0.2, 0.01):
            model = strategy.combine()(model, [Update({"w": model["w"] + change}, {"num-examples": 10})])
            m = 0.9 * m + 0.1 * change
            square = change**2
            v = 0.99 * v + 0.01 * square if type(strategy) is FedAdam else v - 0.01 * square * np.sign(v - square)
            x += strategy.learning_rate * m / (np.sqrt(v) + tau)
            np.testing.assert_allclose(model["w"], [x], rtol=1e-12)


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_a_secure_sum_gives_the_same_model_as_single_updates(strategy):
    start, rounds = drawn(3)
    clear = secure = strategy.initial(start)
    layout = SecureSum(strategy.summed(start), ("loss", "diverged"), True, 24)
    for changes in rounds:
        clear = strategy.combine()(clear, answered(strategy, clear, changes))
        vectors = [layout.encode(each.arrays, each.metrics, len(ROWS)) for each in answered(strategy, secure, changes)]
        total = Update(*layout.decode(np.sum(vectors, axis=0)))
        assert total.rows == sum(ROWS)
        secure = strategy.combine()(secure, [total])
    for name, each in clear.items():
        np.testing.assert_allclose(secure[name], each, atol=2e-5)


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_training_goes_on_from_arrays_alone(strategy):
    start, rounds = drawn(4)
    whole = strategy.initial(start)
    for changes in rounds:
        whole = strategy.combine()(whole, answered(strategy, whole, changes))
    model = strategy.initial(start)
    for changes in rounds:
        again = {name: each.copy() for name, each in model.items()}
        model = type(strategy)(**vars(strategy)).combine()(again, answered(strategy, again, changes))
    assert model_hash(model) == model_hash(whole)


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_a_model_keeps_its_names_shapes_and_kind(strategy):
    start, rounds = drawn(5, kind=np.float32)
    model = strategy.initial(start)
    after = strategy.combine()(model, answered(strategy, model, rounds[0]))
    assert [(n, a.dtype, a.shape) for n, a in after.items()] == [(n, a.dtype, a.shape) for n, a in model.items()]
    assert all(a.dtype == np.float32 for a in after.values())
    assert list(parameters_of(after)) == list(SHAPES)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=6), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_the_average_is_numpys_by_rows_under_either_name_and_lies_among_the_updates(rows, seed):
    start, rounds = drawn(seed, len(rows))
    updates = answered(FedAvg(), start, rounds[0], rows)
    mine, other = FedAvg().combine()(start, updates), federated_averaging(start, updates)
    for name in SHAPES:
        stacked = np.stack([each.arrays[name] for each in updates])
        expected = np.average(stacked, axis=0, weights=rows)
        for found in (mine, other):
            np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-14)
        assert (mine[name] <= stacked.max(axis=0) + 1e-12).all() and (mine[name] >= stacked.min(axis=0) - 1e-12).all()


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_what_rows_are_standardised_by_travels_along_and_is_never_changed(strategy):
    start, rounds = drawn(8)
    model = strategy.initial(start) | {"references": np.ones((3, 3))}
    after = strategy.combine()(model, answered(strategy, {n: model[n] for n in SHAPES}, rounds[0]))
    assert list(after) == list(model) and np.array_equal(after["references"], np.ones((3, 3)))
    assert not any("references" in name for name in after if name != "references")
    with pytest.raises(FederatedError, match="references"):
        strategy.initial({"references": np.ones((3, 3))})


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_hospitals_whose_steps_ran_away_stop_training_with_what_to_change(strategy):
    start, rounds = drawn(6)
    model = strategy.initial(start)
    updates = answered(strategy, model, rounds[0])
    lost = Update(updates[1].arrays, updates[1].metrics | {"diverged": 1.0})
    with pytest.raises(Diverged, match=r"10% of the rows.*smaller learning rate") as caught:
        strategy.combine()(model, [updates[0], lost, updates[2]])
    assert caught.value.share == pytest.approx(45 / 465)
    infinite = Update(
        {name: np.full_like(each, np.inf) for name, each in updates[1].arrays.items()}, updates[1].metrics
    )
    with pytest.raises(Diverged, match="in the mean"):
        strategy.combine()(model, [infinite])


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_updates_and_models_of_another_form_are_refused(strategy):
    start, rounds = drawn(7)
    model, changes = strategy.initial(start), rounds[0]
    updates = answered(strategy, model, changes)
    name = next(iter(updates[0].arrays))
    without = Update({n: a for n, a in updates[0].arrays.items() if n != name}, updates[0].metrics)
    turned = Update(updates[0].arrays | {name: updates[0].arrays[name].T}, updates[0].metrics)
    for wrong in ([without, *updates[1:]], [turned], []):
        with pytest.raises(FederatedError):
            strategy.combine()(model, wrong)
    with pytest.raises(FederatedError, match="num-examples"):
        strategy.combine()(model, [Update(updates[0].arrays, {})])
    if len(model) > len(start):
        with pytest.raises(FederatedError, match=r"begin with \w+.initial"):
            strategy.combine()(start, updates)
    with pytest.raises(FederatedError, match="moment/w"):
        strategy.initial({"moment/w": np.zeros(1)})


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        (FedProx, {"mu": 0.0}),
        (FedProx, {"mu": float("nan")}),
        (FedProx, {"mu": True}),
        (FedAvgM, {"momentum": 1.0}),
        (FedAvgM, {"momentum": -0.1}),
        (FedAvgM, {"learning_rate": "1"}),
        (FedAdam, {"learning_rate": 0.0}),
        (FedAdam, {"beta1": 1.0}),
        (FedAdam, {"beta2": -0.5}),
        (FedAdam, {"tau": 0.0}),
        (FedYogi, {"tau": float("inf")}),
        (FedYogi, {"first_second_moment": -1.0}),
        (Scaffold, {"learning_rate": -1.0}),
    ],
)
def test_numbers_that_lead_nowhere_are_refused_with_what_to_give(kind, choices):
    with pytest.raises(FederatedError, match=next(iter(choices))):
        kind(**choices)


def test_only_what_changes_at_the_hospital_is_in_the_configuration():
    quiet = {"proximal-mu": 0.0, "control-variates": False}
    for strategy in EVERY:
        changed = {FedProx: {"proximal-mu": 0.01}, Scaffold: {"control-variates": True}}.get(type(strategy), {})
        assert strategy.config() == quiet | changed
