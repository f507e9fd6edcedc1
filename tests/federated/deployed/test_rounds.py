"""Rounds and queries over a coordinator are those of the in-process grid, gate and all."""

from contextlib import closing
from typing import Any

import numpy as np

from belmont.federated.models.logistic import newton
from belmont.federated.models.training import Training


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
        for result in deployed.rounds(4):
            assert [hospital.status for hospital in result.hospitals] == ["answered"] * 4
    nodes = [scene.new_node(i) for i in range(4)]
    print([round(r.milliseconds) for r in deployed.results])
    with closing(scene.grid(nodes=nodes)) as grid:
        here = training(scene, grid, scene.issue())
        list(here.rounds(4))
    np.testing.assert_array_equal(deployed.model["coefficients"], here.model["coefficients"])
