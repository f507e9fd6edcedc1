"""A node speaks in its own name only, and one process at a time speaks with its key."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from flwr.app import Error, Message, Metadata
from flwr.app.message.message import make_message
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_push_object_fn_protobuf

from belmont.federated.deployed.coordinator import guard, peers
from belmont.federated.deployed.fleet import Fleet, join
from belmont.federated.deployed.http import explained
from belmont.federated.deployed.node_keys import new_node_key, node_key_hash, public_node_key, read_node_key
from belmont.federated.deployed.objects import name_messages, push_missing, wrapped
from belmont.federated.deployed.supernode import SuperNode
from belmont.federated.errors import REFUSED, CoordinatorError, Refusal
from belmont.federated.grid.deployed import DeployedGrid
from belmont.federated.node.requests import Claim, round_content
from belmont.registry.reasons import Reason

INSTANCES = ("0a" * 16, "0b" * 16, "0c" * 16)


def joined(deployment: Any, i: int, instance: str = INSTANCES[0], first: bool = True) -> Fleet:
    me = deployment.membership(i)
    dataset = deployment.scene.participants[i]
    node_id = join(me.address, me.authority, me.account, me.key, dataset, instance, first)
    return Fleet(me.address, me.authority, me.key, node_id, instance)


def asked(deployment: Any, grid: DeployedGrid) -> list[str]:
    """A round's message to each of the first two hospitals."""
    scene = deployment.scene
    permit = scene.issue()
    scene.open_round(permit)
    content = round_content(Claim(permit, 1, 1 << 37, scene.participants), scene.config, scene.model)
    to = [grid.node_ids[each] for each in scene.participants[:2]]
    return list(grid.push_messages([grid.create_message(content, "train", node_id, "1") for node_id in to]))


def refusal(run_id: int, source: int, replied_to: str, destination: int = SUPERLINK_NODE_ID) -> Message:
    """A hospital's refusal, as anybody could write it."""
    metadata = Metadata(run_id, "", source, destination, replied_to, "1", time.time(), 3600.0, "train")
    return make_message(metadata=metadata, error=Error(REFUSED, Refusal(Reason.CONSENT_STALE).to_json()))


def pushed(fleet: Fleet, message: Message) -> None:
    """Send a message as it is: what the library's own ``send`` would not."""
    trees, objects = name_messages([wrapped(message)])
    request = PushMessagesRequest(
        node=fleet._node,
        messages_list=[message_to_proto(message)],
        message_object_trees=trees,
        clientapp_runtime_list=[0.0],
    )
    answer = explained(lambda: fleet._client.PushMessages(request), "answering")
    run_id = message.metadata.run_id
    push = make_push_object_fn_protobuf(fleet._client.PushObject, fleet._node, run_id, answer.session_id)
    push_missing(objects, answer.objects_to_push, push)


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower's own checks, and none of ours."""
    monkeypatch.setattr(guard, "_reply_of", lambda peer, pushed: {("run", pushed.messages_list[0].metadata.run_id)})


def replies(grid: DeployedGrid, sent: list[str]) -> list[tuple[str, int]]:
    """What came: to which message, and from whom."""
    return [(each.metadata.reply_to_message_id, each.metadata.src_node_id) for each in grid.pull_messages(sent)]


