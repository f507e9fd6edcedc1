"""Federated trees are the pooled trees, grown by the app that ships, and they are good trees."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score

from belmont.ehr.synthetic import holdout
from belmont.federated.errors import FederatedError
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.combine import Update
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.tree_splits import Rules
from belmont.federated.models.trees import TreePlan, at, equal_cuts, grow, is_finished, scores
from belmont.federated.secagg.settings import SECURE_SUM_KEY

CLOSE = {"rtol": 0, "atol": 1e-7}


def table_of(codes, widths, outcome, missing=None):
    """A table with columns x0, x1, ... and y."""
    rows = len(outcome)
    columns, numbers = {}, {}
    for j, width in enumerate(widths):
        observed = codes[:, j] > 0 if width > 1 else np.ones(rows, bool)
        columns[f"x{j}"] = (codes[:, j].astype(np.uint16), observed, codes[:, j].astype(float))
        numbers[f"x{j}"] = (0.0, 1.0, width)
    columns["y"] = (np.zeros(rows, np.uint16), np.ones(rows, bool), np.asarray(outcome, float))
    numbers["y"] = (0.0, 1.0, 1)
    return ArrayTable(rows, columns, numbers)


def plan_for(widths, bins=16, **choices):
    features = tuple(f"x{j}" for j in range(len(widths)))
    cuts = {name: equal_cuts(width, bins) for name, width in zip(features, widths, strict=True)}
    return TreePlan(features, cuts, **choices)


def rehearsal(plan, tables, outcome="y", **safeguards):
    config = {
        "features": ",".join(plan.features),
        "missing-indicators": "",
        "outcome": outcome,
        **plan.config(),
        SECURE_SUM_KEY: plan.sums().to_text(),
    }
    return Rehearsal(shipped_bundle("trees"), config, plan.initial(), grow(plan), tables, **safeguards)


def trained(plan, tables, **safeguards):
    """The model and the number of rounds."""
    run = rehearsal(plan, tables, **safeguards)
    while True:
        before = run.model
        run.round()
        if is_finished(plan, before, run.model):
            return run.model, run.n


WIDTHS = (40, 7, 1, 100, 3)


def simulated(rows=1200, seed=3):
    """Codes with gaps, and a noisy outcome that they tell of."""
    draws = np.random.default_rng(seed)
    codes = np.column_stack([draws.integers(0, width + 1, rows) for width in WIDTHS])
    codes[draws.random(rows) < 0.15, 0] = 0
    signal = 0.08 * codes[:, 0] * (codes[:, 0] > 0) + 1.2 * (codes[:, 0] == 0)
    signal += 1.5 * codes[:, 2] - 0.02 * codes[:, 3] + 0.8 * (codes[:, 4] == 2)
    return codes, signal, draws


def outcome_of(loss, signal, draws):
    if loss == "squared":
        return signal + draws.normal(size=len(signal))
    if loss == "softmax":
        return np.clip(np.floor(signal + draws.normal(size=len(signal))), 0, 2)
    return (draws.random(len(signal)) < 1 / (1 + np.exp(-(signal - signal.mean())))).astype(float)


def split_by(codes, outcome, hospitals):
    """Hospitals that differ: by the value of the first column."""
    order = np.argsort(codes[:, 0], kind="stable")
    return [table_of(codes[part], WIDTHS, outcome[part]) for part in np.array_split(order, hospitals)]


KINDS = [
    {"loss": "logistic"},
    {"loss": "squared"},
    {"loss": "softmax", "classes": 3},
    {"loss": "logistic", "parallel": 3, "max_features": 0.6, "seed": 5},
    {"loss": "logistic", "categorical": ("x4", "x1")},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_federated_trees_are_the_pooled_trees(kind):
    codes, signal, draws = simulated()
    outcome = outcome_of(kind["loss"], signal, draws)
    plan = plan_for(WIDTHS, trees=6, max_depth=3, **kind)
    federated, rounds = trained(plan, split_by(codes, outcome, 4))
    pooled, pooled_rounds = trained(plan, [table_of(codes, WIDTHS, outcome)])
    assert rounds == pooled_rounds == plan.rounds
    for name in ("feature", "left", "rows", "at"):
        assert np.array_equal(federated[name], pooled[name]), name
    for name in ("base", "value", "gain"):
        assert np.allclose(federated[name], pooled[name], **CLOSE), name
    assert (federated["feature"] >= 0).sum() > 2 * plan.trees


def test_training_goes_on_from_the_arrays_alone():
    codes, signal, draws = simulated(400)
    outcome = outcome_of("logistic", signal, draws)
    plan, table = plan_for(WIDTHS, trees=3, max_depth=2), table_of(codes, WIDTHS, outcome)
    whole, _ = trained(plan, [table])
    run = rehearsal(plan, [table])
    for _ in range(3):
        run.round()
    later = rehearsal(plan, [table])
    later.model = {name: array.copy() for name, array in run.model.items()}
    for _ in range(3):
        later.round()
    assert all(np.array_equal(later.model[name], whole[name]) for name in whole)


def cancer():
    """Breast cancer, each column coded in 64 ranks of the sample; rows that train and rows that test."""
    data = load_breast_cancer()
    draws = np.random.default_rng(0)
    edges = np.quantile(data.data, np.linspace(0, 1, 65)[1:-1], axis=0)
    codes = np.column_stack([1 + np.searchsorted(edges[:, j], data.data[:, j]) for j in range(data.data.shape[1])])
    train = draws.random(len(codes)) < 0.6
    return codes, data.target.astype(float), train


def test_trees_do_as_well_as_scikit_learns_on_the_same_bins():
    codes, outcome, train = cancer()
    plan = plan_for((64,) * 30, bins=64, trees=50, max_depth=3, rules=Rules(l2=1.0, min_child_weight=1e-3))
    parts = np.array_split(np.flatnonzero(train), 3)
    model, _ = trained(plan, [table_of(codes[part], (64,) * 30, outcome[part]) for part in parts])
    peer = HistGradientBoostingClassifier(
        max_iter=50, max_depth=3, max_leaf_nodes=None, l2_regularization=1.0, early_stopping=False
    ).fit(codes[train], outcome[train])
    for rows, margin in ((train, 0.003), (~train, 0.01)):
        ours = 1 / (1 + np.exp(-scores(model, plan.binned(codes[rows]))[:, 0]))
        theirs = peer.predict_proba(codes[rows])[:, 1]
        assert abs(log_loss(outcome[rows], ours) - log_loss(outcome[rows], theirs)) < margin
        assert abs(roc_auc_score(outcome[rows], ours) - roc_auc_score(outcome[rows], theirs)) < 0.005


def test_regression_trees_do_as_well_as_scikit_learns():
    codes, signal, draws = simulated(3000)
    outcome = outcome_of("squared", signal, draws)
    train = np.arange(len(codes)) < 2000
    plan = plan_for(WIDTHS, bins=100, trees=60, max_depth=3, loss="squared", rules=Rules(l2=0.0))
    model, _ = trained(plan, split_by(codes[train], outcome[train], 3))
    known = np.where((codes == 0) & (np.array(WIDTHS) > 1), np.nan, codes)
    peer = HistGradientBoostingRegressor(max_iter=60, max_depth=3, max_leaf_nodes=None, early_stopping=False)
    theirs = peer.fit(known[train], outcome[train]).predict(known[~train])
    ours = scores(model, plan.binned(codes[~train]))[:, 0]
    errors = [np.mean((each - outcome[~train]) ** 2) for each in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)
    assert errors[0] < 0.7 * outcome[~train].var()


def test_the_hospitals_rule_costs_little(tables):
    """At a smallest cell of 8 the trees differ, and tell as much of patients who are in no hospital's table."""
    names = tuple(tables[0].dictionary.features)
    cuts = {name: equal_cuts(tables[0].width(name), 32) for name in names}
    plan = TreePlan(names, cuts, trees=40, max_depth=3)
    fresh = holdout(6_000, 7).coded(None)
    bins = plan.binned(np.column_stack([fresh.codes(name) for name in names]))
    found = []
    for k in (1, 8):
        model, _ = trained(plan, tables, outcome="cvd_event", smallest_cell=k)
        found.append(roc_auc_score(fresh.values("cvd_event"), scores(model, bins)[:, 0]))
    assert found[0] != found[1] and abs(found[0] - found[1]) < 0.015 and min(found) > 0.7


