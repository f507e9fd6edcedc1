"""Small objects travel with their message; what is large, or not carried, is asked for as Flower does."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.proto.fleet_pb2 import PullMessagesResponse, PushMessagesRequest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.deployed import carried as module
from belmont.federated.deployed.carried import FIELD, carried, carry
from belmont.federated.deployed.coordinator.handlers import Handlers
from belmont.federated.grid.records import write_arrays


@given(st.dictionaries(st.text(max_size=70), st.binary(max_size=300), max_size=6), st.binary(max_size=300))
def test_what_is_carried_arrives_and_leaves_the_message_as_it_was(objects: dict[str, bytes], other: bytes) -> None:
    plain = PullMessagesResponse()
    held = PullMessagesResponse()
    carry(held, objects)
    there = PullMessagesResponse.FromString(held.SerializeToString())
    assert carried(there) == objects and carried(plain) == {}
    assert not there.messages_list and not there.message_object_trees


@given(st.binary(max_size=200))
def test_bytes_in_the_field_that_are_no_object_are_refused_or_read_as_one(content: bytes) -> None:
    request = PushMessagesRequest()
    request.MergeFromString(module._varint(FIELD << 3 | 2) + module._varint(len(content)) + content)
    try:
        found = carried(request)
    except ValueError:
        return
    assert len(found) == 1


class Counted:
    """Around a coordinator's handlers: how often each path was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        inner = Handlers._answer

        async def answer(handlers: Handlers, request: Any) -> Any:
            self.asked[request.scope["path"].rsplit("/", 1)[1]] += 1
            return await inner(handlers, request)

        monkeypatch.setattr(Handlers, "_answer", answer)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@contextmanager
def a_run(deployment: Any) -> Iterator[Any]:
    grid = deployment.grid()
    try:
        yield grid
    finally:
        grid.close()


def exchange(grid: Any, size: int) -> list[Any]:
    """Asks every node for something that it refuses, with so many numbers; the nodes' refusals are replies too."""
    content = RecordDict({"use": ConfigRecord({"n": 1}), "arrays": write_arrays({"w": np.arange(float(size))})})
    messages = [grid.create_message(content, "train", node, "1") for node in grid.node_ids.values()]
    return list(grid.send_and_receive(messages, timeout=60))


def test_a_small_message_and_its_replies_need_no_request_for_an_object(deployment: Any, counted: Counted) -> None:
    with a_run(deployment) as grid:
        assert len(exchange(grid, 4)) == 4
    assert not {"push-object", "pull-object", "confirm-message-received"} & set(counted.asked)


def test_a_large_message_arrives_by_requests_for_its_objects(deployment: Any, counted: Counted) -> None:
    with a_run(deployment) as grid:
        assert len(exchange(grid, module.MOST_CARRIED_BYTES // 8 + 1)) == 4
    assert counted.asked["push-object"] >= 3 and counted.asked["pull-object"] >= 12


def test_a_coordinator_that_carries_nothing_is_served_as_well(
    deployment: Any, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from belmont.federated.deployed.coordinator import handlers

    monkeypatch.setattr(handlers, "carried", lambda message: {})
    monkeypatch.setattr(handlers, "_take_along", lambda *_: None)
    with a_run(deployment) as grid:
        assert len(exchange(grid, 4)) == 4
    assert counted.asked["push-object"] and counted.asked["pull-object"] and counted.asked["confirm-message-received"]


def test_nothing_of_what_was_carried_and_taken_stays_at_the_coordinator(deployment: Any) -> None:
    with a_run(deployment) as grid:
        assert len(exchange(grid, 4)) == 4
        store = deployment.running._server.config.app._flower.state.linkstate_factory.state().object_store
        assert not store.store


def test_a_coordinator_that_changes_what_it_carries_is_noticed(
    deployment: Any, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    from belmont.federated.deployed.coordinator import handlers

    def forged(message: Any, objects: dict[str, bytes]) -> None:
        carry(message, {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in objects.items()})

    with a_run(deployment) as grid:
        monkeypatch.setattr(handlers, "carry", forged)
        content = RecordDict({"use": ConfigRecord({"n": 1})})
        grid.push_messages([grid.create_message(content, "train", node, "1") for node in grid.node_ids.values()])
        for i in range(4):
            eventually(lambda i=i: any("not what its name says" in each for each in deployment.states[i]))


def test_other_bytes_than_are_named_are_not_kept_and_asked_for_again(
    deployment: Any, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from belmont.federated.grid import deployed as grids

    def forged(request: Any, objects: dict[str, Any]) -> None:
        carry(request, {name: content + b"x" for name, content in objects.items()})

    monkeypatch.setattr(grids, "carry_if_small", forged)
    with a_run(deployment) as grid:
        assert len(exchange(grid, 4)) == 4
    assert counted.asked["push-object"] == 6
