"""Messages from a coordinator are read as from a stranger."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, Metadata, RecordDict
from flwr.app.message.message import make_message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.deployed import objects
from belmont.federated.deployed.objects import fetch, name_messages, push_missing, unwrapped, wrapped
from belmont.federated.errors import CoordinatorError


def a_message(size: int = 4) -> Message:
    metadata = Metadata(7, "", 1, 2, "", "1", 1_750_000_000.0, 3_600.0, "train")
    arrays = ArrayRecord({"w": Array(np.arange(size, dtype=np.float64))})
    content = RecordDict({"arrays": arrays, "use": ConfigRecord({"n": 1})})
    return wrapped(make_message(metadata=metadata, content=content))


def stored(message: Message) -> tuple[str, ObjectTree, dict[str, bytes]]:
    (tree,), found = name_messages([message])
    contents: dict[str, bytes] = {}
    push_missing(found, list(found), contents.__setitem__)
    return message.metadata.message_id, tree, contents


def test_a_message_arrives_as_it_was_sent() -> None:
    message_id, tree, contents = stored(a_message())
    found = unwrapped(fetch(message_id, tree, contents.__getitem__))
    assert found.metadata.message_id == message_id and found.metadata.group_id == "1"
    np.testing.assert_array_equal(found.content["arrays"]["w"].numpy(), np.arange(4.0))


def test_one_changed_byte_in_any_object_is_noticed() -> None:
    message_id, tree, contents = stored(a_message())
    for name in contents:
        changed = contents | {name: contents[name][:-1] + bytes([contents[name][-1] ^ 1])}
        with pytest.raises(CoordinatorError, match="not what its name says"):
            fetch(message_id, tree, changed.__getitem__)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_object_are_refused(content: bytes) -> None:
    from flwr.supercore.inflatable.inflatable_object import get_object_id

    tree = ObjectTree(object_id=get_object_id(content))
    with pytest.raises(CoordinatorError):
        fetch(tree.object_id, tree, lambda name: content)


def test_a_message_of_too_many_objects_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    message_id, tree, contents = stored(a_message())
    monkeypatch.setattr(objects, "MAX_OBJECTS", 2)
    with pytest.raises(CoordinatorError, match="more than 2 objects"):
        fetch(message_id, tree, contents.__getitem__)


def test_a_message_that_is_too_large_is_refused_while_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    message_id, tree, contents = stored(a_message(1000))
    monkeypatch.setattr(objects, "MAX_MESSAGE_BYTES", 1000)
    fetched: list[str] = []

    def pull(name: str) -> bytes:
        fetched.append(name)
        return contents[name]

    with pytest.raises(CoordinatorError, match="larger than 1000"):
        fetch(message_id, tree, pull)
    assert len(fetched) <= len(contents)


def test_a_message_under_another_name_is_refused() -> None:
    _, tree, contents = stored(a_message())
    with pytest.raises(CoordinatorError):
        fetch("0" * 64, tree, contents.__getitem__)


def test_an_object_that_is_no_message_is_refused() -> None:
    _, tree, contents = stored(a_message())
    child = tree.children[0]
    with pytest.raises(CoordinatorError):
        fetch(child.object_id, child, contents.__getitem__)


def test_a_part_that_never_arrives_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    message_id, tree, _ = stored(a_message())
    monkeypatch.setattr(objects, "ARRIVAL_SECONDS", 0.1)

    def never(name: str) -> bytes:
        raise ObjectUnavailableError(name)

    with pytest.raises(CoordinatorError, match="did not arrive"):
        fetch(message_id, tree, never)


def test_names_that_are_not_ours_are_not_sent() -> None:
    _, found = name_messages([a_message()])
    sent: dict[str, Any] = {}
    push_missing(found, ["0" * 64, *found, next(iter(found))], sent.__setitem__)
    assert set(sent) == set(found)


def test_arrays_that_flower_would_unpack_are_refused_before_they_are() -> None:
    """Flower's array names its chunks, one as often as it likes: ten thousand times 200 MB in one small message."""
    metadata = Metadata(7, "", 1, 2, "", "1", 1_750_000_000.0, 3_600.0, "train")
    arrays = ArrayRecord({"w": Array(np.arange(4.0))})
    message_id, tree, contents = stored(make_message(metadata=metadata, content=RecordDict({"arrays": arrays})))
    with pytest.raises(CoordinatorError, match="kind"):
        fetch(message_id, tree, contents.__getitem__)


def test_a_message_that_is_not_wrapped_is_refused() -> None:
    metadata = Metadata(7, "", 1, 2, "", "1", 1_750_000_000.0, 3_600.0, "train")
    for content in (
        RecordDict({}),
        RecordDict({"use": ConfigRecord({"n": 1})}),
        RecordDict({"belmont": ConfigRecord({"belmont": 1})}),
        RecordDict({"belmont": ConfigRecord({"belmont": b"\xff\xff"})}),
        RecordDict({"belmont": ConfigRecord({"belmont": b"", "more": 1})}),
    ):
        with pytest.raises(CoordinatorError):
            unwrapped(make_message(metadata=metadata, content=content))
