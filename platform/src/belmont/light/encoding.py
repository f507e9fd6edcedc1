"""RLP of what strangers send, and nibbles of keys."""

from typing import Final, TypeAlias

import rlp
from eth_utils.crypto import keccak as _keccak

from belmont.light.errors import ProofRefused

Item: TypeAlias = "bytes | list[Item]"

EMPTY_ROOT: Final = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
"""Root of the empty trie: Keccak of the RLP of nothing."""
SHORT_MAX: Final = 55
DEPTH_MAX: Final = 70
"""Lists in one another: a trie's nodes that stand inside their parents, at most one for each nibble of a key."""


def keccak(data: bytes) -> bytes:
    return bytes(_keccak(data))


def decode(data: bytes, rule: str, what: str) -> Item:
    """Exactly one RLP item, in the one encoding that is allowed. Raises ``ProofRefused`` under ``rule``.

    rlp's own decoder takes a stack frame and a copy of the rest for each list inside another: a proof of two megabytes
    would hold it up for minutes.
    """
    try:
        item, end = _item(data, 0, len(data), 0)
    except _NotRlp as error:
        raise ProofRefused(rule, f"{what} is not RLP") from error
    if end != len(data):
        raise ProofRefused(rule, f"{what} has bytes after its end")
    return item


class _NotRlp(Exception):
    """No canonical RLP, or lists too deep in one another."""


def _item(data: bytes, start: int, end: int, depth: int) -> tuple[Item, int]:
    """The item that begins at ``start``, and where it ends."""
    if start >= end or depth > DEPTH_MAX:
        raise _NotRlp
    head = data[start]
    if head < 0x80:
        return data[start : start + 1], start + 1
    base, begin = (0x80, start + 1) if head < 0xC0 else (0xC0, start + 1)
    size = head - base
    if size > SHORT_MAX:
        begin += size - SHORT_MAX
        size = int.from_bytes(data[start + 1 : begin], "big")
        if begin > end or data[start + 1] == 0 or size <= SHORT_MAX:
            raise _NotRlp
    stop = begin + size
    if stop > end:
        raise _NotRlp
    if base == 0x80:
        if size == 1 and data[begin] < 0x80:
            raise _NotRlp
        return data[begin:stop], stop
    items: list[Item] = []
    while begin < stop:
        item, begin = _item(data, begin, stop, depth + 1)
        items.append(item)
    return items, stop


def decode_list(data: bytes, length: int, rule: str, what: str) -> list[Item]:
    """A list of ``length`` items."""
    item = decode(data, rule, what)
    if isinstance(item, bytes) or len(item) != length:
        raise ProofRefused(rule, f"{what} is not a list of {length}")
    return item


def encode(item: Item) -> bytes:
    return bytes(rlp.encode(item))


def number(item: Item, rule: str, what: str, size: int = 8) -> int:
    """An unsigned number of at most ``size`` bytes without leading zeros."""
    if not isinstance(item, bytes) or len(item) > size or item[:1] == b"\0":
        raise ProofRefused(rule, f"{what} is no number of at most {size} bytes")
    return int.from_bytes(item, "big")


def fixed(item: Item, size: int, rule: str, what: str) -> bytes:
    """Bytes of exactly this length."""
    if not isinstance(item, bytes) or len(item) != size:
        raise ProofRefused(rule, f"{what} is not {size} bytes")
    return item


def from_number(value: int) -> bytes:
    """A number as RLP has it: big-endian, no leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def nibbles(key: bytes) -> tuple[int, ...]:
    return tuple(part for byte in key for part in (byte >> 4, byte & 15))
