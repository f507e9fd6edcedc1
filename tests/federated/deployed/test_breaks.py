"""Nodes and coordinators that end and start again: the study goes on, nothing is computed or charged twice."""

import threading
import time
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from belmont.federated.asked_by import Signing
from belmont.federated.deployed.http import explained
from belmont.federated.errors import CoordinatorError
from belmont.federated.exchange import Exchange
from belmont.federated.grid import deployed as grid_deployed
from belmont.federated.grid.records import pack_records
from belmont.federated.models.glm import newton
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


@pytest.mark.parametrize("restarts", [False, True], ids=["chain alone", "coordinator starts again"])
def test_a_chain_that_is_away_for_a_while_is_waited_for(deployment: Any, restarts: bool) -> None:
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        trained.round()
        scene.open_round(permit, n=2, model=trained.model)
        scene.registry.set_reachable(False)
        if restarts:
            deployment.restart_coordinator()
        back = later(3 if restarts else 2, lambda: scene.registry.set_reachable(True))
        outcomes = trained._exchange.ask("train", 2, content_of(scene, permit, trained))[1]
        back.join()
    assert all(hospital.answered for hospital in outcomes)
    assert rounds_charged(scene, permit) == [2, 2, 2, 2]


def content_of(scene: Any, permit: Any, trained: Training) -> Any:
    return round_content(Claim(permit, 2, 1 << 37, scene.participants), scene.config, trained.model)


@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_a_coordinator_that_is_away_for_longer_than_a_grid_waits_is_a_matter_of_patience(
    deployment: Any, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """Without, it ends the round with that reason; the round is there to be asked for again."""
    monkeypatch.setattr(grid_deployed, "RECONNECT_SECONDS", 0.5)
    scene = deployment.scene
    permit = scene.issue()
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        trained._exchange._patience = patience
        trained.round()
        deployment.running.stop()
        if patience:
            back = later(4, deployment.restart_coordinator)
            result = trained.round()
            back.join()
        else:
            with pytest.raises(CoordinatorError, match="cannot be reached"):
                trained.round()
            deployment.restart_coordinator()
            trained._exchange._patience = 60.0
            content = content_of(scene, permit, trained)
            result = SimpleNamespace(hospitals=trained._exchange.ask("train", 2, content)[1])
    assert all(hospital.answered for hospital in result.hospitals)
    assert rounds_charged(scene, permit) == [2, 2, 2, 2]


def test_a_coordinator_that_refuses_is_not_waited_for(deployment: Any) -> None:
    scene = deployment.scene
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, scene.issue())
        trained._exchange._patience = 1e9
        grid._bundle = b"no bundle"
        grid._is_lost = True
        with pytest.raises(CoordinatorError) as refused:
            trained.round()
    assert not refused.value.may_pass


def test_a_node_that_was_not_there_when_the_run_started_is_found_once_it_is(deployment: Any) -> None:
    scene = deployment.scene
    permit = scene.issue()
    for i in range(4):
        deployment.stop_node(i)
    with closing(deployment.grid()) as grid:
        assert grid.node_ids == {}
        back = later(2, lambda: [deployment.start_node(i) for i in range(4)])
        result = patient_training(scene, grid, permit).round()
        back.join()
    assert all(hospital.answered for hospital in result.hospitals)
    assert rounds_charged(scene, permit) == [1, 1, 1, 1]


def test_a_node_that_is_told_to_end_while_it_computes_hands_over_its_answer_first(
    deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = deployment.scene
    node, permit = scene.nodes[1], scene.issue()
    handle = node.handle

    def slowly(message: Any) -> Any:
        deployment.supernodes[1][0].stop()
        time.sleep(1)
        return handle(message)

    monkeypatch.setattr(node, "handle", slowly)
    with closing(deployment.grid()) as grid:
        trained = patient_training(scene, grid, permit)
        trained._exchange._patience, trained._exchange._timeout = 0.0, 20
        result = trained.round()
    assert all(hospital.answered for hospital in result.hospitals)
    deployment.supernodes[1][1].join(20)
    assert not deployment.supernodes[1][1].is_alive()
    assert rounds_charged(scene, permit) == [1, 1, 1, 1]


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
