"""Nodes and coordinators that end and start again: the study goes on, nothing is computed or charged twice."""

import threading
import time
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from belmont.federated.asked_by import Signing
from belmont.federated.deployed.http import explained
from belmont.federated.errors import CoordinatorError
from belmont.federated.exchange import Exchange
from belmont.federated.grid.records import pack_records
from belmont.federated.models.logistic import newton
from belmont.federated.models.training import Training
from belmont.federated.node.requests import Claim, round_content
from belmont.registry.types import UseKind


def patient_training(scene: Any, grid: Any, permit: Any) -> Training:
    return Training(
        scene.by_researcher,
        grid,
        permit,
        config=scene.config,
        model=scene.model,
        combine=newton(),
        participants=scene.participants,
        node_ids=grid.node_ids,
        timeout_seconds=3,
        patience_seconds=60,
    )


def later(seconds: float, what: Any) -> threading.Thread:
    thread = threading.Thread(target=lambda: (time.sleep(seconds), what()), daemon=True)
    thread.start()
    return thread


def rounds_charged(scene: Any, permit: Any) -> list[int]:
    uses = [use for use in scene.registry.uses(permit) if use.kind is UseKind.ROUND]
    return [sum(use.dataset_id == each for use in uses) for each in scene.participants]


def test_a_node_that_is_away_for_a_while_is_waited_for(deployment: Any) -> None:
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        trained.round()
        deployment.stop_node(1)
        back = later(2, lambda: deployment.start_node(1))
        result = trained.round()
        back.join()
    assert all(hospital.answered for hospital in result.hospitals)
    assert rounds_charged(scene, permit) == [2, 2, 2, 2]


def test_a_coordinator_that_ends_and_starts_again_is_waited_for(deployment: Any) -> None:
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        trained.round()
        deployment.restart_coordinator()
        result = trained.round()
    assert all(hospital.answered for hospital in result.hospitals)
    assert rounds_charged(scene, permit) == [2, 2, 2, 2]


def test_a_chain_that_is_away_for_a_while_is_waited_for(deployment: Any) -> None:
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        trained.round()
        scene.open_round(permit, n=2, model=trained.model)
        scene.registry.set_reachable(False)
        back = later(2, lambda: scene.registry.set_reachable(True))
        content = trained._exchange.ask("train", 2, content_of(scene, permit, trained))[1]
        back.join()
    assert all(hospital.answered for hospital in content)
    assert rounds_charged(scene, permit) == [2, 2, 2, 2]


def content_of(scene: Any, permit: Any, trained: Training) -> Any:
    return round_content(Claim(permit, 2, 1 << 37, scene.participants), scene.config, trained.model)


def test_a_reply_that_was_lost_is_the_same_the_second_time(deployment: Any) -> None:
    scene = deployment.scene
    permit = scene.issue()
    scene.open_round(permit)
    content = round_content(Claim(permit, 1, 1 << 37, scene.participants), scene.config, scene.model)
    with closing(deployment.grid()) as grid:
        exchange = Exchange(
            scene.by_researcher, grid, permit, scene.participants, timeout_seconds=60, node_ids=grid.node_ids
        )
        first, second = (exchange.ask("train", 1, content)[0] for _ in range(2))
    for dataset in scene.participants:
        assert pack_records(first[dataset].content) == pack_records(second[dataset].content)
    assert rounds_charged(scene, permit) == [1, 1, 1, 1]


def test_without_patience_a_node_that_is_away_ends_the_round(deployment: Any) -> None:
    scene = deployment.scene
    with closing(deployment.grid()) as grid:
        deployment.stop_node(0)
        trained = patient_training(scene, grid, scene.issue())
        trained._exchange._patience = 0.0
        with pytest.raises(Exception, match=r"no reply in time|not connected"):
            trained.round()
    np.testing.assert_array_equal(trained.model["coefficients"], scene.model["coefficients"])


def test_a_run_that_ended_before_its_replies_came_keeps_no_node_from_the_next(deployment: Any) -> None:
    """Else one researcher who starts a run, asks, and ends it would stop every hospital for everybody."""
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as ended:
        scene.open_round(permit)
        content = round_content(Claim(permit, 1, 1 << 37, scene.participants), scene.config, scene.model)
        signed = Signing(scene.by_researcher).signed("train", dict.fromkeys(scene.participants, content))
        for dataset in scene.participants:
            ended.push_messages([ended.create_message(signed[dataset], "train", ended.node_ids[dataset], "1")])
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        result = trained.round()
    assert all(hospital.answered for hospital in result.hospitals)


@pytest.mark.parametrize("answer", [b"", b"\xff" * 50, b"<html>"])
def test_nonsense_from_a_coordinator_is_told_and_does_not_end_a_node(answer: bytes) -> None:
    from flwr.proto.fleet_pb2 import PullMessagesResponse

    def nonsense() -> Any:
        response = PullMessagesResponse()
        try:
            response.ParseFromString(answer)
        except Exception as error:
            raise ValueError("Invalid protobuf response payload") from error
        return response

    try:
        explained(nonsense, "receiving")
    except CoordinatorError as error:
        assert error.status is None
    else:
        assert answer == b""
