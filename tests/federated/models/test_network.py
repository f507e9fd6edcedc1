"""The perceptron: its gradients, its local steps, what the hospital answers, and its regressions."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests.federated.models.study_rounds import FEATURES, OUTCOME, answer, drawn, rounds, table

from belmont.federated.errors import Diverged, FederatedError
from belmont.federated.evaluation.layout import bins_of, evaluation_config
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.protocol import Answer, Failed, TooSmall
from belmont.federated.models.apps.network.belmont_network import layers as rule
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.combine import Update
from belmont.federated.models.local import LocalTraining, Target
from belmont.federated.models.network import (
    Network,
    initial_layers,
    initial_network,
    network_combine,
    network_config,
    network_outputs,
)
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.strategies import FedAdam, FedAvg, FedAvgM, FedProx, FedYogi, Scaffold, parameters_of

BUNDLE = shipped_bundle("network")
CLASSES = Target("softmax", (0.0, 1.0, 2.0))
NUMBERS = Target("squared")
FORMS = [
    Network(3, hidden, activation, target)
    for hidden, activation, target in itertools.product(
        ((), (5,), (4, 3)), ("relu", "tanh"), (Target(), CLASSES, NUMBERS)
    )
    if hidden or activation == "relu"
]


def problem(network, rows, seed=0):
    """Rows with an intercept, targets and layers whose biases are not 0."""
    draw = np.random.default_rng(seed)
    x = np.column_stack([np.ones(rows), draw.normal(size=(rows, network.inputs))])
    loss, k = network.target.loss, network.target.outputs
    drawn_class = draw.integers(0, max(2, k), rows)
    target = {
        "squared": draw.normal(size=(rows, 1)),
        "logistic": drawn_class[:, None].astype(float),
        "softmax": np.eye(max(2, k))[drawn_class],
    }[loss]
    return x, target, [draw.normal(0, 0.7, shape) for shape in network.shapes.values()]


def mean_loss(network, x, target, layers):
    return float(rule.losses(rule.forward(x, layers, network.activation)[-1], target, network.target.loss).mean())


@pytest.mark.parametrize("network", FORMS, ids=str)
def test_gradients_are_those_of_finite_differences(network):
    x, target, layers = problem(network, 12)
    found = rule.gradients(x, target, layers, network.activation, network.target.loss)
    for k, layer in enumerate(layers):
        for at in np.ndindex(layer.shape):
            moved = [[each.copy() for each in layers] for _ in range(2)]
            moved[0][k][at] += 1e-6
            moved[1][k][at] -= 1e-6
            slope = (mean_loss(network, x, target, moved[0]) - mean_loss(network, x, target, moved[1])) / 2e-6
            assert found[k][at] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("network", FORMS, ids=str)
def test_each_rows_gradient_is_that_of_the_row_alone_and_their_mean_is_the_gradient(network, monkeypatch):
    x, target, layers = problem(network, 23)
    monkeypatch.setattr(rule, "_CELLS_AT_ONCE", 100)  # several turns
    shape = network.activation, network.target.loss
    by_row = rule.row_gradients(x, target, layers, *shape)
    for each, mean in zip(by_row, rule.gradients(x, target, layers, *shape), strict=True):
        np.testing.assert_allclose(each.mean(axis=0), mean, atol=1e-13)
    for i in range(len(x)):
        alone = rule.gradients(x[i : i + 1], target[i : i + 1], layers, *shape)
        for each, own in zip(by_row, alone, strict=True):
            np.testing.assert_allclose(each[i], own, atol=1e-13)


@pytest.mark.parametrize("network", FORMS, ids=str)
def test_losses_and_gradients_are_pytorchs(network):
    torch = pytest.importorskip("torch", reason="PyTorch is the optional extra belmont[torch]")
    x, target, layers = problem(network, 31)
    tensors = [torch.tensor(each, requires_grad=True) for each in layers]
    h = torch.tensor(x[:, 1:])
    for k, layer in enumerate(tensors):
        h = torch.nn.functional.linear(h, layer[1:].T, layer[0])
        if k < len(tensors) - 1:
            h = torch.relu(h) if network.activation == "relu" else torch.tanh(h)
    goal = torch.tensor(target)
    if network.target.loss == "squared":
        loss = 0.5 * torch.nn.functional.mse_loss(h, goal)
    elif network.target.loss == "logistic":
        loss = torch.nn.functional.binary_cross_entropy_with_logits(h, goal)
    else:
        loss = torch.nn.functional.cross_entropy(h, goal)
    loss.backward()
    assert mean_loss(network, x, target, layers) == pytest.approx(float(loss), abs=1e-12)
    found = rule.gradients(x, target, layers, network.activation, network.target.loss)
    for mine, tensor in zip(found, tensors, strict=True):
        np.testing.assert_allclose(mine, tensor.grad.numpy(), atol=1e-12)


@given(st.floats(-800, 800), st.sampled_from([Target(), CLASSES]))
@settings(max_examples=60, deadline=None)
def test_probabilities_and_losses_are_finite_however_sure_a_network_is(z, target):
    linear = np.linspace(-z, z, target.outputs)[None] if target.outputs > 1 else np.array([[z]])
    found = target.shown(rule.predictions(linear, target.loss))
    assert np.isfinite(found).all() and found.sum() == pytest.approx(1.0) and (found >= 0).all()
    goal = np.eye(3)[[0]] if target.outputs > 1 else np.zeros((1, 1))
    assert np.isfinite(rule.losses(linear, goal, target.loss)).all()


def test_first_weights_follow_he_and_glorot_and_come_from_the_seed_alone():
    network = Network(400, (300, 200))
    layers = initial_layers(network, 5)
    assert all((each[0] == 0).all() for each in layers.values())
    assert layers["layer-1"][1:].std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert layers["layer-2"][1:].std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    bound = np.sqrt(6 / (200 + 1))
    assert 0.9 * bound < np.abs(layers["layer-3"]).max() <= bound
    bound = np.sqrt(6 / (400 + 300))
    tanh = initial_layers(replace(network, activation="tanh"), 5)["layer-1"]
    assert 0.99 * bound < np.abs(tanh).max() <= bound
    assert all(np.array_equal(each, layers[name]) for name, each in initial_layers(network, 5).items())
    assert not np.array_equal(initial_layers(network, 6)["layer-1"], layers["layer-1"])
    assert all((each == 0).all() for each in initial_layers(Network(3, ()), 5).values())
    assert initial_layers(network, 5, np.float32)["layer-1"].dtype == np.float32


def studied(network, local, strategy, **choices):
    """Configuration, model and rule of a study."""
    config = network_config(FEATURES, OUTCOME, (), network, local, strategy, **choices)
    return config, initial_network(network, local, strategy), network_combine(network, local, strategy)


def textbook_step(network, x, y, layers, chosen, l2):
    """The penalised gradient of a batch, layers as one list."""
    found = rule.gradients(x[chosen], y[chosen], layers, network.activation, network.target.loss)
    for g, w in zip(found, layers, strict=True):
        g[1:] += l2 * w[1:]
    return found


def local_model(network, local, x, y, layers, n, extra):
    """A hospital's local steps, written out; ``extra`` is what is added to a step's gradient at given layers."""
    order = np.random.default_rng([local.seed, n])
    velocity, w = [np.zeros_like(each) for each in layers], [each.copy() for each in layers]
    for _ in range(local.epochs):
        shuffled = order.permutation(len(x))
        for at in range(0, len(x), local.batch_size or len(x)):
            g = textbook_step(network, x, y, w, shuffled[at : at + (local.batch_size or len(x))], local.l2)
            for k, added in enumerate(extra(w)):
                velocity[k] = local.momentum * velocity[k] + g[k] + added
                w[k] = w[k] - local.learning_rate * velocity[k]
    return w


def hospitals(seed=1):
    made = drawn(seed)
    return [table(x, y) for x, y in made], [(np.column_stack([np.ones(len(x)), x]), y[:, None]) for x, y in made]


@pytest.mark.parametrize("batch_size", [0, 1, 7, 64, 10_000])
def test_local_steps_are_batches_of_shuffled_rows_with_momentum_and_a_proximal_term(batch_size):
    network, strategy = Network(3, (4,)), FedProx(mu=0.2)
    local = LocalTraining(2, batch_size, 0.1, 0.5, 0.01, seed=3)
    config, model, _ = studied(network, local, strategy)
    tables, data = hospitals()
    sent = list(model.values())
    for hospital, (x, y) in zip(tables, data, strict=True):
        found = answer(BUNDLE, config, model, 4, hospital)
        expected = local_model(
            network, local, x, y, sent, 4, lambda w: [0.2 * (a - b) for a, b in zip(w, sent, strict=True)]
        )
        for mine, each in zip(found.arrays.values(), expected, strict=True):
            np.testing.assert_allclose(mine, each, atol=1e-12)
        assert found.metrics["loss"] == pytest.approx(mean_loss(network, x, y, sent))
        assert found.metrics["num-examples"] == len(x) and found.metrics["diverged"] == 0.0


@pytest.mark.parametrize("sizes", [(60, 60, 60), (90, 41, 64)])
def test_scaffold_without_state_at_hospitals_is_the_stateful_algorithm_of_the_textbook(sizes):
    """Algorithm 1, option I, with full participation: each hospital keeps c_i, the server c; means weighted by rows, so
    that with hospitals of one size they are the paper's own."""
    network, local = Network(3, (4,)), LocalTraining(2, 16, 0.1, 0.0, 0.01, seed=8)
    strategy = Scaffold(learning_rate=0.9)
    made = drawn(4, sizes)
    tables = [table(x, y) for x, y in made]
    data = [(np.column_stack([np.ones(len(x)), x]), y[:, None]) for x, y in made]
    config, model, combine = studied(network, local, strategy)
    mine, _ = rounds(BUNDLE, config, model, combine, tables, 6)

    weights = np.array(sizes) / sum(sizes)
    server = [each.copy() for each in parameters_of(model).values()]
    control = [np.zeros_like(each) for each in server]
    kept = [[np.zeros_like(each) for each in server] for _ in data]  # c_i: state at the hospital
    for n in range(1, 7):
        moved, changed = [], []
        for i, (x, y) in enumerate(data):
            correction = [c - own for c, own in zip(control, kept[i], strict=True)]
            y_i = local_model(network, local, x, y, server, n, lambda w, added=correction: added)
            own = textbook_step(network, x, y, server, slice(None), local.l2)  # option I
            moved.append([a - b for a, b in zip(y_i, server, strict=True)])
            changed.append([a - b for a, b in zip(own, kept[i], strict=True)])
            kept[i] = own
        for k in range(len(server)):
            server[k] = server[k] + 0.9 * sum(w * each[k] for w, each in zip(weights, moved, strict=True))
            control[k] = control[k] + sum(w * each[k] for w, each in zip(weights, changed, strict=True))
    for found, expected in zip(parameters_of(mine).values(), server, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    for name, expected in zip(parameters_of(mine), control, strict=True):
        np.testing.assert_allclose(mine[f"control/{name}"], expected, atol=1e-12)


def test_scaffold_reaches_the_pooled_optimum_where_averaging_stops_short_of_it():
    """Hospitals of one class each pull a logistic regression apart: many full local steps, and the fixed point."""
    (x, y), *_ = drawn(9, (300,), (0.0,))
    split = np.where(y == 1, 0, 1)
    tables = [table(x[split == k], y[split == k]) for k in (0, 1)]
    network, local = Network(3, ()), LocalTraining(20, 0, 0.3, 0.0, 0.05)
    pooled, model, combine = studied(network, replace(local, epochs=1), FedAvg())
    best, _ = rounds(BUNDLE, pooled, model, combine, [table(x, y)], 800)
    off = {}
    for strategy in (FedAvg(), Scaffold()):
        config, model, combine = studied(network, local, strategy)
        found, _ = rounds(BUNDLE, config, model, combine, tables, 300)
        off[type(strategy)] = np.abs(found["layer-1"] - best["layer-1"]).max()
    assert off[FedAvg] > 0.05
    assert off[Scaffold] < 1e-6


def test_a_network_without_hidden_layers_is_logistic_and_linear_and_multinomial_regression():
    made = drawn(11)
    x, y = np.vstack([each for each, _ in made]), np.concatenate([each for _, each in made])
    local = LocalTraining(1, 0, 0.5, 0.0, 0.01)
    config, model, combine = studied(Network(3, ()), local, FedAvg())
    found, _ = rounds(BUNDLE, config, model, combine, [table(*each) for each in made], 400)
    peer = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(found["layer-1"][:, 0], [*peer.intercept_, *peer.coef_[0]], atol=1e-6)

    kinds = [(xi, (xi[:, 0] > 0.3).astype(float) + (yi > 0)) for xi, yi in made]
    z = np.concatenate([each for _, each in kinds])
    network = Network(3, (), target=CLASSES)
    config, model, combine = studied(network, local, FedAvg())
    found, _ = rounds(BUNDLE, config, model, combine, [table(*each) for each in kinds], 500)
    peer = LogisticRegression(C=1 / (0.01 * len(z)), tol=1e-10, max_iter=2000).fit(x, z)
    shown = network_outputs(network, np.column_stack([np.ones(len(x)), x]), found)
    np.testing.assert_allclose(shown, peer.predict_proba(x), atol=2e-3)

    numbers = [(xi, 80.0 + 12 * (xi @ [1.0, 2.0, -1.0]) + 10 * yi) for xi, yi in made]
    z = np.concatenate([each for _, each in numbers])
    network = Network(3, (), target=Target("squared", center=80.0, scale=15.0))
    config, model, combine = studied(network, replace(local, l2=0.0), FedAvg())
    found, _ = rounds(BUNDLE, config, model, combine, [table(*each) for each in numbers], 300)
    peer = LinearRegression().fit(x, z)
    shown = network_outputs(network, np.column_stack([np.ones(len(x)), x]), found)
    np.testing.assert_allclose(shown, peer.predict(x), atol=1e-6)


@pytest.mark.parametrize("strategy", [FedAvg(), FedProx(), FedAvgM(), FedAdam(), FedYogi(), Scaffold()], ids=repr)
def test_every_strategy_learns_and_a_secure_sum_gives_the_same(strategy):
    tables, _ = hospitals(2)
    config, model, combine = studied(Network(3, (6,)), LocalTraining(1, 16, 0.05), strategy, secure=True)
    clear, losses = rounds(BUNDLE, config, model, combine, tables, 12)
    secure, _ = rounds(BUNDLE, config, model, combine, tables, 12, secure=True)
    assert losses[-1] < losses[0] - 0.03
    for name, each in clear.items():
        np.testing.assert_allclose(secure[name], each, atol=1e-4)


def test_the_same_configuration_and_round_give_the_same_numbers_and_another_seed_or_round_do_not():
    tables, _ = hospitals(3)
    config, model, _ = studied(Network(3, (6,)), LocalTraining(1, 16), FedAvg())

    def first(config, n):
        return answer(BUNDLE, config, model, n, tables[0]).arrays["layer-1"]

    assert np.array_equal(first(config, 1), first(config, 1))
    assert not np.array_equal(first(config, 1), first(config, 2))
    assert not np.array_equal(first(config, 1), first(config | {"seed": 1}, 1))


def test_weights_may_be_float32_and_the_answer_is_then_too():
    tables, _ = hospitals(3)
    network, local = Network(3, (6,)), LocalTraining(1, 16)
    config, double, _ = studied(network, local, Scaffold())
    single = {name: each.astype(np.float32) for name, each in double.items()}
    found = answer(BUNDLE, config, single, 1, tables[0])
    assert all(each.dtype == np.float32 for each in found.arrays.values())
    expected = answer(BUNDLE, config, double, 1, tables[0])
    for name, each in found.arrays.items():
        np.testing.assert_allclose(each, expected.arrays[name], atol=1e-4)


def test_a_hospital_of_one_class_constant_columns_or_ten_rows_answers_what_it_has():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(10, 3))
    x[:, 1] = 4.0
    config, model, combine = studied(Network(3, (6,)), LocalTraining(3, 16), FedAvg())
    for hospital in (table(x, np.ones(10)), table(x, np.zeros(10)), table(x * [1, 1, 0], x[:, 0] > 0)):
        found = answer(BUNDLE, config, model, 1, hospital)
        assert isinstance(found, Answer) and found.metrics["num-examples"] == 10
        assert found.metrics["diverged"] == 0.0
        after = combine(model, [_update(found)])
        assert all(np.isfinite(each).all() for each in after.values())


