"""Rounds with noise on real nodes: what leaves, what the total is, and what each round costs."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.federated.privacy.scenes import (
    APP,
    CELLS,
    FEATURES,
    RHO,
    STEPS,
    ZEROS,
    answer,
    clear_total,
    made_private,
    packages_of,
    totals,
    training,
    with_app,
)

from belmont.federated.accounting.epsilon import shown_epsilon
from belmont.federated.accounting.release import plan_release
from belmont.federated.errors import EncodingRefused
from belmont.federated.hashes import config_hash
from belmont.federated.models.glm import (
    PrivateSteps,
    glm_config,
    gradient_steps,
    initial_model,
    newton,
)
from belmont.federated.models.training import Training
from belmont.federated.secagg.settings import read_secure_sum
from belmont.registry.types import AnswerMode, MicroRho


@pytest.mark.parametrize("kind", ["simulated", "on_chain"])
def test_each_round_charges_each_dataset_what_was_planned_and_says_so(kind: str, request: Any) -> None:
    scene = made_private(request.getfixturevalue("scene" if kind == "simulated" else "on_chain_study"))
    plan = plan_release(STEPS.noise, CELLS)
    before = [scene.registry.dataset(each).rho_spent for each in scene.participants]
    with closing(scene.grid()) as grid:
        results = list(training(scene, grid).rounds(3))
    registered = sum(scene.registry.version(each, 1).rows for each in scene.participants)
    for n, result in enumerate(results, start=1):
        assert (result.rows, result.metrics) == (registered, {})
        assert result.privacy.rho == plan.rho
        assert [each.rho for each in result.privacy.spent] == [n * plan.rho] * 4
        shown = shown_epsilon(n * plan.rho, 1e-6, sigma=plan.sigma, honest=1, cells_released=n * CELLS)
        assert result.privacy.epsilon == shown
    assert [use.rho for use in scene.registry.uses(scene.permit)] == [plan.rho] * 12
    for dataset, spent in zip(scene.participants, before, strict=True):
        assert scene.registry.rho_spent(scene.permit, dataset) == 3 * plan.rho
        assert scene.registry.dataset(dataset).rho_spent == spent + 3 * plan.rho


def test_the_total_is_the_clear_total_of_cut_rows_and_noise_of_every_hospital(private: Any) -> None:
    """24 rounds of 4 cells. The false alarm is below 1e-9."""
    private.permit = private.issue(rounds=24, rho_per_dataset=MicroRho(10_000_000), answer_mode=AnswerMode.PRIVATE)
    plan, clear = plan_release(STEPS.noise, CELLS), clear_total(private)
    noise = np.concatenate([each["gradient"] - clear for each in totals(private, 24)])
    squares = float((noise.astype(float) ** 2).sum()) / (4 * float(plan.sigma) ** 2)
    assert 1e-10 < stats.chi2.sf(squares, len(noise)) < 1 - 1e-10
    assert np.abs(noise).max() > 0


def test_noise_of_many_cells_has_the_variance_of_four_hospitals_and_no_less(scene: Any, app_builder: Any) -> None:
    cells = 4_000
    with_app(scene, app_builder, APP.format(arrays=ZEROS.replace("4)", f"{cells})"), metrics={}), cells)
    plan = plan_release(STEPS.noise, cells)
    (total,) = totals(scene)
    in_units = total["w"].astype(float) / float(plan.sigma)
    assert 1e-10 < stats.chi2.sf((in_units**2).sum() / 4, cells) < 1 - 1e-10
    assert stats.kstest(in_units / 2, "norm").pvalue > 1e-10
    assert stats.chi2.sf((in_units**2).sum() / 3, cells) < 1e-10, "it would be noticed if one added none"


def test_the_model_gets_close_to_the_one_without_noise(scene: Any) -> None:
    """At an epsilon of some 60 that nobody would approve, so that a thousand rows are enough to tell."""
    steps = PrivateSteps(replace(STEPS.noise, rho_per_round=MicroRho(3_000_000)))
    made_private(scene, steps, rounds=30, rho_per_dataset=MicroRho(90_000_000))
    for dataset in scene.participants:
        world = scene.registry._world.datasets
        world[dataset] = replace(world[dataset], rho_cap=MicroRho(90_000_000))
    with closing(scene.grid()) as grid:
        trained = training(scene, grid, combine=gradient_steps(steps))
        list(trained.rounds(30))
    exact = glm_config(FEATURES, "cvd_event")
    permit = scene.consortium.issue(scene.terms(config_hash=config_hash(exact)))
    with closing(scene.grid()) as grid:
        given = {"config": exact, "model": initial_model(FEATURES), "combine": newton(), "node_ids": grid.node_ids}
        plain = Training(scene.by_researcher, grid, permit, participants=scene.participants, **given)
        list(plain.rounds(5))
    np.testing.assert_allclose(trained.model["coefficients"], plain.model["coefficients"], atol=0.15)


def test_a_round_goes_on_without_a_hospital_and_costs_it_nothing(private: Any) -> None:
    with closing(private.grid()) as grid:
        trained = training(private, grid)
        trained.round()
    with closing(private.grid(nodes=private.nodes[:3])) as grid:
        here = dict(zip(private.participants, (node.node_id for node in private.nodes), strict=True))
        del here[private.participants[3]]
        again = training(private, grid, model=trained.model, node_ids=here)
        again._secure._dealt = trained._secure._dealt
        result = again.round()
    assert result.rows == sum(private.registry.version(each, 1).rows for each in private.participants[:3])
    assert [each.dataset_id for each in result.privacy.spent] == list(private.participants[:3])
    assert private.registry.rho_spent(private.permit, private.participants[3]) == RHO


def test_nothing_but_a_masked_vector_leaves_a_hospital(private: Any) -> None:
    packages = packages_of(private)
    private.open_round(private.permit)
    replies = [answer(private, i, packages).content for i in range(4)]
    for reply in replies:
        assert set(reply) == {"masked"} and set(reply["masked"]) == {"transcript", "layout", "values", "proof"}
        assert len(reply["masked"]["values"]) == 8 * CELLS, "no count, no sum of losses"


def test_a_signed_sum_of_gradients_alone_is_what_the_board_read() -> None:
    secure = read_secure_sum(glm_config(FEATURES, "cvd_event", private=STEPS))
    assert (secure.layout.sums, secure.layout.counts, secure.layout.size) == ((), (), CELLS)
    with pytest.raises(EncodingRefused, match="noise"):
        secure.encode({"gradient": np.zeros(CELLS)}, {"num-examples": 3}, 4)
