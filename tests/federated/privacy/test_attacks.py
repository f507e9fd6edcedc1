"""Attacks on patients in rounds: each works on rounds without noise, or with fresh noise, and not on ours."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats
from tests.federated.privacy.scenes import (
    APP,
    CELLS,
    FEATURES,
    STEPS,
    ZEROS,
    approved,
    content_of,
    counted_draws,
    gradients,
    made_private,
    packages_of,
    totals,
    with_app,
)

from belmont.federated.accounting.release import plan_release
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import (
    glm_config,
)
from belmont.registry.types import AnswerMode, MicroRho


def test_fresh_noise_averages_out_and_a_thousand_requests_of_a_node_get_one_draw(
    scene: Any, app_builder: Any, monkeypatch: Any
) -> None:
    """The unprotected form draws for each request. 400 cells: whoever averages a thousand answers has them to 3 %."""
    cells = 400
    with_app(scene, app_builder, APP.format(arrays=ZEROS.replace("4)", f"{cells})"), metrics="{}"), cells)
    plan = plan_release(STEPS.noise, cells)
    fresh = np.mean([plan.release({"w": np.zeros((5, cells))}) for _ in range(1_000)], axis=0)
    assert np.sqrt(np.mean(fresh**2)) < float(plan.sigma) / 20

    draws = counted_draws(monkeypatch)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    node = scene.nodes[0]
    content = scene.signed(node, "train", content_of(scene, packages[0]))
    seen = set()
    with closing(scene.grid()) as grid:
        for _ in range(1_000):
            (reply,) = grid.send_and_receive([grid.create_message(content, "train", node.node_id, "1")])
            seen.add(bytes(reply.content["masked"]["values"]))
    assert len(seen) == 1 and len(draws) == 1
    assert np.sqrt(np.mean(draws[0].astype(float) ** 2)) > float(plan.sigma) / 2, "their mean has all of the noise"
    assert scene.registry.rho_spent(scene.permit, scene.participants[0]) == plan.rho


def test_two_rounds_without_noise_differ_by_a_patients_row_and_with_noise_by_noise(scene: Any) -> None:
    """A patient withdraws between two rounds from the same model: the totals differ by the patient's part."""
    patient, row = int(scene.consortium.tables[0].pseudonyms[0]), gradients(scene, 0)[0]
    scene.bundle = shipped_bundle("glm")
    exact = glm_config(FEATURES, "cvd_event", secure=True)
    approved(scene, exact, answer_mode=AnswerMode.EXACT)
    without_noise, scene.model = scene.permit, {"coefficients": np.zeros(CELLS)}
    found = {"exact": totals(scene)}
    made_private(scene)
    found["private"] = totals(scene)
    scene.consortium.withdraw(0, patient)
    found["private"] += totals(scene)
    scene.config, scene.permit, scene.model = exact, without_noise, {"coefficients": np.zeros(CELLS)}
    found["exact"] += totals(scene)
    told = (found["exact"][0]["gradient"] - found["exact"][1]["gradient"]) / 2.0**32
    np.testing.assert_allclose(told, row, atol=1e-6)
    seen = (found["private"][0]["gradient"] - found["private"][1]["gradient"]) / 2.0**20
    deviation = np.sqrt(8) * float(plan_release(STEPS.noise, CELLS).sigma) / 2**20
    assert deviation > 5 * np.abs(row).max(), "what the row adds is far below the noise of two totals"
    assert 1e-9 < stats.chi2.sf((((seen - row) / deviation) ** 2).sum(), CELLS) < 1 - 1e-9


def test_one_patients_row_however_large_moves_the_total_by_the_norm_at_most(scene: Any, app_builder: Any) -> None:
    """A hundred million micro-rho: noise so small that the row's cut length can be read."""
    huge = '{"w": Array(np.vstack([np.full((1, 4), 1e308), np.zeros((rows - 1, 4))]))}'
    rho = MicroRho(100_000_000)
    with_app(scene, app_builder, APP.format(arrays=huge, metrics="{}"), 4, rho_per_round=rho)
    scene.permit = scene.issue(rho_per_dataset=rho, answer_mode=AnswerMode.PRIVATE)
    for dataset in scene.participants:
        world = scene.registry._world.datasets
        world[dataset] = replace(world[dataset], rho_cap=rho)
    (total,) = totals(scene)
    sigma = float(plan_release(replace(STEPS.noise, rho_per_round=rho), 4).sigma)
    assert np.abs(total["w"] - 4 * STEPS.noise.bound / 2).max() < 2 * 8 * sigma, "four rows of norm 2, in four cells"