def test_fewer_rows_than_the_permit_asks_for_are_refused_and_no_rows_at_all_change_nothing():
    draw = np.random.default_rng(0)
    ten, none = table(draw.normal(size=(10, 3)), np.arange(10) % 2), table(np.zeros((0, 3)), np.zeros(0))
    for strategy in (FedAvg(), Scaffold()):
        config, model, _ = studied(Network(3, (6,)), LocalTraining(1, 16), strategy)
        assert answer(BUNDLE, config, model, 1, ten, min_cohort=11) == TooSmall()
        found = answer(BUNDLE, config, model, 1, none, min_cohort=0)
        assert found.metrics == {"num-examples": 0, "loss": 0.0, "diverged": 0.0}
        assert all(np.array_equal(found.arrays[name], model[name]) for name in parameters_of(model))


@pytest.mark.parametrize("strategy", [FedAvg(), Scaffold()], ids=repr)
def test_a_loss_that_explodes_is_told_by_the_hospital_and_stops_training_with_what_to_change(strategy):
    _, data = hospitals(5)
    numbers = [table(x[:, 1:], 90.0 + 20 * x[:, 1]) for x, _ in data]
    network = Network(3, (6,), target=NUMBERS)  # a learning rate that does not fit the unit
    config, model, combine = studied(network, LocalTraining(5, 4, 0.5), strategy, secure=True)
    found = answer(BUNDLE, config, model, 1, numbers[0])
    assert isinstance(found, Answer) and found.metrics["diverged"] == 1.0
    assert all(np.isfinite(each).all() for each in found.arrays.values())
    before = {name: each.copy() for name, each in model.items()}
    with pytest.raises(Diverged, match="100% of the rows") as caught:
        rounds(BUNDLE, config, model, combine, numbers, 1, secure=True)
    assert "center and scale" in str(caught.value)
    assert all(np.array_equal(each, model[name]) for name, each in before.items())
    told = replace(network, target=Target("squared", center=90.0, scale=20.0))
    config, model, combine = studied(told, LocalTraining(5, 4, 0.05), strategy, secure=True)
    _, losses = rounds(BUNDLE, config, model, combine, numbers, 5, secure=True)
    assert losses[-1] < losses[0]


