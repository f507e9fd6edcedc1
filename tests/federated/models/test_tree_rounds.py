"""Boosted trees through real nodes: gated, masked, and the same as the rehearsal of the same rounds."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from belmont.federated.errors import RoundRefused
from belmont.federated.hashes import code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.models.training import Training
from belmont.federated.models.trees import TreePlan, equal_cuts, grow
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.secagg.settings import SECURE_SUM_KEY
from belmont.registry.reasons import Reason

FEATURES = ("age", "hba1c", "systolic", "smoking")
ROUNDS = 4


@pytest.fixture
def plan(tables):
    cuts = {name: equal_cuts(tables[0].width(name), 16) for name in FEATURES}
    return TreePlan(FEATURES, cuts, ("smoking",), trees=2, max_depth=2)


def config_of(plan):
    names = {"features": ",".join(FEATURES), "missing-indicators": "", "outcome": "cvd_event"}
    return {**names, **plan.config(), SECURE_SUM_KEY: plan.sums().to_text()}


def training(scene, grid, plan, config, **terms):
    bundle = shipped_bundle("trees")
    permit = scene.issue(code_hash=code_hash(bundle), config_hash=config_hash(config_of(plan)), rounds=ROUNDS, **terms)
    return Training(
        scene.by_researcher,
        grid,
        permit,
        config=config,
        model=plan.initial(),
        combine=grow(plan),
        participants=scene.participants,
        node_ids=grid.node_ids,
    )


def test_gated_secure_rounds_grow_the_rehearsed_trees_by_the_hospitals_rule(scene, plan):
    scene.bundle = shipped_bundle("trees")
    with closing(scene.grid(scene.bundle)) as grid:
        trained = training(scene, grid, plan, config_of(plan))
        for _ in range(ROUNDS):
            result = trained.round()
    run = Rehearsal(
        scene.bundle,
        config_of(plan),
        plan.initial(),
        grow(plan),
        scene.consortium.tables,
        smallest_cell=SMALLEST_CELL,
    )
    for _ in range(ROUNDS):
        rehearsed = run.round()
    assert all(np.array_equal(trained.model[name], run.model[name]) for name in run.model)
    assert result.metrics["loss"] == pytest.approx(rehearsed.metrics["loss"], abs=1e-12)
    assert result.rows == rehearsed.rows and result.record is not None


def test_other_cuts_than_those_approved_are_refused_by_every_hospital(scene, plan):
    """Finer bins would tell of fewer patients each."""
    finer = replace(plan, cuts={**plan.cuts, "hba1c": tuple(range(1, 17))})
    scene.bundle = shipped_bundle("trees")
    with closing(scene.grid(scene.bundle)) as grid, pytest.raises(RoundRefused) as refusal:
        training(scene, grid, plan, config_of(finer)).round()
    assert refusal.value.reasons == (Reason.CONFIG_MISMATCH,)
