"""The mean loss of a round of trees does not show the outcome of a patient whom a leaf was made for."""

import numpy as np
import pytest

from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.trees import TreePlan, grow
from belmont.federated.secagg.settings import SECURE_SUM_KEY

ROWS, CODES, LARGE = 400, 40, 30.0
CUTS = tuple(range(1, CODES))
KINDS = [{"loss": "logistic"}, {"loss": "squared"}, {"loss": "softmax", "classes": 3}]


def table(outcome_of_the_victim: float) -> ArrayTable:
    """One patient alone has the largest code."""
    draws = np.random.default_rng(4)
    codes = draws.integers(1, CODES, ROWS)
    codes[0] = CODES
    y = draws.integers(0, 2, ROWS).astype(float)
    y[0] = outcome_of_the_victim
    columns = {
        "x": (codes.astype(np.uint16), np.ones(ROWS, bool), codes.astype(float)),
        "y": (y.astype(np.uint16), np.ones(ROWS, bool), y),
    }
    return ArrayTable(ROWS, columns, {"x": (0.0, 1.0, CODES), "y": (0.0, 1.0, 1)})


def summed_loss(of: ArrayTable, smallest_cell: int, **kind: object) -> float:
    """Of the round that follows a tree whose one leaf of a large value holds the victim alone."""
    plan = TreePlan(("x",), {"x": CUTS}, trees=2, max_depth=1, **kind)
    model = plan.initial()
    model["at"] = np.array([float(plan.classes), 0.0])
    model["feature"][0, 0] = 0.0
    model["left"][0, 0] = [float(2**32 - 1), float(2 ** (CODES - 32) - 1)]
    model["value"][0, 2] = LARGE
    names = {"features": "x", "missing-indicators": "", "outcome": "y"}
    config = {**names, **plan.config(), SECURE_SUM_KEY: plan.sums().to_text()}
    study = shipped_bundle("trees"), config, model, lambda model, updates: model
    rehearsal = Rehearsal(*study, [of], min_cohort=50, smallest_cell=smallest_cell)
    return rehearsal.round().metrics["loss"] * ROWS


@pytest.mark.parametrize("kind", KINDS)
def test_without_groups_the_loss_shows_the_outcome_of_the_patient_alone_in_a_leaf(kind):
    """Whoever sent the model knows what the loss of everybody else is: all have the same score."""
    told = summed_loss(table(1.0), 1, **kind) - summed_loss(table(0.0), 1, **kind)
    assert abs(told) > LARGE - 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_with_groups_his_outcome_counts_like_anybodys(kind):
    told = summed_loss(table(1.0), 8, **kind) - summed_loss(table(0.0), 8, **kind)
    assert abs(told) < 1.0


def test_the_loss_of_grouped_scores_is_near_that_of_the_rows(tables):
    plan = TreePlan(("age", "systolic"), {"age": (40, 60), "systolic": (40, 60)}, trees=4, max_depth=2)
    names = {"features": "age,systolic", "missing-indicators": "", "outcome": "cvd_event"}
    config = {**names, **plan.config(), SECURE_SUM_KEY: plan.sums().to_text()}
    losses = []
    for cell in (1, 8):
        run = Rehearsal(shipped_bundle("trees"), config, plan.initial(), grow(plan), tables, smallest_cell=cell)
        losses.append([run.round().metrics["loss"] for _ in range(6)])
    assert np.abs(np.subtract(*losses)).max() < 0.005