def test_a_model_that_is_already_beyond_numbers_is_told_as_such_too():
    tables, _ = hospitals(5)
    config, model, combine = studied(Network(3, (6,)), LocalTraining(1, 16), FedAvg())
    huge = {name: np.full_like(each, 1e200) for name, each in model.items()}
    found = answer(BUNDLE, config, huge, 1, tables[0])
    assert isinstance(found, Answer) and found.metrics["diverged"] == 1.0
    with pytest.raises(Diverged):
        combine(huge, [_update(found)])


def test_an_outcome_that_is_no_class_fails_at_the_hospital():
    x, _ = drawn(1)[0]
    config, model, _ = studied(Network(3, ()), LocalTraining(), FedAvg())
    assert isinstance(answer(BUNDLE, config, model, 1, table(x, np.arange(len(x)) % 3)), Failed)


def evaluated(bundle, config, model, combine, shown, kind):
    """What an evaluation of hospitals says of everybody, and what the model says of them here."""
    made = drawn(2)
    config = config | evaluation_config(kind, 0.25)
    rehearsal = Rehearsal(bundle, config, model, combine, [table(*each) for each in made])
    rehearsal.round()
    sums = [update.arrays for update in rehearsal.evaluate()]
    x, y = (np.concatenate(each) for each in zip(*made, strict=True))
    return sums, shown(np.column_stack([np.ones(len(x)), x]), rehearsal.model), y