def test_by_flowers_checks_alone_a_node_refuses_in_another_nodes_name(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(monkeypatch)
    with joined(coordinator, 0) as liar, joined(coordinator, 1), closing(coordinator.grid()) as grid:
        sent = asked(coordinator, grid)
        other = grid.node_ids[coordinator.scene.participants[1]]
        answer = refusal(grid.run.run_id, other, sent[1])
        pushed(liar, answer)
        found = list(grid._api.PullMessages(_pull_request(sent)).messages_list)
    assert [each.metadata.src_node_id for each in found] == [other]


def _pull_request(sent: list[str]) -> Any:
    from flwr.proto.runtime_pb2 import PullAppMessagesRequest

    return PullAppMessagesRequest(message_ids=sent)


def test_a_node_that_answers_in_another_nodes_name_is_refused(coordinator: Any) -> None:
    with joined(coordinator, 0) as liar, joined(coordinator, 1), closing(coordinator.grid()) as grid:
        sent = asked(coordinator, grid)
        other = grid.node_ids[coordinator.scene.participants[1]]
        with pytest.raises(CoordinatorError, match="own name") as refused:
            pushed(liar, refusal(grid.run.run_id, other, sent[1]))
        assert refused.value.status == 403
        assert replies(grid, sent) == []


def test_a_node_that_answers_what_another_was_asked_is_not_heard(coordinator: Any) -> None:
    with joined(coordinator, 0) as liar, joined(coordinator, 1), closing(coordinator.grid()) as grid:
        sent = asked(coordinator, grid)
        mine = grid.node_ids[coordinator.scene.participants[0]]
        pushed(liar, refusal(grid.run.run_id, mine, sent[1]))
        assert replies(grid, sent) == []


def test_by_flowers_checks_alone_a_node_gives_another_node_something_to_do(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for guarded in (False, True):
        with monkeypatch.context() as patch:
            if not guarded:
                unguarded(patch)
            with joined(coordinator, 0) as liar, joined(coordinator, 1) as other, closing(coordinator.grid()) as grid:
                run_id, to = grid.run.run_id, other._node.node_id
                forged = make_message(
                    metadata=Metadata(run_id, "", SUPERLINK_NODE_ID, to, "", "1", time.time(), 3600.0, "train"),
                    error=Error(1, "anything"),
                )
                if guarded:
                    with pytest.raises(CoordinatorError, match="own name"):
                        pushed(liar, forged)
                else:
                    pushed(liar, forged)
                other._pulls.seconds = 0.0
                given = other._client.PullMessages(_fleet_pull(other)).messages_list
                assert len(given) == (0 if guarded else 1)


def _fleet_pull(fleet: Fleet) -> Any:
    from flwr.proto.fleet_pb2 import PullMessagesRequest

    return PullMessagesRequest(node=fleet._node)


@pytest.mark.parametrize("changed", [{"replied_to": ""}, {"destination": 7}])
def test_a_node_only_replies_to_the_researcher(coordinator: Any, changed: dict[str, Any]) -> None:
    with joined(coordinator, 0) as node, closing(coordinator.grid()) as grid:
        given = {"run_id": grid.run.run_id, "source": node._node.node_id, "replied_to": "0" * 64} | changed
        with pytest.raises(CoordinatorError, match="only replies"):
            pushed(node, refusal(**given))


def test_a_researcher_believes_no_reply_from_another_node_than_it_asked(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coordinator that leaves its checks out, or is the liar's own."""
    unguarded(monkeypatch)
    with joined(coordinator, 0) as liar, joined(coordinator, 1), closing(coordinator.grid()) as grid:
        sent = asked(coordinator, grid)
        others = grid.node_ids[coordinator.scene.participants[1]]
        pushed(liar, refusal(grid.run.run_id, others, sent[1]))
        grid._sent_to[sent[1]] = 12345  # as if the coordinator had named another node than was asked
        assert replies(grid, sent) == []


def test_a_coordinator_that_refuses_for_a_hospital_is_not_taken_for_it(coordinator: Any) -> None:
    with closing(coordinator.grid()) as grid:
        grid._sent_to["a"] = 7
        assert grid._is_from_whom_it_should_be(refusal(grid.run.run_id, 7, "a"))
        assert not grid._is_from_whom_it_should_be(refusal(grid.run.run_id, 8, "a"))
        assert not grid._is_from_whom_it_should_be(refusal(grid.run.run_id, 7, "b"))


# --- one process with a key ---


def pulls(fleet: Fleet) -> None:
    fleet.receive(0.0)


def test_a_new_process_takes_the_place_of_another_with_its_key_which_is_told(coordinator: Any) -> None:
    with joined(coordinator, 0, INSTANCES[0]) as before:
        pulls(before)
        with joined(coordinator, 0, INSTANCES[1]) as after:
            pulls(after)
            with pytest.raises(CoordinatorError, match="another process joined with this node's key") as refused:
                pulls(before)
            assert refused.value.status == 409


def test_a_process_that_was_displaced_joins_again_only_once_the_other_is_gone(
    coordinator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with joined(coordinator, 0, INSTANCES[0]):
        with joined(coordinator, 0, INSTANCES[1]), pytest.raises(CoordinatorError, match="another process"):
            joined(coordinator, 0, INSTANCES[0], first=False)
        with joined(coordinator, 0, INSTANCES[0], first=False) as again:  # the other said that it ends
            pulls(again)
        with joined(coordinator, 0, INSTANCES[1]):
            monkeypatch.setattr(peers, "HEARD_SECONDS", 0.0)  # or was not heard of for long enough
            with joined(coordinator, 0, INSTANCES[0], first=False) as once_more:
                pulls(once_more)


def test_one_key_does_not_serve_two_datasets_at_a_time(coordinator: Any) -> None:
    """A coordinator gives messages out by key: either node would be given the other's."""
    scene = coordinator.scene
    hospital, table = scene.consortium.hospitals[0], scene.consortium.tables[0]
    until = scene.registry.dataset(scene.participants[0]).retention_until
    second = scene.registry.as_(hospital).register_dataset(
        "more", 1 << 4, table.dictionary.hash, 1, 255, until, scene.registry.dataset(scene.participants[0]).rho_cap
    )
    me = coordinator.membership(0)
    with (
        joined(coordinator, 0, INSTANCES[0]) as first,
        pytest.raises(CoordinatorError, match="one node key a member") as refused,
    ):
        join(me.address, me.authority, me.account, me.key, second, INSTANCES[1])
    assert refused.value.status == 409 and first._node.node_id
    join(me.address, me.authority, me.account, me.key, second, INSTANCES[1])
    assert set(coordinator.client().nodes()) <= {second}


def test_a_key_that_was_replaced_serves_no_longer(coordinator: Any, tmp_path: Any) -> None:
    scene = coordinator.scene
    with joined(coordinator, 0) as before:
        pulls(before)
        coordinator.keys[0] = read_node_key(new_node_key(), tmp_path)
        member = scene.registry.member(scene.consortium.hospitals[0].address)
        hashed = node_key_hash(public_node_key(coordinator.keys[0]))
        scene.registry.as_(scene.consortium.hospitals[0]).replace_keys(member.mask_key, hashed)
        with joined(coordinator, 0, INSTANCES[1]) as after:
            pulls(after)
            with pytest.raises(CoordinatorError, match="no node joined with this key"):
                pulls(before)


def test_of_two_nodes_with_one_key_the_newer_serves_and_the_older_stands_by(
    coordinator: Any, eventually: Callable[[Callable[[], bool]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("belmont.federated.deployed.supernode.STAND_BY_SECONDS", 0.3)
    told: dict[int, list[str]] = {0: [], 1: []}
    nodes = [SuperNode(coordinator.scene.nodes[0], coordinator.membership(0), told[k].append, 0.3) for k in (0, 1)]
    threads = [threading.Thread(target=node.run, daemon=True) for node in nodes]
    threads[0].start()
    eventually(lambda: told[0][-1:] == ["serving"])
    threads[1].start()
    eventually(lambda: told[1][-1:] == ["serving"] and "standing by: " in told[0][-1])
    time.sleep(1)
    assert told[1] == ["serving"]
    nodes[1].stop()
    threads[1].join(20)
    eventually(lambda: told[0][-1] == "serving")
    nodes[0].stop()
    threads[0].join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_a_member_has_a_bounded_number_of_runs(coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MOST_RUNS", 2)
    with closing(coordinator.grid()):
        with closing(coordinator.grid()), pytest.raises(CoordinatorError, match="2 runs under way"):
            coordinator.grid()
        coordinator.grid().close()


def test_a_chain_that_is_away_is_said_to_be_and_strangers_stay_strangers(
    coordinator: Any, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    coordinator.scene.registry.set_reachable(False)
    with pytest.raises(CoordinatorError, match="cannot reach the chain") as refused:
        coordinator.client().nodes()
    assert refused.value.may_pass
    coordinator.scene.registry.set_reachable(True)

    def is_served() -> bool:
        with suppress(CoordinatorError):
            return coordinator.client().nodes() == {}
        return False

    eventually(is_served)