def constant(rows, value):
    return np.full((rows, len(WIDTHS)), value)


def test_where_nothing_is_gained_trees_are_leaves_and_training_ends_early():
    plan, outcome = plan_for(WIDTHS, trees=10), np.tile([0.0, 1.0, 1.0], 40)
    model, rounds = trained(plan, [table_of(constant(120, 1), WIDTHS, outcome)])
    assert rounds == 1 and (model["feature"] < 0).all()
    assert scores(model, plan.binned(constant(2, 1)))[:, 0] == pytest.approx(np.log(2), abs=1e-8)


def test_a_step_that_cannot_be_split_further_takes_no_more_rounds():
    codes = constant(120, 1)
    codes[:60, 3] = 50
    outcome = np.concatenate([np.tile([0.0, 1, 1, 1], 15), np.tile([0.0, 0, 0, 1], 15)])
    plan = plan_for(WIDTHS, trees=4, max_depth=5)
    run = rehearsal(plan, [table_of(codes, WIDTHS, outcome)])
    for _ in range(2):
        run.round()
    assert at(run.model) == (1, 0), "one split, and one round in which nothing more was found"


def test_a_hospital_with_one_class_a_constant_column_or_without_a_category_takes_part():
    codes, signal, draws = simulated(900)
    outcome = outcome_of("logistic", signal, draws)
    codes[:300, 2], outcome[:300] = 0, 0.0  # one class, and a constant bit
    codes[:300, 4] = np.minimum(codes[:300, 4], 2)  # nobody has category 3
    parts = [slice(0, 300), slice(300, 600), slice(600, 900)]
    plan = plan_for(WIDTHS, trees=3, categorical=("x4",))
    federated, _ = trained(plan, [table_of(codes[part], WIDTHS, outcome[part]) for part in parts])
    pooled, _ = trained(plan, [table_of(codes, WIDTHS, outcome)])
    assert np.array_equal(federated["left"], pooled["left"])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_outcome_in_all_is_said(value):
    codes, *_ = simulated(100)
    with pytest.raises(FederatedError, match="all patients have the same outcome"):
        rehearsal(plan_for(WIDTHS), [table_of(codes, WIDTHS, np.full(100, value))]).round()