def test_an_evaluation_sums_what_the_model_says_of_patients_who_were_kept_apart_and_of_the_others():
    network = Network(3, (6,))
    config, model, combine = studied(network, LocalTraining(1, 16), FedAvg())
    sums, found, y = evaluated(BUNDLE, config, model, combine, lambda *each: network_outputs(network, *each), "risk")
    counts = sum(each["counts"] for each in sums)
    assert counts.sum() == len(y) and counts[..., 1].sum() == y.sum() and 20 < counts[0].sum() < 90
    by_risk = counts.sum(axis=(0, 2))
    assert (by_risk == np.bincount(bins_of(found[:, 1]), minlength=len(by_risk))).all()
    network = Network(3, (6,), target=Target("squared", center=0.5, scale=2.0))
    config, model, combine = studied(network, LocalTraining(1, 16), FedAvg())
    sums, found, y = evaluated(BUNDLE, config, model, combine, lambda *each: network_outputs(network, *each), "value")
    moments = sum(each["moments"].sum(axis=0) for each in sums)
    np.testing.assert_allclose(moments, [len(y), y.sum(), found.sum(), y @ y, found @ found, y @ found])
    config, model, _ = studied(Network(3, (), target=CLASSES), LocalTraining(1, 16), FedAvg())
    with pytest.raises(FederatedError, match="evaluated-class is one of the model's classes"):
        evaluated(BUNDLE, config, model, FedAvg().combine(), lambda *_: None, "risk")


