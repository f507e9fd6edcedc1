"""Step functions with noise: what is added, what is charged, and where they lead without noise."""

import numpy as np
import pytest

from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import FederatedError
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.combine import Update
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.tree_noise import NoisyPlan, cells_of, row_norm, step_functions, step_scores
from belmont.federated.secagg.settings import SECURE_SUM_KEY
from belmont.registry.types import MicroRho

NAMES = ("age", "hba1c", "smoking", "prior_event")
CUTS = {"age": (40, 47, 54), "hba1c": (35, 42, 49), "smoking": (1, 2), "prior_event": ()}
OUTCOME = "cvd_event"


def noisy(rho=100_000_000, **choices):
    """By default hardly any noise."""
    return NoisyPlan(NAMES, CUTS, PrivacySettings(Clipping.EXAMPLE, 8.0, 20, MicroRho(rho), 3, 1), **choices)


def rehearsal(plan, tables):
    config = {
        "features": ",".join(NAMES),
        "missing-indicators": "",
        "outcome": OUTCOME,
        **plan.config(),
        SECURE_SUM_KEY: plan.sums().to_text(),
        **plan.noise.as_config(),
    }
    return Rehearsal(shipped_bundle("trees"), config, plan.initial(), step_functions(plan), tables)


def coded(plan, tables):
    rows = [np.column_stack([table.codes(name) for name in NAMES]) for table in tables]
    return plan.trees.binned(np.vstack(rows)), np.concatenate([table.values(OUTCOME) for table in tables])


def loss(plan, model, bins, outcome):
    score = step_scores(plan, model, bins)[:, 0]
    return float(np.mean(np.logaddexp(0, score) - outcome * score))


def test_with_little_noise_steps_lower_the_loss_to_that_of_the_best_step_functions(tables):
    plan = noisy(rate=0.4, spread=10.0)
    run = rehearsal(plan, tables)
    for _ in range(40):
        run.round()
    bins, outcome = coded(plan, tables)
    design = np.zeros((len(bins), sum(plan.trees.bins.sizes)))
    np.put_along_axis(design, bins + np.array(plan.trees.bins.starts), 1.0, axis=1)
    best = np.zeros(design.shape[1])
    for _ in range(50):
        risk = 1 / (1 + np.exp(-design @ best))
        hessian = (design * (risk * (1 - risk))[:, None]).T @ design + 0.01 * np.eye(len(best))
        best -= np.linalg.solve(hessian, design.T @ (risk - outcome) + 0.01 * best)
    lowest = float(np.mean(np.logaddexp(0, design @ best) - outcome * (design @ best)))
    assert loss(plan, run.model, bins, outcome) == pytest.approx(lowest, abs=0.003)


def test_a_round_has_no_metrics_and_rests_on_the_rows_that_the_chain_has(tables):
    run = rehearsal(noisy(50_000), tables)
    first = run.round()
    assert first.metrics == {} and first.rows == sum(table.rows for table in tables)


def test_the_noise_is_there_and_is_the_plans():
    plan = noisy(50_000)
    sigma = float(plan.release.sigma) / 2**20
    assert sigma == pytest.approx(8.0 / np.sqrt(2 * 0.05), rel=1e-3)
    zeros = {"histogram": np.zeros((5, sum(plan.trees.bins.sizes), 2))}
    drawn = np.concatenate([plan.release.release(zeros) for _ in range(200)]) / 2**20
    assert drawn.std() == pytest.approx(sigma, rel=0.05)


def test_more_noise_makes_smaller_steps():
    total = {"histogram": np.column_stack([np.linspace(-50, 50, 16), np.full(16, 30.0)])}
    moves = []
    for rho in (100_000_000, 100_000, 1_000):
        plan = noisy(rho)
        moves.append(np.abs(step_functions(plan)(plan.initial(), [Update(total, {"num-examples": 1})])["shape"]).max())
    assert moves[0] > moves[1] > moves[2] > 0


def test_cells_are_counted_as_the_sum_has_them():
    assert noisy().sums().layout.size == cells_of(NAMES, CUTS) == 2 * (5 + 5 + 4 + 2)


def test_no_rows_part_is_longer_than_its_norm():
    assert row_norm(16) == pytest.approx(np.sqrt(17))


def test_a_budget_is_met_for_all_rounds_together():
    steps = PrivateSteps.of_epsilon(5, 6, cells_of(NAMES, CUTS), step=0.4, momentum=0.0)
    assert NoisyPlan(NAMES, CUTS, steps.noise, steps.step).release.rho <= steps.noise.rho_per_round


@pytest.mark.parametrize("choices", [{"rate": 0.0}, {"rate": 1.1}, {"spread": 0.0}])
def test_steps_that_lead_nowhere_are_refused(choices):
    with pytest.raises(FederatedError, match="rate is"):
        noisy(**choices)


def test_cutting_by_client_is_refused():
    with pytest.raises(FederatedError, match="clipping is example"):
        NoisyPlan(NAMES, CUTS, PrivacySettings(Clipping.CLIENT, 8.0, 20, MicroRho(1_000), 3, 1))


def test_sums_of_another_shape_are_refused():
    with pytest.raises(FederatedError, match="no histogram"):
        plan = noisy()
        step_functions(plan)(plan.initial(), [Update({"histogram": np.zeros((3, 2))}, {"num-examples": 1})])
