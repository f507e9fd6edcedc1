"""Objects that travel with their message: one request in place of one for each object.

Flower sends a message as a tree of objects, each in a request of its own. Here what is small travels along:

1. A push may carry objects, and an answer to a pull does where it is asked to (``CARRY_HEADER``), in a protobuf field
   that Flower's messages do not have (``FIELD``). Who does not know it passes it over (proto3 keeps unknown fields),
   and what was not carried is pushed and pulled as before.
2. One request or answer carries ``MOST_CARRIED_BYTES`` at most; a message's objects are carried all or not at all.
3. A coordinator confirms for itself what it carried: Flower hands a message out once, so nobody asks for its objects
   again.
4. Nothing is trusted for having been carried: a reader compares each object with its name (`objects.fetch`), as
   Flower's store does.
"""

from collections.abc import Callable, Mapping
from itertools import islice

from flwr.proto.message_pb2 import ObjectTree, PushObjectRequest
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from belmont.federated.deployed.objects import MAX_OBJECTS

FIELD = 1000
CARRY_HEADER = "belmont-carry"
MOST_CARRIED_BYTES = 128 * 1024
_LENGTH_DELIMITED = 2


def carry(message: Message, objects: Mapping[str, bytes]) -> None:
    """Add objects, by name, to a request or an answer."""
    for name, content in objects.items():
        held = PushObjectRequest(object_id=name, object_content=content).SerializeToString()
        message.MergeFromString(_varint(FIELD << 3 | _LENGTH_DELIMITED) + _varint(len(held)) + held)


def carry_if_small(message: Message, objects: Mapping[str, bytes]) -> None:
    """Add objects to a push, where they are small enough together (2)."""
    if fits(objects):
        carry(message, objects)


def carried(message: Message) -> dict[str, bytes]:
    """The objects that a request or an answer carries. Raises ValueError for what is none."""
    found: dict[str, bytes] = {}
    for field in UnknownFieldSet(message):
        if field.field_number == FIELD and field.wire_type == _LENGTH_DELIMITED:
            try:
                held = PushObjectRequest.FromString(field.data)
            except Exception as error:  # whatever protobuf raises for a stranger's bytes
                raise ValueError("what a message carries cannot be read") from error
            found[held.object_id] = held.object_content
    return found


def names_of(tree: ObjectTree) -> set[str]:
    """The names in a tree, the first ``MAX_OBJECTS`` and one more: no message has so many."""
    return {each.object_id for each in islice(iterate_object_tree(tree), MAX_OBJECTS + 1)}


def fits(objects: Mapping[str, bytes], left: int = MOST_CARRIED_BYTES) -> bool:
    """Whether these may be carried where there is room for ``left`` bytes (2)."""
    return sum(map(len, objects.values())) <= left


def or_pulled(objects: Mapping[str, bytes], pull: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Takes an object that was carried, and pulls any other."""
    return lambda name: objects[name] if name in objects else pull(name)


def _varint(value: int) -> bytes:
    """Protobuf's encoding of a whole number: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