def test_patients_who_are_kept_apart_are_not_trained_on():
    config, model, _ = studied(Network(3, ()), LocalTraining(1, 16), FedAvg())
    (x, y), *_ = drawn(2)
    fractions = np.linspace(0.0, 1.0, len(x), endpoint=False)
    kept = answer(BUNDLE, config | evaluation_config("risk", 0.3), model, 1, table(x, y), fractions=fractions)
    alone = answer(BUNDLE, config, model, 1, table(x[fractions >= 0.3], y[fractions >= 0.3]))
    assert kept.metrics == alone.metrics
    np.testing.assert_array_equal(kept.arrays["layer-1"], alone.arrays["layer-1"])


def test_references_that_come_with_the_model_standardise_the_rows():
    config, model, combine = studied(Network(3, ()), LocalTraining(1, 16), FedAdam())
    (x, y), *_ = drawn(2)
    references = np.array([[0.0, 0.5, 2.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.5]])
    found = answer(BUNDLE, config, model | {"references": references}, 1, table(x, y))
    scaled = answer(BUNDLE, config, model, 1, table((x - references[:, 1]) / references[:, 2], y))
    np.testing.assert_allclose(found.arrays["layer-1"], scaled.arrays["layer-1"], atol=1e-12)
    after = combine(model | {"references": references}, [_update(found)])
    assert np.array_equal(after["references"], references)


