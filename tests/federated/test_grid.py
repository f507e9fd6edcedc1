"""The in-process grid keeps Flower's contract, and shares nothing mutable between parties."""

import time

import flwr
import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays as arrays_of

from belmont.federated.errors import FederatedError
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.grid.records import write_arrays


class Echo:
    """Answers with what it got, after changing its own copy."""

    def __init__(self, node_id, wait=0.0):
        self.node_id, self.wait, self.seen = node_id, wait, []

    def deliver(self, run_id, bundle):
        self.bundle = (run_id, bundle)

    def handle(self, message):
        time.sleep(self.wait)
        self.seen.append(message)
        message.content["config"]["list"].append(9)
        message.content["arrays"]["a"].data = b"changed"
        if message.content["config"].get("fail"):
            raise ValueError("patient 4711")
        return Message(message.content, reply_to=message)


def content(**config):
    return RecordDict(
        {
            "arrays": ArrayRecord({"a": Array(np.arange(3.0))}),
            "config": ConfigRecord({"list": [1, 2], **config}),
            "metrics": MetricRecord({"m": [1.0]}),
        }
    )


@pytest.fixture
def nodes():
    return [Echo(11), Echo(12)]


def test_it_is_flowers_own_interface_and_says_what_it_is_for(nodes):
    grid = InProcessGrid(nodes)
    assert isinstance(grid, Grid)
    assert set(grid.get_node_ids()) == {11, 12} == {info.node_id for info in grid.get_nodes()}
    assert "this process" in repr(grid) and "synthetic data" in repr(grid)


def test_parties_share_no_mutable_object(nodes):
    grid = InProcessGrid(nodes)
    sent = content()
    replies = grid.send_and_receive([grid.create_message(sent, "train", node, "1") for node in (11, 12)])
    assert sent["config"]["list"] == [1, 2]
    assert (sent["arrays"]["a"].numpy() == np.arange(3.0)).all()
    first, second = replies
    assert first.content["config"]["list"] == [1, 2, 9] == second.content["config"]["list"]
    assert nodes[0].seen[0].content["config"] is not nodes[1].seen[0].content["config"]
    first.content["config"]["list"].append(0)
    assert nodes[0].seen[0].content["config"]["list"] == [1, 2, 9]


def test_messages_get_ids_and_replies_name_them(nodes):
    grid = InProcessGrid(nodes)
    ids = list(grid.push_messages([grid.create_message(content(), "train", node, "7") for node in (11, 12)]))
    assert len(set(ids)) == 2
    replies, deadline = [], time.monotonic() + 5
    while len(replies) < 2 and time.monotonic() < deadline:
        replies += grid.pull_messages(ids)
    assert {reply.metadata.reply_to_message_id for reply in replies} == set(ids)
    assert {reply.metadata.src_node_id for reply in replies} == {11, 12}
    assert {reply.metadata.group_id for reply in replies} == {"7"}
    assert list(grid.pull_messages(ids)) == []


def test_nodes_work_at_the_same_time_and_a_late_one_is_silent():
    """One after the other, two would not have answered in time."""
    grid = InProcessGrid([Echo(1, 1.0), Echo(2, 1.0), Echo(3, 5.0)])
    started = time.perf_counter()
    messages = [grid.create_message(content(), "train", node, "1") for node in (1, 2, 3)]
    replies = list(grid.send_and_receive(messages, timeout=1.9))
    assert time.perf_counter() - started < 3
    assert {reply.metadata.src_node_id for reply in replies} == {1, 2}


def test_a_node_that_breaks_or_does_not_exist_is_an_error_reply_without_details(nodes):
    grid = InProcessGrid(nodes)
    messages = [
        grid.create_message(content(fail=True), "train", 11, "1"),
        grid.create_message(content(), "train", 5, "1"),
    ]
    replies = list(grid.send_and_receive(messages))
    assert all(reply.has_error() for reply in replies)
    assert not any("4711" in (reply.error.reason or "") for reply in replies)


def test_a_bundle_is_delivered_for_the_grids_run(nodes):
    grid = InProcessGrid(nodes)
    grid.deliver(b"bundle")
    assert nodes[0].bundle == (grid.run.run_id, b"bundle") == nodes[1].bundle


def test_two_nodes_of_one_dataset_are_refused(nodes):
    with pytest.raises(FederatedError):
        InProcessGrid([nodes[0], Echo(11)])


def test_the_private_functions_of_flower_that_belmont_rests_on_are_still_there():
    """Canary: another Flower version may move these; then look at every use before pinning it."""
    import inspect

    from flwr.app.message.message import make_message
    from flwr.cli.build import build_fab_from_disk
    from flwr.common.config import flatten_dict
    from flwr.supercore.run import Run

    assert flwr.__version__ == "1.41.0"
    assert list(inspect.signature(make_message).parameters) == ["metadata", "content", "error"]
    assert list(inspect.signature(build_fab_from_disk).parameters) == ["app"]
    assert flatten_dict({"a": {"b": 1}}) == {"a.b": 1}
    assert Run.create_empty(5).run_id == 5


@given(
    st.sampled_from(["<f4", "<f8"]).flatmap(
        lambda kind: arrays_of(np.dtype(kind), array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    ),
    st.booleans(),
)
def test_an_array_is_written_as_numpy_and_flower_write_it(array, transposed):
    given_array = array.T if transposed else array
    written, flowers = write_arrays({"a": given_array})["a"], Array(np.ascontiguousarray(given_array))
    assert (written.dtype, written.shape, written.stype) == (flowers.dtype, tuple(flowers.shape), flowers.stype)
    assert written.data == flowers.data
    np.testing.assert_array_equal(written.numpy(), np.ascontiguousarray(given_array))
