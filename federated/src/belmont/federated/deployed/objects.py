"""Messages as Flower sends them: a tree of objects, each named by the SHA-256 of its bytes.

1. Of a stranger's tree, at most ``MAX_OBJECTS`` objects are fetched, each once, and ``MAX_MESSAGE_BYTES`` in all.
2. Every object is what its name says; Flower itself does not look.
3. An object that is announced and not there yet is asked for again, for ``ARRIVAL_SECONDS`` at most.
4. Flower unpacks an array from a list of chunks that may name one a million times. Ours have none (5).
5. Every object is a request of its own, so all records of a message travel as one: ``wrapped`` and ``unwrapped``.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message.message import make_message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_id,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError, inflate_object_from_contents

from belmont.federated.errors import CoordinatorError
from belmont.federated.grid.records import MAX_MODEL_BYTES, pack_records, unpack_records

MAX_OBJECTS = 16
MAX_MESSAGE_BYTES = MAX_MODEL_BYTES + 8 * 1024 * 1024
ARRIVAL_SECONDS = 10.0
_AGAIN_SECONDS = 0.02
_PACKED = "belmont"
_KINDS = (b"Message", b"RecordDict", b"ConfigRecord")


def wrapped(message: Message) -> Message:
    """The same message with its records in one (5); an error as it is."""
    return wrapped_all([message])[0]


def wrapped_all(messages: Sequence[Message]) -> list[Message]:
    """Each message ``wrapped``; what several of them hold is packed once."""
    packed: dict[int, RecordDict] = {}
    made = []
    for message in messages:
        if message.has_error():
            made.append(message)
            continue
        content = message.content
        if id(content) not in packed:
            packed[id(content)] = RecordDict({_PACKED: ConfigRecord({_PACKED: pack_records(content)})})
        made.append(make_message(metadata=message.metadata, content=packed[id(content)]))
    return made


def unwrapped(message: Message) -> Message:
    """What ``wrapped`` was given. Raises CoordinatorError for anything else."""
    if message.has_error():
        return message
    record = message.content.get(_PACKED)
    packed = record.get(_PACKED) if isinstance(record, ConfigRecord) and len(record) == 1 else None
    if len(message.content) != 1 or not isinstance(packed, bytes):
        raise CoordinatorError("a message is not wrapped as Belmont's are")
    try:
        return make_message(metadata=message.metadata, content=unpack_records(packed))
    except Exception as error:  # whatever protobuf and Flower raise for a stranger's bytes
        raise CoordinatorError("a message cannot be read") from error


def fetch(message_id: str, tree: ObjectTree, pull: Callable[[str], bytes]) -> Message:
    """The message of a tree. Raises CoordinatorError for anything that is not one."""
    names: dict[str, None] = {}
    for each in iterate_object_tree(tree):
        names[each.object_id] = None
        if len(names) > MAX_OBJECTS:
            raise CoordinatorError(f"a message has more than {MAX_OBJECTS} objects")
    contents: dict[str, bytes] = {}
    left = MAX_MESSAGE_BYTES
    deadline = time.monotonic() + ARRIVAL_SECONDS
    for name in names:
        content = contents[name] = _fetched(name, pull, deadline)
        left -= len(content)
        if left < 0:
            raise CoordinatorError(f"a message is larger than {MAX_MESSAGE_BYTES} bytes")
        if get_object_id(content) != name:
            raise CoordinatorError("an object of a message is not what its name says")
        if content[: max(0, content.find(b" "))] not in _KINDS:
            raise CoordinatorError("a message has an object of a kind that Belmont's have not")
    try:
        message = inflate_object_from_contents(message_id, contents)
    except Exception as error:  # whatever Flower's readers raise for a stranger's bytes
        raise CoordinatorError("a message cannot be read") from error
    if not isinstance(message, Message):
        raise CoordinatorError("a message cannot be read")
    message.metadata.__dict__["_message_id"] = message_id
    return message


def name_messages(messages: Sequence[Message]) -> tuple[list[ObjectTree], dict[str, bytes]]:
    """Gives each message its name; the messages' trees, and the objects of all by name."""
    trees: list[ObjectTree] = []
    contents: dict[str, bytes] = {}
    with no_object_id_recompute():  # what several hold is hashed once
        for message in messages:
            message.metadata.__dict__["_message_id"] = message.object_id
            trees.append(get_object_tree(message))
            for name, each in get_all_nested_objects(message).items():
                if name not in contents:
                    contents[name] = each.deflate()
    return trees, contents


def push_missing(contents: Mapping[str, bytes], missing: Iterable[str], push: Callable[[str, bytes], None]) -> None:
    """Sends the objects that the coordinator does not have; names that are not ours are left out."""
    for name in dict.fromkeys(missing):
        if name in contents:
            push(name, contents[name])


def _fetched(name: str, pull: Callable[[str], bytes], deadline: float) -> bytes:
    while True:
        try:
            return pull(name)
        except ObjectUnavailableError as error:
            if time.monotonic() > deadline:
                raise CoordinatorError("a part of a message did not arrive") from error
            time.sleep(_AGAIN_SECONDS)  # 3