def test_a_hospital_without_a_category_trains_with_the_others():
    draw, network = np.random.default_rng(4), Network(2, (4,))
    local, strategy = LocalTraining(2, 16, 0.1), FedAvg()
    config = network_config(("smoking=current", "smoking=never"), OUTCOME, (), network, local, strategy, secure=True)
    tables = []
    for levels in ((1, 2), (1,), (2,)):
        codes = draw.choice(levels, 80).astype(np.uint16)
        y = (draw.random(80) < np.where(codes == 1, 0.7, 0.2)).astype(np.float64)
        known = np.ones(80, bool)
        columns = {"smoking": (codes, known, codes.astype(float)), OUTCOME: (y.astype(np.uint16), known, y)}
        tables.append(ArrayTable(80, columns, dict.fromkeys(columns, (0.0, 1.0, 2)), {"smoking": ("current", "never")}))
    model, losses = rounds(
        BUNDLE, config, initial_network(network, local, strategy), strategy.combine(), tables, 25, secure=True
    )
    risk = network_outputs(network, np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]), model)[:, 1]
    assert losses[-1] < losses[0] and risk == pytest.approx([0.7, 0.2], abs=0.15)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Network(0), "inputs"),
        (lambda: Network(3, (0,)), "hidden"),
        (lambda: Network(3, (4.0,)), "hidden"),
        (lambda: Network(3, (4,), "gelu"), "activation"),
        (lambda: Network(10_000, (10_000,)), "fewer units"),
        (lambda: Target("hinge"), "loss"),
        (lambda: Target("logistic", (0.0, 1.0, 2.0)), "take softmax"),
        (lambda: Target("softmax", (1.0,)), "two classes"),
        (lambda: Target("softmax", (1.0, 1.0)), "twice"),
        (lambda: Target("softmax", (1.0, float("nan"))), "a class"),
        (lambda: Target("squared", scale=0.0), "scale"),
        (lambda: Target("squared", center=float("inf")), "center"),
        (lambda: LocalTraining(epochs=0), "epochs"),
        (lambda: LocalTraining(epochs=1.5), "epochs"),
        (lambda: LocalTraining(batch_size=-1), "batch_size"),
        (lambda: LocalTraining(learning_rate=0.0), "learning_rate"),
        (lambda: LocalTraining(learning_rate="0.1"), "learning_rate"),
        (lambda: LocalTraining(momentum=1.0), "momentum"),
        (lambda: LocalTraining(l2=-1.0), "l2"),
        (lambda: LocalTraining(seed=-1), "seed"),
        (lambda: network_config(("a",), "y", (), Network(2), LocalTraining(), FedAvg()), "inputs"),
        (lambda: network_config(("a,b",), "y", (), Network(1), LocalTraining(), FedAvg()), "comma"),
        (lambda: network_outputs(Network(2), np.ones((1, 3)), {"layer-1": np.ones((3, 1))}), "form"),
    ],
)
def test_forms_and_numbers_that_lead_nowhere_are_refused_with_what_to_give(make, said):
    with pytest.raises(FederatedError, match=said):
        make()


def _update(found):
    return Update(found.arrays, found.metrics)