def test_a_class_that_nobody_has_is_said():
    codes, *_ = simulated(100)
    plan = plan_for(WIDTHS, loss="softmax", classes=4)
    with pytest.raises(FederatedError, match="no patient has outcome 3"):
        rehearsal(plan, [table_of(codes, WIDTHS, np.arange(100) % 3)]).round()


def test_an_outcome_that_is_no_class_stops_at_the_hospital():
    codes, *_ = simulated(100)
    with pytest.raises(FederatedError, match="the study's code failed"):
        rehearsal(plan_for(WIDTHS), [table_of(codes, WIDTHS, np.full(100, 0.5))]).round()


def test_ten_rows_are_too_few():
    codes, signal, draws = simulated(10)
    table = table_of(codes, WIDTHS, outcome_of("logistic", signal, draws))
    with pytest.raises(FederatedError, match="rows"):
        rehearsal(plan_for(WIDTHS), [table], min_cohort=20, smallest_cell=8).round()


def test_a_grown_model_is_grown_no_further():
    codes, signal, draws = simulated(300)
    plan = plan_for(WIDTHS, trees=1, max_depth=1)
    run = rehearsal(plan, [table_of(codes, WIDTHS, outcome_of("logistic", signal, draws))])
    run.round()
    with pytest.raises(FederatedError, match="all trees are grown"):
        run.round()


def test_sums_of_another_shape_are_refused():
    plan = plan_for(WIDTHS)
    with pytest.raises(FederatedError, match="no histogram of the plan's shape"):
        grow(plan)(plan.initial(), [Update({"histogram": np.zeros((1, 2, 3))}, {"num-examples": 5})])


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"trees": 0}, "trees is 0"),
        ({"max_depth": 9}, "max_depth is 9"),
        ({"trees": 5, "parallel": 2}, "multiple of parallel"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"max_features": 1.5}, "max_features"),
        ({"categorical": ("z",)}, "categorical"),
        ({"loss": "softmax"}, "loss is"),
        ({"loss": "logistic", "classes": 3}, "loss is"),
        ({"rules": Rules(l2=-1.0)}, "l2"),
        ({"parallel": 50, "max_depth": 8}, "fewer bins, features or levels"),
    ],
)
def test_a_plan_that_is_none_is_refused(choices, said):
    with pytest.raises(FederatedError, match=said):
        plan_for((4000,) * 5, bins=100, **choices)


@pytest.mark.parametrize("cuts", [(2, 2), (3, 1), (0, 1), (1.5,)])
def test_cuts_that_are_none_are_refused(cuts):
    with pytest.raises(FederatedError, match="cuts of 'x'"):
        TreePlan(("x",), {"x": cuts})


def test_cuts_part_the_codes_into_equal_ranges():
    assert equal_cuts(10, 4) == (2, 5, 7)
    assert equal_cuts(3, 32) == (1, 2) and equal_cuts(1, 32) == ()
    plan = TreePlan(("x",), {"x": (2, 5, 7)})
    assert plan.binned(np.arange(11)[:, None])[:, 0].tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4]


def test_more_bins_than_one_number_holds_are_told_apart():
    codes = np.repeat(np.arange(1, 101), 4)[:, None]
    outcome = (codes[:, 0] > 77).astype(float)
    plan = plan_for((100,), bins=100, trees=1, max_depth=1, rules=Rules(min_rows_leaf=1))
    model, _ = trained(plan, [table_of(codes, (100,), outcome)])
    assert model["left"].shape[2] == 4
    found = scores(model, plan.binned(codes))[:, 0]
    assert (found[outcome == 1] > found[outcome == 0].max()).all()
