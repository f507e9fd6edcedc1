"""A contract's ABI: encodes calls, decodes answers and events into plain Python values.

Structs become dictionaries under the contract's own field names, addresses are EIP-55 checksummed, bytes32 are 32 raw
bytes. Events come out in snake_case, as the audit trail shows them.

Text on a chain is whatever bytes somebody sent: what is not printable UTF-8 comes out as U+FFFD, so that one member's
strange name never keeps the others from reading.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.encoding import TextStringEncoder
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as default_registry
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from belmont.registry.limits import DID_MAX_BYTES, TEXT_MAX_BYTES

Entry = Mapping[str, Any]
TEXT_BYTES_MAX = max(TEXT_MAX_BYTES, DID_MAX_BYTES)
"""No record holds more text; what a stranger's event holds beyond it is left out."""


class ForeignTextDecoder(StringDecoder):
    """Decodes text that anybody may have written; never fails, never gives what a terminal would obey."""

    @staticmethod
    def decoder_fn(data: bytes, handle_string_errors: str = "replace") -> str:
        text = data[:TEXT_BYTES_MAX].decode("utf-8", errors="replace")
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _codec() -> ABICodec:
    types = default_registry.copy()  # type: ignore[no-untyped-call]
    types.unregister("string")
    is_text = BaseEquals("string")  # type: ignore[no-untyped-call]
    types.register(is_text, TextStringEncoder, ForeignTextDecoder, label="string")
    return ABICodec(types)


decode = _codec().decode


@dataclass(frozen=True)
class Function:
    name: str
    selector: bytes
    input_types: tuple[str, ...]
    output_types: tuple[str, ...]
    outputs: tuple[Entry, ...]


@dataclass(frozen=True)
class Event:
    name: str
    topic: bytes
    indexed: tuple[Entry, ...]
    plain: tuple[Entry, ...]


class Interface:
    """The functions and events of one contract."""

    def __init__(self, name: str, abi: Sequence[Entry]) -> None:
        self.name = name
        self.functions = {entry["name"]: _function(entry) for entry in abi if entry["type"] == "function"}
        events = [_event(entry) for entry in abi if entry["type"] == "event"]
        self.events = {event.name: event for event in events}
        self._by_topic = {event.topic: event for event in events}
        self._constructor = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), ())

    def encode_constructor(self, *args: object) -> bytes:
        """The constructor's arguments, as they follow the creation code."""
        return bytes(encode([_type(each) for each in self._constructor], args))

    def encode_call(self, function: str, *args: object) -> bytes:
        """Call data."""
        found = self.functions[function]
        return found.selector + bytes(encode(found.input_types, args))

    def decode_answer(self, function: str, answer: bytes) -> Any:
        """What the function returned: the value, or a tuple of several. Raises ``ValueError`` when it is neither."""
        found = self.functions[function]
        values = decode(found.output_types, answer)
        plain = tuple(_plain(entry, value) for entry, value in zip(found.outputs, values, strict=True))
        return plain[0] if len(plain) == 1 else plain

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """An event's name and fields in snake_case; None for an event that this contract does not declare."""
        event = self._by_topic.get(topics[0]) if topics else None
        if event is None:
            return None
        values: dict[str, Any] = {}
        for entry, topic in zip(event.indexed, topics[1:], strict=True):
            values[entry["name"]] = _plain(entry, decode([_type(entry)], topic)[0])
        decoded = decode([_type(entry) for entry in event.plain], data)
        for entry, value in zip(event.plain, decoded, strict=True):
            values[entry["name"]] = _plain(entry, value)
        return event.name, {snake_case(name): value for name, value in values.items()}


def snake_case(name: str) -> str:
    """``votesFor`` to ``votes_for``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _function(entry: Entry) -> Function:
    inputs = tuple(_type(each) for each in entry["inputs"])
    return Function(
        name=entry["name"],
        selector=bytes(keccak(text=f"{entry['name']}({','.join(inputs)})"))[:4],
        input_types=inputs,
        output_types=tuple(_type(each) for each in entry["outputs"]),
        outputs=tuple(entry["outputs"]),
    )


def _event(entry: Entry) -> Event:
    types = ",".join(_type(each) for each in entry["inputs"])
    return Event(
        name=entry["name"],
        topic=bytes(keccak(text=f"{entry['name']}({types})")),
        indexed=tuple(each for each in entry["inputs"] if each["indexed"]),
        plain=tuple(each for each in entry["inputs"] if not each["indexed"]),
    )


def _type(entry: Entry) -> str:
    """The canonical ABI type, tuples spelled out."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(each) for each in entry['components'])}){kind[len('tuple') :]}"


def _plain(entry: Entry, value: Any) -> Any:
    kind = str(entry["type"])
    if kind.endswith("]"):
        element = {**entry, "type": kind[: kind.rindex("[")]}
        return tuple(_plain(element, each) for each in value)
    if kind == "tuple":
        fields = zip(entry["components"], value, strict=True)
        return {each["name"]: _plain(each, part) for each, part in fields}
    return to_checksum_address(value) if kind == "address" else value
