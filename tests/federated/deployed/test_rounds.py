"""Rounds and queries over a coordinator are those of the in-process grid, gate and all."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest

from belmont.federated.errors import RoundRefused
from belmont.federated.evaluation.layout import evaluation_config
from belmont.federated.exchange import Exchange
from belmont.federated.models.glm import glm_config, newton
from belmont.federated.models.training import Training
from belmont.federated.node.requests import Claim, round_content
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.question import count
from belmont.registry.reasons import Reason
from belmont.registry.types import UseKind


def training(scene: Any, grid: Any, permit: Any, **changes: Any) -> Training:
    return Training(
        scene.by_researcher,
        grid,
        permit,
        config=scene.config,
        model=scene.model,
        combine=newton(),
        participants=scene.participants,
        **{"node_ids": grid.node_ids, "timeout_seconds": 60} | changes,
    )


def test_training_over_a_coordinator_gives_the_model_of_the_in_process_grid(deployment: Any) -> None:
    scene = deployment.scene
    with closing(deployment.grid()) as grid:
        deployed = training(scene, grid, scene.issue())
        for result in deployed.rounds(3):
            assert [hospital.status for hospital in result.hospitals] == ["answered"] * 4
    nodes = [scene.new_node(i) for i in range(4)]
    with closing(scene.grid(nodes=nodes)) as grid:
        here = training(scene, grid, scene.issue())
        list(here.rounds(3))
    np.testing.assert_array_equal(deployed.model["coefficients"], here.model["coefficients"])


def test_a_model_is_evaluated_over_a_coordinator(deployment: Any) -> None:
    scene = deployment.scene
    features = ("age", "hba1c", "systolic")
    scene.config = glm_config(features, "antihypertensive", secure=True, evaluation=evaluation_config("risk", 0.5))
    with closing(deployment.grid()) as grid:
        trained = training(scene, grid, scene.issue())
        trained.round()
        found = trained.evaluate()
    assert [hospital.status for hospital in found.hospitals] == ["answered"] * 4
    counts = found.updates[0].arrays["counts"]
    rows = sum(table.rows for table in scene.consortium.tables)
    assert 0.4 * rows < found.rows < 0.6 * rows and counts[:2].sum() <= rows
    assert found.record is not None and found.record.n == 2


def test_a_query_over_a_coordinator_is_answered_and_proved(deployment: Any, layout: Any) -> None:
    scene = deployment.scene
    answer = scene.ask(
        scene.issue(), count(), ResearcherKey(), layout, grid=(grid := deployment.grid()), node_ids=grid.node_ids
    )
    assert answer.rows == sum(table.rows for table in scene.consortium.tables)
    assert answer.proof is not None


def test_a_hospital_whose_node_is_not_there_is_silent_and_the_model_stays(deployment: Any) -> None:
    scene = deployment.scene
    deployment.stop_node(2)
    with closing(deployment.grid()) as grid:
        assert set(grid.node_ids) == set(scene.participants) - {scene.participants[2]}
        trained = training(scene, grid, scene.issue(), timeout_seconds=8)
        with pytest.raises(RoundRefused) as refused:
            trained.round()
    assert [hospital.status for hospital in refused.value.hospitals] == ["answered", "answered", "silent", "answered"]
    np.testing.assert_array_equal(trained.model["coefficients"], scene.model["coefficients"])


def sent(deployment: Any, permit: Any, n: int = 1, bundle: Any = None, **changes: Any) -> set[Any]:
    """What the nodes say to one message each, as a coordinator could send it."""
    scene = deployment.scene
    config, model = changes.get("config", scene.config), changes.get("model", scene.model)
    with closing(deployment.grid(bundle)) as grid:
        exchange = Exchange(
            scene.by_researcher, grid, permit, scene.participants, timeout_seconds=60, node_ids=grid.node_ids
        )
        claim = Claim(permit, n, exchange.purpose, scene.participants)
        _, outcomes = exchange.ask("train", n, round_content(claim, config, model))
    return {outcome.reason for outcome in outcomes}


def test_altered_code_another_configuration_another_model_and_an_invented_round_get_nothing(
    deployment: Any, app_builder: Any, changed_model: Any
) -> None:
    scene = deployment.scene
    permit = scene.issue()
    scene.open_round(permit)
    other = app_builder("from flwr.clientapp import ClientApp\napp = ClientApp()\n")
    assert sent(deployment, permit, bundle=other) == {Reason.CODE_MISMATCH}
    assert sent(deployment, permit, config=scene.config | {"outcome": "age"}) == {Reason.CONFIG_MISMATCH}
    assert sent(deployment, permit, model=changed_model) == {Reason.MODEL_MISMATCH}
    assert sent(deployment, permit, n=2) == {Reason.ROUND_NOT_OPEN}
    assert scene.registry.uses(permit) == []


def test_a_permit_that_is_frozen_stops_the_next_round(deployment: Any) -> None:
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = training(scene, grid, permit)
        trained.round()
        scene.registry.as_(scene.consortium.board[0]).freeze_permit(permit)
        with pytest.raises(RoundRefused) as refused:
            trained.round()
    assert refused.value.reasons == (Reason.PERMIT_FROZEN,)
    assert len([use for use in scene.registry.uses(permit) if use.kind is UseKind.ROUND]) == 4


def test_secure_sums_over_a_coordinator_are_opened_and_nobody_carries_an_update_in_the_clear(deployment: Any) -> None:
    scene = deployment.scene
    plain = scene.config
    scene.config = glm_config(("age", "hba1c", "systolic"), "cvd_event", secure=True)
    with closing(deployment.grid()) as grid:
        secure = training(scene, grid, scene.issue())
        list(secure.rounds(2))
    scene.config = plain
    with closing(deployment.grid()) as grid:
        clear = training(scene, grid, scene.issue())
        list(clear.rounds(2))
    np.testing.assert_allclose(secure.model["coefficients"], clear.model["coefficients"], atol=1e-7)


def test_a_secure_round_goes_on_without_a_hospital_whose_node_ended(deployment: Any) -> None:
    scene = deployment.scene
    scene.config = glm_config(("age", "hba1c", "systolic"), "cvd_event", secure=True)
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = training(scene, grid, permit, timeout_seconds=10)
        trained.round()
        deployment.stop_node(3)
        result = trained.round()
    assert [hospital.status for hospital in result.hospitals] == ["answered"] * 3 + ["silent"]
    assert result.rows == sum(table.rows for table in scene.consortium.tables[:3])
    assert scene.registry.round_state(permit, 2).closed
